"""Raw BIDS of the simulated subjects, as from a scanner, and the truth beside it.

Settings used besides those of `paradigm`, `anatomy`, `motion` and `scanner`: ``signal_to_noise`` (multiplies the
response, 1 = as below) and, under ``response``, per cent signal change that an endless block would reach: ``mean``
over the training images, ``deviation`` (standard deviation over them) and ``trial_deviation`` (of the response from
trial to trial, in units of `deviation`).
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.anatomy import (
    Head,
    Template,
    apply_affine,
    bias_field,
    functional_grid,
    grid_points,
    head_grid,
    make_head,
    slab_grid,
)
from fmri2image.acquire.phantom.areas import area_masks
from fmri2image.acquire.phantom.encoding import receptive_fields, responses
from fmri2image.acquire.phantom.motion import run_motion, session_offset
from fmri2image.acquire.phantom.scanner import acquire_run, block_design, block_noise, noise_levels, static_image
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.files import replacing
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.core.seeds import generator_for

SCANNER = {"Manufacturer": "Simulated", "ManufacturersModelName": "fmri2image phantom", "MagneticFieldStrength": 3}
ECHO_TIME = 0.043
NOISE_COLUMNS = (
    "response_mean", "response_deviation", "trial_deviation", "volume_thermal", "volume_physiological", "block_noise",
)  # fmt: skip
IMAGE_NOISE = 0.015


@dataclass(frozen=True)
class VisualCortex:
    """The responding voxels of a subject: index on the functional grid (n, 3), area label, response statistics (%)."""

    index: np.ndarray
    area: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def names(self) -> list[str]:
        """Names ``i-j-k`` on the grid of the masks."""
        return ["-".join(str(number) for number in row) for row in self.index]


def simulate_subject(
    subject: str,
    images: Mapping[str, LabelledArray],
    stimuli: pd.DataFrame,
    settings: Mapping,
    seed: int,
    bids_dir: str | Path,
    truth_path: str | Path,
) -> None:
    """Scan one subject: write all files of `paradigm.bids_files` and the truth.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.
    images : dict from stimulus set to LabelledArray
        uint8 (n, size, size, 3), rows = stimulus names.
    stimuli : DataFrame
        ``stimulus``, ``category_index``, ``image_index``.
    settings : mapping
        Configuration key ``simulate``.
    seed : int
    bids_dir, truth_path : path

    Raises
    ------
    ConfigError
        If a stimulus set does not hold as many images as the settings say, or an area is empty at this voxel size.
    DataError
        If the stimulus table lacks an image.
    """
    runs = paradigm.run_table(settings)
    _check(images, stimuli, settings)
    bids_dir = Path(bids_dir)
    head = make_head(subject, settings, seed, Template.load())
    masks = area_masks(head, settings)
    empty = [" ".join(key) for key, mask in masks.items() if not mask.any()]
    if empty:
        raise ConfigError(
            f"simulate: sub-{subject} has no voxel in {', '.join(empty)} at voxel_size {settings['voxel_size']} mm; "
            "use smaller voxels."
        )
    _write_anatomy(subject, head, masks, settings, seed, bids_dir)
    cortex, known = _visual_cortex(subject, head, masks, images, settings, seed)
    static = static_image(head, settings)
    shape, affine = functional_grid(settings)
    centre = grid_centre(shape, affine)
    # One coil for all sessions of a subject.
    receive = bias_field(grid_points(shape, affine), generator_for(seed, "receive field", subject))
    orders = {
        name: paradigm.stimulus_order(
            images[name].rows, part["repeats"], sum(part["runs"]), generator_for(seed, "order", subject, name)
        )
        for name, part in settings["stimulus_sets"].items()
    }
    truth = _truth_arrays(cortex, known, images, settings)
    for session, in_session in runs.groupby("session", sort=False):
        offset = session_offset(settings, generator_for(seed, "placement", subject, session))
        placement = rigid_matrix(offset, centre)
        _write_inplane(subject, session, head, placement, settings, seed, bids_dir)
        truth[f"pose_ses-{session}_inplaneT2"] = LabelledArray(placement[None], ["image"])
        for run in in_session.to_dict("records"):
            stem = paradigm.run_stem(subject, session, run["run"])
            rng = generator_for(seed, "run", subject, session, run["run"])
            events = paradigm.run_events(orders[run["stimulus_set"]][run["run_index"]], run, stimuli, settings, rng)
            poses = rigid_matrix(offset + run_motion(run["n_volumes"], settings, rng), centre)
            signal = _signal(events, known[run["stimulus_set"]], cortex, run["n_volumes"], settings, rng)
            volumes = acquire_run(static, receive, poses, signal, cortex.index, settings, rng)
            _write_run(bids_dir / stem, volumes, affine, events, settings)
            rows = [f"volume-{number:04d}" for number in range(len(poses))]
            truth[f"pose_ses-{session}_run-{run['run']}"] = LabelledArray(poses, rows)
    attributes = {
        "simulated": True, "subject": subject, "seed": seed, "settings": json.dumps(settings, sort_keys=True),
        "mask_grid_affine": affine, "mask_grid_shape": shape,
        "pose": "4 x 4, brain-space (T1w) mm to scanner mm at the time of the volume",
    }  # fmt: skip
    write_arrays(truth_path, truth, attributes)


def write_dataset_files(bids_dir: str | Path, settings: Mapping) -> None:
    """Write the files of the dataset that belong to no subject (`paradigm.dataset_files`)."""
    bids_dir = Path(bids_dir)
    description = {
        "Name": "Simulated subjects (phantom) of fmri2image: no person was scanned", "BIDSVersion": "1.8.0",
        "DatasetType": "raw", "License": "CC0", "GeneratedBy": [{"Name": "fmri2image simulator"}],
    }  # fmt: skip
    _write_json(bids_dir / "dataset_description.json", description)
    _write_text(
        bids_dir / "README",
        "Everything in this folder is simulated. It has the layout of OpenNeuro ds001506 (Shen et al. 2019): block\n"
        "design, one-back task, one session per folder, area masks in sourcedata/. Heads are distortions of the\n"
        "MNI152 template, responses come from filters on the images, and noise, drift and head motion are added.\n"
        "It serves to test methods and says nothing about brains.\n",
    )
    participants = "".join(f"sub-{subject}\tsimulated\n" for subject in settings["subjects"])
    _write_text(bids_dir / "participants.tsv", f"participant_id\tkind\n{participants}")
    columns = {
        "event_type": {
            "Description": "Kind of event",
            "Levels": {
                "1": "stimulus block", "2": "one-back repetition of the block before", "-1": "initial rest",
                "-2": "final rest", "-3": "rest between blocks",
            },
        },
        "stimulus_id": {"Description": "Name of the image"},
        "stimulus_name": {"Description": "Name of the image"},
        "category_index": {"Description": "Number of the image's category"},
        "image_index": {"Description": "Number of the image in its stimulus set"},
        "response_time": {"Description": "Button press after the onset of a one-back repetition", "Units": "s"},
    }  # fmt: skip
    _write_json(bids_dir / f"task-{paradigm.TASK}_events.json", columns)


def _check(images: Mapping[str, LabelledArray], stimuli: pd.DataFrame, settings: Mapping) -> None:
    known = set(stimuli["stimulus"])
    if "train" not in settings["stimulus_sets"]:
        raise ConfigError("simulate: stimulus_sets must hold 'train', whose responses give the unit.")
    for name, part in settings["stimulus_sets"].items():
        found = len(images[name].rows) if name in images else 0
        if found != part["images"]:
            raise ConfigError(
                f"simulate: stimulus_sets: {name}: images is {part['images']}, but {found} images were made."
            )
        missing = [row for row in images[name].rows if row not in known]
        if missing:
            raise DataError(f"The stimulus table lacks image '{missing[0]}' of set '{name}'.")


def _visual_cortex(
    subject: str, head: Head, masks: Mapping, images: Mapping[str, LabelledArray], settings: Mapping, seed: int
) -> tuple[VisualCortex, dict[str, pd.DataFrame]]:
    """Choose the responding voxels and compute their responses, a table stimuli × voxels for every set."""
    shape, affine = functional_grid(settings)
    label = np.full(shape, "", dtype="U4")
    # LOC, FFA and PPA lie inside HVC.
    for area in ("HVC", *[area for area in paradigm.AREAS if area != "HVC"]):
        for hemisphere in paradigm.HEMISPHERES:
            label[masks[hemisphere, area]] = area
    index = np.argwhere(label != "")
    area = label[tuple(index.T)]
    points = head.template_points(apply_affine(affine, index))
    rng = generator_for(seed, "tuning", subject)
    voxels = receptive_fields(area, points, rng)
    sets = list(settings["stimulus_sets"])
    values = responses({name: images[name].values for name in sets}, voxels, rng)
    response, scale = settings["response"], settings["signal_to_noise"]
    # Voxels differ in vascularisation, and in how much of their response depends on the image.
    vessels = np.exp(rng.normal(0, 0.25, len(index)))
    mean = scale * response["mean"] * vessels
    deviation = scale * response["deviation"] * vessels * np.exp(rng.normal(0, 0.35, len(index)))
    known = {name: pd.DataFrame(values[name], index=images[name].rows) for name in sets}
    return VisualCortex(index, area, mean, deviation), known


def _signal(
    events: pd.DataFrame,
    known: pd.DataFrame,
    cortex: VisualCortex,
    n_volumes: int,
    settings: Mapping,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the signal change of a run as a fraction, (n_volumes, n_voxels)."""
    blocks = events[events["event_type"].isin([paradigm.STIMULUS, paradigm.ONE_BACK])]
    design = block_design(
        blocks["onset"].to_numpy(), blocks["duration"].to_numpy(), n_volumes, settings["repetition_time"]
    )
    selective = known.loc[blocks["stimulus_name"]].to_numpy()
    selective = selective + settings["response"]["trial_deviation"] * rng.standard_normal(selective.shape)
    return (design @ (cortex.mean + cortex.deviation * selective)) / 100


def _truth_arrays(
    cortex: VisualCortex, known: Mapping[str, pd.DataFrame], images: Mapping[str, LabelledArray], settings: Mapping
) -> dict[str, LabelledArray]:
    """Collect responses and noise levels, rows = voxels."""
    names = cortex.names
    arrays = {}
    for stimulus_set, table in known.items():
        units = {"units": "SD of the responses to the training images", "columns": f"rows of stimulus_{stimulus_set}"}
        arrays[f"response_{stimulus_set}"] = LabelledArray(table.to_numpy().T.astype(np.float32), names, units)
        rows = images[stimulus_set].rows
        arrays[f"stimulus_{stimulus_set}"] = LabelledArray(np.arange(len(rows)), rows)
    n_averaged = max(1, round(settings["stimulus_sets"]["train"]["block"] / settings["repetition_time"]))
    volume, block = 100 * np.array(noise_levels(settings)), 100 * np.array(block_noise(settings, n_averaged))
    trial = settings["response"]["trial_deviation"] * cortex.deviation
    levels = [cortex.mean, cortex.deviation, trial, *np.broadcast_to(volume[:, None], (2, len(names)))]
    levels.append(np.sqrt((block**2).sum() + trial**2))
    units = {"columns": " ".join(NOISE_COLUMNS), "units": "per cent of the mean", "volumes_per_block": n_averaged}
    arrays["level"] = LabelledArray(np.stack(levels, axis=1), names, units)
    arrays["area"] = LabelledArray(np.array([paradigm.AREAS.index(a) for a in cortex.area]), names)
    arrays["area"].attributes["areas"] = " ".join(paradigm.AREAS)
    return arrays


def _write_anatomy(subject: str, head: Head, masks: Mapping, settings: Mapping, seed: int, bids_dir: Path) -> None:
    shape, affine = head_grid(settings)
    points = grid_points(shape, affine)
    rng = generator_for(seed, "t1w", subject)
    image = head.t1(points) * bias_field(points, rng, 0.1)
    image = np.hypot(image + IMAGE_NOISE * rng.standard_normal(shape), IMAGE_NOISE * rng.standard_normal(shape))
    stem = bids_dir / paradigm.t1w_stem(subject)
    _write_image(stem.with_name(f"{stem.name}.nii.gz"), (1000 * image).astype(np.int16), affine)
    _write_json(stem.with_name(f"{stem.name}.json"), SCANNER | {"MRAcquisitionType": "3D"})
    _, affine = functional_grid(settings)
    for (hemisphere, area), mask in masks.items():
        _write_image(bids_dir / paradigm.mask_path(subject, hemisphere, area), mask.astype(np.uint8), affine)


def _write_inplane(
    subject: str, session: str, head: Head, placement: np.ndarray, settings: Mapping, seed: int, bids_dir: Path
) -> None:
    """Write the anatomical image of the slab: half the functional voxel size in plane, same slices."""
    zoom = settings["voxel_size"]
    shape, affine = slab_grid(settings, (zoom / 2, zoom / 2, zoom))
    points = grid_points(shape, affine)
    rng = generator_for(seed, "inplane", subject, session)
    image = head.contrast("t2", apply_affine(np.linalg.inv(placement), points))
    # Thick slices blur along the third axis.
    image = gaussian_filter(image, (0.4, 0.4, 0.3)) * bias_field(points, rng)
    image = np.hypot(image + IMAGE_NOISE * rng.standard_normal(shape), IMAGE_NOISE * rng.standard_normal(shape))
    stem = bids_dir / paradigm.inplane_stem(subject, session)
    _write_image(stem.with_name(f"{stem.name}.nii.gz"), (1000 * image).astype(np.int16), affine)
    _write_json(stem.with_name(f"{stem.name}.json"), SCANNER | {"MRAcquisitionType": "2D"})


def _write_run(stem: Path, volumes: np.ndarray, affine: np.ndarray, events: pd.DataFrame, settings: Mapping) -> None:
    repetition_time = settings["repetition_time"]
    sidecar = SCANNER | {
        "TaskName": paradigm.TASK, "RepetitionTime": repetition_time, "EchoTime": ECHO_TIME, "FlipAngle": 80,
        "SliceTiming": [0.0] * volumes.shape[2],
    }  # fmt: skip
    _write_image(stem.with_name(f"{stem.name}_bold.nii.gz"), volumes, affine, repetition_time)
    _write_json(stem.with_name(f"{stem.name}_bold.json"), sidecar)
    with replacing(stem.with_name(f"{stem.name}_events.tsv")) as partial:
        events.to_csv(partial, sep="\t", index=False, na_rep="n/a")


def _write_image(path: Path, values: np.ndarray, affine: np.ndarray, repetition_time: float | None = None) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec" if repetition_time else "unknown")
    if repetition_time:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    # No time stamp, so that equal seeds give equal files.
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _write_json(path: Path, content: Mapping) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
