"""A study small enough to write pages from: tables, images, samples and settings, with or without truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples
from fmri2image.core.tables import write_table
from fmri2image.evaluate.recovery.table import RECOVERY_COLUMNS, recovery_row, recovery_table
from fmri2image.evaluate.reliability import RESPONSE_COLUMNS, describe_responses

ROOT = Path(__file__).resolve().parents[3]
STIMULI = ["b-cat", "a-dog", "c-bird"]
SETS = {"test": "test", "imagery": "imagery"}
SUBJECTS = ("01", "02")
CODE = {"scripts/write_summary": "0123456789ab"}


def config(simulated: bool = True) -> dict:
    """Return the checked-in configuration of the simulated subjects, or of Miyawaki et al. 2008."""
    name = "config.yaml" if simulated else "miyawaki2008.yaml"
    return yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))


def settings(simulated: bool = True) -> dict:
    """Return the settings of the first page."""
    return {
        "title": "A phantom <study>",
        "dataset": "small",
        "simulated": simulated,
        "primary": {"method": "icnn", "roi": "VC"},
        "stimulus_sets": SETS,
        "config": {**config(), "title": "A phantom <study>"},
    }


def identification(transductive: bool = False, simulated: bool = True) -> pd.DataFrame:
    """Return scores of two subjects; subject 02 is within chance in imagery."""
    rows = []
    for test in SETS:
        shift = 0.2 if test == "imagery" else 0.0
        for metric, base in (
            ("pixel_identification", 0.8121),
            ("ssim_identification", 0.7111),
            ("feature_identification_squeezenet", 0.6543),
            ("pixel_top1", 0.3333),
        ):
            for number, subject in enumerate(SUBJECTS):
                rows.append((subject, "VC", "icnn", test, metric, base - shift - 0.05 * number))
            rows.append((None, "true-features", "icnn", test, metric, 0.9777))
    rows.append(("01", "V1", "icnn", "test", "pixel_identification", 0.6889))
    rows.append(("01", "VC", "pixels", "test", "pixel_identification", 0.7778))
    table = pd.DataFrame(rows, columns=["subject", "roi", "method", "test", "metric", "value"])
    return table.assign(
        stimulus_set=table["test"], n_rows=3, n_comparisons=2, chance=0.503, chance_p01=0.41, chance_p95=0.58,
        chance_p99=0.614, p_value=0.0123, n_permutations=10000, permuted="stimulus labels",
        transductive=transductive, simulated=simulated,
    )  # fmt: skip


def scores() -> pd.DataFrame:
    """Return scores of every image; the correlation grows with the position of the stimulus in `STIMULI`."""
    rows = [
        (subject, roi, "icnn", test, stimulus, metric, value + 0.1 * number)
        for subject, roi in (*((s, "VC") for s in SUBJECTS), ("01", "V1"), (None, "true-features"))
        for test in SETS
        for number, stimulus in enumerate(STIMULI)
        for metric, value in (("pixel_correlation", 0.123), ("pixel_identification", 0.5))
    ]
    return pd.DataFrame(rows, columns=["subject", "roi", "method", "test", "stimulus", "metric", "value"])


def accuracy(transductive: bool = False) -> pd.DataFrame:
    """Return feature decoding of two areas and two layers."""
    rows = [
        (subject, roi, layer, test, value)
        for subject, shift in (("01", 0.0), ("02", 0.1))
        for test in SETS
        for roi, base in (("VC", 0.31), ("V1", 0.02))
        for layer, value in (("conv1_1", base + shift), ("fc6", base + shift + 0.1))
    ]
    return pd.DataFrame(rows, columns=["subject", "roi", "layer", "test", "value"]).assign(
        decoder="ridge", metric="unit_correlation", chance_p01=-0.1, chance_p99=0.1, n_rows=3, transductive=transductive
    )


def motion() -> pd.DataFrame:
    """Return motion errors of three runs."""
    rows = [("01", 10, 0.1, 0.2), ("01", 30, 0.3, 0.4), ("02", 10, 0.05, 0.06)]
    return pd.DataFrame(rows, columns=["subject", "n_volumes", "rms_translation", "rms_rotation"])


def recovery() -> pd.DataFrame:
    """Return what two subjects recover."""
    rows = [
        recovery_row("translation_error", 0.0234, 40),
        recovery_row("voxel_correlation", 0.456, 9, roi="VC", stimulus_set="test", ceiling=0.57),
        recovery_row("voxel_correlation", 0.777, 5, roi="V1", stimulus_set="test", ceiling=0.8),
    ]
    return pd.concat([recovery_table(rows, "small", subject, True) for subject in SUBJECTS])


def samples(subject: str = "01") -> Samples:
    """Return responses of four voxels: two repeat themselves, one reverses itself, one is constant; imagery once each."""
    pattern = np.array([1.0, 2.0, 4.0])
    rows, data = [], []
    for test, repeats in (("test", 2), ("imagery", 1)):
        for repeat in range(repeats):
            for stimulus, value in zip(STIMULI, pattern, strict=True):
                rows.append({"stimulus": stimulus, "stimulus_set": test})
                data.append([value, 2 * value, -value if repeat else value, 7.0])
    voxels = pd.DataFrame({"ROI_V1": [1, 1, 0, 0], "ROI_VC": [1, 1, 1, 1]})
    return Samples(np.array(data, np.float32), pd.DataFrame(rows), voxels, {"subject": subject})


def write_study(folder: Path, *, transductive: bool = False, simulated: bool = True) -> dict[str, list[str]]:
    """Write the inputs of the first page and return them by name."""
    generator = np.random.default_rng(0)
    tables = {
        "identification": identification(transductive, simulated),
        "scores": scores(),
        "accuracy": accuracy(transductive),
    }
    if simulated:
        tables |= {"motion": motion(), "recovery": recovery()}
    for name, table in tables.items():
        columns = RECOVERY_COLUMNS if name == "recovery" else None
        write_table(folder / f"{name}.tsv", table, columns)
    inputs = {name: [str(folder / f"{name}.tsv")] if name in tables else [] for name in (*tables, "motion", "recovery")}
    inputs["responses"] = []
    for subject in SUBJECTS:
        path = folder / f"sub-{subject}_responses.tsv"
        write_table(path, describe_responses(samples(subject), "small", simulated), RESPONSE_COLUMNS)
        inputs["responses"].append(str(path))
    inputs["images"], inputs["stimuli"] = [], []
    for stimulus_set in SETS:
        seen = generator.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
        path = folder / "stimuli" / f"{stimulus_set}.h5"
        write_arrays(path, {"images": LabelledArray(seen, STIMULI)})
        inputs["stimuli"].append(str(path))
        for source in ("sub-01_roi-VC", "sub-02_roi-VC", "true-features"):
            path = folder / "icnn" / f"{source}_{stimulus_set}.h5"
            made = generator.random((3, 3, 8, 8)).astype(np.float32)
            about = {"transductive": str(transductive), "versions": '{"numpy": "9.8.7"}', "code": '{"mod": "abc123"}'}
            write_arrays(path, {"images": LabelledArray(made, STIMULI)}, about)
            inputs["images"].append(str(path))
    pictures = {
        "examples": ["examples"],
        "identification_figure": ["identification"],
        "methods_figure": ["methods"],
        "decoding_figure": ["decoding_accuracy"],
        "selection_figure": ["voxel_selection"],
        "raw_absolute_figure": [],
        "norm_figure": ["norm_correction"] if simulated else [],
        "quality": [f"sub-{subject}_preprocess" for subject in SUBJECTS] if simulated else [],
        "sheets": ["images_icnn_roi-V1_test", "images_icnn_roi-VC_test", "images_icnn_roi-VC_imagery"],
    }
    for name, stems in pictures.items():
        inputs[name] = [str(folder / f"{stem}.png") for stem in stems]
        for path in inputs[name]:
            Image.new("RGB", (1063, 40)).save(path)
    return inputs
