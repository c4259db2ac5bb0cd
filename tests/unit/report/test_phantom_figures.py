"""Figures of the simulated subjects: what they show is what the truth and the raw files hold."""

import copy
import json
import shutil
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import config

from fmri2image.acquire.phantom import bids, paradigm
from fmri2image.acquire.phantom.images import imagery_images, letter_images, natural_images
from fmri2image.acquire.phantom.signal import block_design, block_signal
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError
from fmri2image.report.phantom import budget, fields, files, heads, runs, stimuli
from fmri2image.samples.events import REPETITION, read_events, stimulus_blocks
from fmri2image.study.study import load_study

SUBJECT = "01"


def settings() -> dict:
    """The demo's scanner with 5-mm voxels, three runs, loud responses and a head that hardly moves."""
    chapter = copy.deepcopy(config()["acquire"]["simulate"])
    sets = chapter["stimulus_sets"]
    chapter["stimulus_sets"] = {
        "train": sets["train"] | {"images": 12, "runs": [1], "one_back": 1},
        "letters": sets["letters"] | {"repeats": 1, "runs": [1]},
        "imagery": sets["imagery"] | {"from": {"letters": 3}, "runs": [1], "repeats": 2},
    }
    chapter |= {"voxel_size": 5.0, "slab": [150.0, 95.0, 70.0], "t1w_voxel_size": 4.0, "signal_to_noise": 4.0}
    chapter["noise"] |= {"temporal_snr": 200.0, "drift": 0.1}
    chapter["motion"] |= {"within_run": [0.05, 0.05], "jumps": 0.0}
    return chapter


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scanned subject: raw files, truth and stimuli."""
    folder = tmp_path_factory.mktemp("phantom")
    train, of_train = natural_images(12, 1, 3, "train", 32)
    letters, of_letters = letter_images(3, 32)
    sets = {"train": train, "letters": letters}
    sets["imagery"] = imagery_images(sets, {"letters": 3}, "imagery")
    table = pd.concat([of_train, of_letters], ignore_index=True)
    for name, images in sets.items():
        write_arrays(folder / f"{name}.h5", {"images": images})
    truth = folder / f"sub-{SUBJECT}_truth.h5"
    bids.simulate_subject(SUBJECT, sets, table, settings(), 3, folder / "bids", truth)
    return folder


@pytest.fixture
def truth(scan) -> files.Truth:
    return files.read_truth(scan / f"sub-{SUBJECT}_truth.h5")


def run_of(stimulus_set: str) -> tuple[dict, str]:
    """Return a run, and the stem of its files in the dataset."""
    row = next(
        run for run in paradigm.run_table(settings(), SUBJECT).to_dict("records") if run["stimulus_set"] == stimulus_set
    )
    return row, paradigm.run_stem(SUBJECT, row["session"], row["run"], row["task"])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_truth_tells_what_every_voxel_sees(truth):
    array, level = truth.array("receptive_field"), truth.array("level")
    assert array.rows == level.rows
    assert array.attributes["columns"] == "centre_right centre_up width"
    right, up, width = array.values.T
    assert (width > 0).all()
    assert max(np.abs(right).max(), np.abs(up).max()) < 1
    early = np.isin(truth.area, ["V1", "V2", "V3"])
    # The left hemisphere sees the right half, dorsal areas the lower one; not where a field lies near a meridian.
    left = truth.places[:, 0] < -5
    clear = early & (np.abs(truth.places[:, 0]) > 5) & (np.abs(right) > 0.15)
    assert ((right > 0) == left)[clear].mean() > 0.95
    dorsal = np.char.endswith(truth.part.astype(str), "d")
    clear = early & (np.abs(up) > 0.2)
    assert ((up < 0) == dorsal)[clear].mean() > 0.9
    medians = [np.median(width[truth.area == area]) for area in ("V1", "V2", "V3", "hV4", "LOC")]
    assert medians == sorted(medians)


def test_the_truth_holds_the_response_to_a_block(truth):
    course = truth.array("block_response")
    seconds = np.array([float(row) for row in course.rows])
    expected = block_design(np.zeros(1), np.full(1, 1000.0), seconds)[:, 0]
    np.testing.assert_allclose(course.values, expected, atol=1e-6)
    assert course.values[-1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("stimulus_set", ["train", "letters", "imagery"])
def test_the_noise_free_signal_is_that_of_the_simulator(scan, truth, stimulus_set):
    row, stem = run_of(stimulus_set)
    events = read_events(scan / "bids" / f"{stem}_events.tsv")
    times = np.arange(0, 100, 1.7)
    voxel = truth.example_voxel("hV4", stimulus_set)
    found = runs.noise_free(truth, stimulus_set, events, times, voxel)
    # The same by way of the simulator, without deviations from trial to trial.
    table = events.assign(evaluation=events["vividness"])
    blocks = runs.response_blocks(table)
    known = pd.DataFrame(
        truth.array(f"response_{stimulus_set}").values[[voxel]].T, truth.array(f"stimulus_{stimulus_set}").rows
    )

    class Cortex:
        mean = truth.level["response_mean"][[voxel]]
        deviation = truth.level["response_deviation"][[voxel]]
        spread = np.eye(1)

    still = settings() | {"response": settings()["response"] | {"trial_deviation": 0.0}}
    weights = runs.block_weights(blocks, truth.part[[voxel]], still)
    signal, _ = block_signal(blocks, runs.with_cue(known), Cortex, times, still, np.random.default_rng(0), weights)
    assert np.abs(found).max() > 0.5
    np.testing.assert_allclose(found, 100 * signal[:, 0], atol=0.01)


def test_a_run_shows_the_voxel_the_trials_and_the_motion_of_the_files(scan, truth):
    row, stem = run_of("letters")
    events = scan / "bids" / f"{stem}_events.tsv"
    voxel = truth.example_voxel("V1", "letters")
    run = runs.read_run(truth, row, events, scan / "bids" / f"{stem}_bold.nii.gz", voxel)
    blocks = stimulus_blocks(read_events(events))
    trials = truth.array(f"trials_ses-{row['session']}_run-{row['run']}")
    assert trials.rows == [f"block-{number}" for number in blocks["block"]]
    np.testing.assert_allclose(run.trials, trials.values[:, voxel], rtol=1e-3)
    assert REPETITION in set(run.events["event"])
    assert len(run.bold) == len(run.motion) == row["n_volumes"]
    np.testing.assert_allclose(run.motion[0], 0, atol=1e-9)
    assert 0.01 < np.abs(run.motion[:, :3]).max() < 1
    # Of all raw voxels, the one drawn shows the part of the brain that is nearest to the responding voxel.
    image = nib.load(scan / "bids" / f"{stem}_bold.nii.gz")
    poses = truth.array(f"pose_ses-{row['session']}_run-{row['run']}").values
    raw = np.indices(image.shape[:3]).reshape(3, -1).T
    brain = nib.affines.apply_affine(np.linalg.inv(poses[len(poses) // 2]) @ image.affine, raw)
    distance = np.linalg.norm(brain - truth.places[voxel], axis=1)
    assert distance.min() < 4.4  # half the diagonal of a voxel, mm
    np.testing.assert_array_equal(run.bold[:, 1], image.get_fdata()[tuple(raw[distance.argmin()])])
    at_volumes = np.interp(run.bold[:, 0], *run.signal.T)
    assert np.corrcoef(run.bold[:, 1], at_volumes)[0, 1] > 0.5


def test_the_example_voxel_is_one_of_the_best_of_its_area(truth):
    voxel = truth.example_voxel("V1", "letters")
    mine = truth.ceilings["letters"][truth.area == "V1"]
    assert truth.area[voxel] == "V1"
    assert truth.ceilings["letters"][voxel] >= np.quantile(mine, 0.85)


def test_budgets_add_up_to_the_levels_of_the_truth(truth):
    level, noise = truth.level, truth.settings["noise"]
    image = (level["response_deviation"] * truth.array("response_train").values.std(axis=1)) ** 2
    np.testing.assert_allclose(image, level["response_deviation"] ** 2, rtol=0.01)
    volume = sum(budget.volume_budget(truth).values())
    others = sum(level[name] ** 2 for name in ("trial_deviation", "volume_thermal", "volume_physiological"))
    np.testing.assert_allclose(volume, image + others + noise["drift"] ** 2)
    block = budget.block_budget(truth)
    np.testing.assert_allclose(sum(block.values()), image + level["block_noise"] ** 2)
    assert (block["physiological"] > 0).all()


def test_a_null_subject_has_no_variance_from_images(scan, truth, tmp_path):
    null = tmp_path / f"sub-{SUBJECT}_truth.h5"
    shutil.copy(truth.path, null)
    with h5py.File(null, "r+") as file:
        for name in ("train", "letters", "imagery"):
            file[f"response_{name}"][:] = 0
            file[f"noise_ceiling_{name}"][:] = 0
    subject = files.read_truth(null)
    for shares in (budget.volume_budget(subject), budget.block_budget(subject)):
        assert (shares["images"] == 0).all()
        assert min(part.min() for name, part in shares.items() if name != "images") > 0
    budget.draw_budget([subject], ["train"], [tmp_path / "budget.png"])
    fields.draw_fields(subject, scan / "train.h5", [tmp_path / "fields.png"])


def test_ceilings_are_medians_over_all_subjects(truth, tmp_path):
    output = tmp_path / "budget.png"
    median = budget.draw_budget([truth, truth], ["train", "imagery"], [output])
    assert median["imagery"]["V1"] == pytest.approx(np.median(truth.ceilings["imagery"][truth.area == "V1"]))
    assert median["train"]["V1"] > median["imagery"]["V1"]
    assert (pixels(output)[:5] == 255).all()


def test_heads_count_the_voxels_of_the_masks(scan, truth, tmp_path):
    folder = scan / "bids"
    _, stem = run_of("train")
    first = str(folder / f"{stem}_bold.nii.gz")
    t1w = str(folder / f"{paradigm.t1w_stem(SUBJECT)}.nii.gz")
    sizes = heads.draw_heads([truth], {SUBJECT: t1w}, {SUBJECT: first}, [tmp_path / "heads.png"])

    def mask(area: str) -> np.ndarray:
        paths = [folder / paradigm.mask_path(SUBJECT, side, area) for side in paradigm.HEMISPHERES]
        return np.any([nib.load(path).get_fdata() > 0 for path in paths], axis=0)

    assert sizes[SUBJECT]["V1"] == (mask("V1d") | mask("V1v")).sum()
    assert sizes[SUBJECT]["HVC"] == mask("HVC").sum() - sum(sizes[SUBJECT][name] for name in ("LOC", "FFA", "PPA"))
    shown = pixels(tmp_path / "heads.png")
    for area in ("V1", "LOC", "FFA"):
        colour = np.array([int(files.AREA_COLOURS[area][i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(shown - colour).max(axis=-1) < 12).sum() > 30, area


def test_fields_show_the_images_to_which_a_voxel_responds_most(scan, truth, tmp_path):
    preferred = fields.draw_fields(truth, scan / "train.h5", [tmp_path / "fields.png"])
    response, names = truth.array("response_train").values, truth.array("stimulus_train").rows
    for area, shown in preferred.items():
        values = dict(zip(names, response[truth.example_voxel(area, "train")], strict=True))
        assert shown == sorted(values, key=values.get, reverse=True)[: len(shown)]
    assert (tmp_path / "fields.png").stat().st_size > 10_000


def test_runs_are_drawn_from_the_files_of_their_name(scan, truth, tmp_path):
    chosen, events, bold = [], {}, {}
    for name in ("letters", "imagery"):
        row, stem = run_of(name)
        chosen.append(row)
        events[runs.run_name(row)] = scan / "bids" / f"{stem}_events.tsv"
        bold[runs.run_name(row)] = scan / "bids" / f"{stem}_bold.nii.gz"
    images = {name: scan / f"{name}.h5" for name in ("letters", "imagery")}
    drawn = runs.draw_runs(truth, chosen, events, bold, images, [tmp_path / "runs.png"])
    assert [len(run.trials) for run in drawn.values()] == [10, 6]
    scores = drawn["ses-imagery01_task-imagery_run-01"].events["vividness"].dropna()
    assert set(scores) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert (tmp_path / "runs.png").is_file()


def test_stimuli_stand_below_the_name_of_their_set(tmp_path):
    colours = {"first": (255, 0, 0), "second": (0, 0, 255)}
    rows = []
    for name, colour in colours.items():
        images = np.broadcast_to(np.uint8(colour), (4, 16, 16, 3))
        write_arrays(tmp_path / f"{name}.h5", {"images": LabelledArray(images, [f"{name}{i}" for i in range(4)])})
        rows += [(f"{name}{i}", f"{name}{i}") for i in range(4)]
    table = pd.DataFrame(rows, columns=["stimulus", "category"])
    paths = [str(tmp_path / f"{name}.h5") for name in reversed(colours)]
    uses = dict.fromkeys(colours, "seen 1 ×")
    shown = stimuli.draw_stimuli(paths, table, [tmp_path / "stimuli.png"], {"uses": uses})
    assert shown == {name: [f"{name}{i}" for i in range(4)] for name in colours}
    found = pixels(tmp_path / "stimuli.png")
    heights = [np.argwhere((found == colour).all(axis=-1))[:, 0].mean() for colour in colours.values()]
    assert heights[0] < heights[1]


def test_sets_with_many_images_per_category_show_three_of_some_categories():
    names = [f"{category:02d}_{number}" for category in range(20) for number in range(5)]
    category = pd.Series([name[:2] for name in names], index=names)
    shown = stimuli.choose(names, category)
    assert len(shown) == 30
    assert pd.Series(shown).str[:2].value_counts().eq(3).all()
    few = stimuli.choose(names[:9], category)
    assert few == names[:9]
    alone = stimuli.choose(names, pd.Series(names, index=names))
    assert len(alone) == stimuli.COLUMNS
    assert alone[0] == names[0]
    assert alone[-1] == names[-1]


def test_a_palette_keeps_the_paper_white_and_rare_colours(tmp_path):
    figure = plt.figure(figsize=(2, 2))
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.imshow(np.random.default_rng(0).uniform(0.3, 0.7, (300, 300, 3)))
    axes.add_patch(plt.Rectangle((20, 20), 12, 12, color="#D55E00"))
    axes.set_axis_off()
    files.save_figure(figure, [tmp_path / "a.png", tmp_path / "b.png"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    shown = pixels(tmp_path / "a.png")
    assert (shown[:10] == 255).all()
    assert (np.abs(shown - (0xD5, 0x5E, 0x00)).max(axis=-1) < 10).sum() > 20


def test_files_are_sorted_by_the_subject_in_their_name():
    paths = ["x/sub-02_truth.h5", "y/sub-01_ses-a_T1w.nii.gz", "sub-02_b"]
    assert files.by_subject(paths) == {"02": [paths[0], paths[2]], "01": [paths[1]]}
    with pytest.raises(DataError, match="subject"):
        files.subject_of("x/truth.h5")


def test_the_rule_asks_for_files_that_the_simulation_makes():
    study = load_study(config())
    chosen = study.phantom_runs()
    assert [run["stimulus_set"] for run in chosen] == ["letters", "imagery"]
    inputs = study.phantom_inputs()
    raw = {file for subject in study.subjects for file in study.raw_files(subject)}
    assert set(inputs["t1w"] + inputs["first_bold"] + inputs["bold"] + inputs["events"]) <= raw
    assert [Path(path).name for path in inputs["truth"]] == [f"sub-{s}_truth.h5" for s in study.subjects]
    assert list(study.phantom_settings()["uses"]) == study.stimulus_sets
    assert json.loads(json.dumps(study.phantom_settings())) == study.phantom_settings()
