"""One tiny subject from end to end, held against its truth."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import compute_regressor
from phantom_settings import tiny, with_imagery
from scipy.ndimage import gaussian_filter, map_coordinates

from fmri2image.acquire.phantom import bids, paradigm, sidecars
from fmri2image.acquire.phantom.events import FILE_COLUMNS, MEAN_VIVIDNESS
from fmri2image.acquire.phantom.images import imagery_images
from fmri2image.acquire.phantom.scanner import mid_volume, slice_times
from fmri2image.acquire.phantom.truth import NOISE_COLUMNS
from fmri2image.core.arrays import LabelledArray, read_array, read_attributes
from fmri2image.core.errors import ConfigError, DataError

SEED = 1


def stimuli(settings: dict) -> tuple[dict[str, LabelledArray], pd.DataFrame]:
    """Smooth random images with their table."""
    rng = np.random.default_rng(0)
    images, tables = {}, []
    for name, part in settings["stimulus_sets"].items():
        if "from" in part:
            images[name] = imagery_images(images, part["from"], name)
            continue
        noise = gaussian_filter(rng.standard_normal((part["images"], 64, 64, 3)), (0, 6, 6, 0))
        rows = [f"{name}-{number}" for number in range(part["images"])]
        images[name] = LabelledArray(np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8), rows)
        tables.append(pd.DataFrame({"stimulus": rows, "category": name, "category_index": 1, "image_index": 1}))
    return images, pd.concat(tables, ignore_index=True)


def loud() -> dict:
    """Tiny settings with a response that stands out in one run."""
    settings = with_imagery(tiny())
    settings["stimulus_sets"]["train"]["runs"] = {"01": [1, 1], "default": [2]}
    settings["signal_to_noise"] = 3.0
    settings["noise"] |= {"temporal_snr": 200, "drift": 0.2}
    return settings


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    images, table = stimuli(loud())
    sidecars.write_dataset_files(folder / "bids", ["01"], loud())
    bids.simulate_subject("01", images, table, loud(), SEED, folder / "bids", folder / "sub-01_truth.h5")
    return folder


def test_exactly_the_listed_files_are_written(scan):
    found = {str(path.relative_to(scan / "bids")) for path in (scan / "bids").rglob("*") if path.is_file()}
    assert found == {*paradigm.bids_files("01", loud()), *paradigm.dataset_files(loud())}
    description = json.loads((scan / "bids" / "dataset_description.json").read_text())
    assert "imulated" in description["Name"]


def test_headers_and_sidecars_are_complete(scan):
    for row in paradigm.run_table(loud(), "01").to_dict("records"):
        stem = scan / "bids" / paradigm.run_stem("01", row["session"], row["run"], row["task"])
        image = nib.load(f"{stem}_bold.nii.gz")
        assert image.shape[3] == row["n_volumes"]
        np.testing.assert_allclose(image.header.get_zooms(), (5, 5, 5, 2))
        assert image.header.get_xyzt_units() == ("mm", "sec")
        assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
        assert image.get_data_dtype() == np.int16
        sidecar = json.loads((stem.parent / f"{stem.name}_bold.json").read_text())
        assert sidecar["RepetitionTime"] == 2.0
        assert sidecar["TaskName"] == row["task"]
        np.testing.assert_allclose(sidecar["SliceTiming"], slice_times(image.shape[2], loud()), atol=1e-6)
        assert sidecar["MultibandAccelerationFactor"] == 4
        events = pd.read_csv(f"{stem}_events.tsv", sep="\t")
        assert tuple(events.columns) == FILE_COLUMNS["ds001506", row["task"]]
        assert pd.api.types.is_numeric_dtype(events["category_index"])


def brain_series(scan: Path, row: dict, index: np.ndarray, undo: bool = True) -> np.ndarray:
    """Sample a run at voxels (n, 3) of the mask grid, (n_volumes, n), with the true pose undone or not."""
    image = nib.load(scan / "bids" / f"{paradigm.run_stem('01', row['session'], row['run'], row['task'])}_bold.nii.gz")
    mask = nib.load(scan / "bids" / paradigm.mask_path("01", "LH", "V1d"))
    world = nib.affines.apply_affine(mask.affine, index)
    poses = read_array(scan / "sub-01_truth.h5", f"pose_ses-{row['session']}_run-{row['run']}")
    assert poses.rows == [f"volume-{number:04d}" for number in range(row["n_volumes"])]
    data, series = image.get_fdata(), []
    for volume, pose in enumerate(poses.values):
        there = nib.affines.apply_affine(pose, world) if undo else world
        where = nib.affines.apply_affine(np.linalg.inv(image.affine), there).T
        series.append(map_coordinates(data[..., volume], where, order=3, mode="nearest"))
    return np.array(series)


def test_the_response_lies_in_the_masks_once_the_true_pose_is_undone(scan):
    masks = [
        nib.load(scan / "bids" / paradigm.mask_path("01", side, area)).get_fdata() > 0
        for side in paradigm.HEMISPHERES
        for area in paradigm.AREAS
    ]
    cortex = np.any(masks, axis=0)
    inner = np.zeros(cortex.shape, bool)
    inner[2:-2, 2:-2, 2:-2] = True
    index = np.argwhere(inner)
    agreement = {}
    for undo in (True, False):
        changes = []
        for row in paradigm.run_table(loud(), "01").query("task == 'perception'").to_dict("records"):
            series = brain_series(scan, row, index, undo)
            rest, task = series[:16].mean(0), series[20:-3].mean(0)
            changes.append(100 * (task - rest) / np.maximum(rest, 300))
        change = np.mean(changes, axis=0)
        agreement[undo] = np.corrcoef(change, cortex[inner])[0, 1]
        if undo:
            assert change[cortex[inner]].mean() > 2
    assert agreement[True] > 0.6
    assert agreement[True] > agreement[False] + 0.05


def test_every_block_shows_the_true_response_to_its_stimulus(scan):
    truth = scan / "sub-01_truth.h5"
    response, names = read_array(truth, "response_train"), read_array(truth, "stimulus_train").rows
    index = np.array([[int(number) for number in row.split("-")] for row in response.rows])
    found = {}
    for row in paradigm.run_table(loud(), "01").query("stimulus_set == 'train'").to_dict("records"):
        stem = scan / "bids" / paradigm.run_stem("01", row["session"], row["run"], row["task"])
        events = pd.read_csv(f"{stem}_events.tsv", sep="\t").query("event_type > 0")
        series = brain_series(scan, row, index)
        frames = np.arange(len(series)) * 2.0
        condition = [
            compute_regressor(np.array([[onset], [duration], [1.0]]), "spm", frames)[0][:, 0]
            for onset, duration in zip(events["onset"], events["duration"], strict=True)
        ]
        design = np.stack([*condition, np.ones(len(frames)), np.linspace(-1, 1, len(frames))], axis=1)
        betas = np.linalg.lstsq(design, 100 * series / series.mean(0), rcond=None)[0]
        found |= dict(zip(events["stimulus_name"], betas, strict=False))
    measured = np.stack([found[name] for name in names], axis=1)

    def agreement(order: np.ndarray) -> float:
        pairs = zip(measured, response.values[:, order], strict=True)
        return float(np.median([np.corrcoef(*pair)[0, 1] for pair in pairs]))

    assert agreement(np.arange(len(names))) > 0.6
    assert abs(agreement(np.roll(np.arange(len(names)), 1))) < 0.4


def test_imagery_is_weaker_than_perception_and_strongest_in_higher_areas(scan):
    truth = scan / "sub-01_truth.h5"
    level, area = read_array(truth, "level"), read_array(truth, "area")
    index = np.array([[int(number) for number in row.split("-")] for row in level.rows])
    mean = level.values[:, level.attributes["columns"].split().index("response_mean")]
    row = paradigm.run_table(loud(), "01").query("task == 'imagery'").iloc[0].to_dict()
    stem = scan / "bids" / paradigm.run_stem("01", row["session"], row["run"], "imagery")
    events = pd.read_csv(f"{stem}_events.tsv", sep="\t")
    assert set(events["stimulus_name"].dropna()) == {"letters-0", "letters-2"}
    series = brain_series(scan, row, index)
    frames = np.arange(len(series)) * 2.0 + mid_volume(loud())
    vividness = events["evaluation"] / MEAN_VIVIDNESS
    design = [
        compute_regressor(np.array([part["onset"], part["duration"], vividness[part.index]]), "spm", frames)[0][:, 0]
        for part in (events.query(f"event_type == {code}") for code in (1, 2))
    ]
    design = np.stack([*design, np.ones(len(frames)), np.linspace(-1, 1, len(frames))], axis=1)
    cue, imagery = np.linalg.lstsq(design, 100 * series / series.mean(0), rcond=None)[0][:2] / mean
    names = np.array(paradigm.AREAS)[area.values]
    lower, higher = np.isin(names, ["V1d", "V1v", "V2d", "V2v"]), np.isin(names, ["LOC", "FFA", "PPA", "HVC"])
    # Large voxels blur the signal, so that all three are about 0.7 of what was simulated; their ratios stay.
    assert 0.1 < np.median(imagery[lower]) < 0.25
    assert np.median(imagery[higher]) / np.median(imagery[lower]) == pytest.approx(0.5 / 0.2, rel=0.3)
    assert np.median(cue) / np.median(imagery[lower]) == pytest.approx(1, rel=0.4)


def test_all_images_of_a_session_are_taken_at_its_placement(scan):
    truth = scan / "sub-01_truth.h5"
    placements = []
    for row in paradigm.run_table(loud(), "01").to_dict("records"):
        poses = read_array(truth, f"pose_ses-{row['session']}_run-{row['run']}").values
        placement = read_array(truth, f"pose_ses-{row['session']}_inplaneT2").values[0]
        centre = np.array([0.0, -70.0, 0.0])
        shift = np.linalg.norm(nib.affines.apply_affine(placement, centre) - centre)
        away = [
            np.linalg.norm(nib.affines.apply_affine(np.linalg.inv(placement) @ pose, centre) - centre) for pose in poses
        ]
        assert 1.9 < shift < 4.2
        assert max(away) < 3
        placements.append(placement)
    assert np.abs(placements[0] - placements[-1]).max() > 0.5


def test_truth_names_the_voxels_of_the_masks(scan):
    truth = scan / "sub-01_truth.h5"
    assert read_attributes(truth)["simulated"]
    level = read_array(truth, "level")
    area = read_array(truth, "area")
    assert level.attributes["columns"].split() == list(NOISE_COLUMNS)
    for side in paradigm.HEMISPHERES:
        for name in ("V1d", "hV4"):
            mask = nib.load(scan / "bids" / paradigm.mask_path("01", side, name)).get_fdata() > 0
            for index in np.argwhere(mask):
                row = area.rows.index("-".join(map(str, index)))
                assert paradigm.AREAS[area.values[row]] == name
    for stimulus_set, part in loud()["stimulus_sets"].items():
        response = read_array(truth, f"response_{stimulus_set}")
        assert response.rows == level.rows
        assert (
            response.values.shape[1]
            == paradigm.n_images(part)
            == len(read_array(truth, f"stimulus_{stimulus_set}").rows)
        )
    train = read_array(truth, "response_train").values
    np.testing.assert_allclose(train.std(1), 1, atol=1e-3)


def test_equal_seeds_give_equal_files(scan, tmp_path):
    images, table = stimuli(loud())
    bids.simulate_subject("01", images, table.iloc[::-1], loud(), SEED, tmp_path, tmp_path / "truth.h5")
    for name in paradigm.bids_files("01", loud()):
        assert (tmp_path / name).read_bytes() == (scan / "bids" / name).read_bytes(), name


def test_wrong_images_are_refused_in_one_sentence(tmp_path):
    images, table = stimuli(tiny())
    settings = tiny()
    settings["stimulus_sets"]["train"] |= {"images": 10}
    with pytest.raises(ConfigError, match="train.*10 images.*12 were made"):
        bids.simulate_subject("01", images, table, settings, SEED, tmp_path, tmp_path / "truth.h5")
    with pytest.raises(DataError, match="letters-2"):
        bids.simulate_subject("01", images, table.iloc[:-1], tiny(), SEED, tmp_path, tmp_path / "truth.h5")
    settings = tiny() | {"voxel_size": 9.0}
    with pytest.raises(ConfigError, match="no voxel in .* at voxel_size 9"):
        bids.simulate_subject("01", images, table, settings, SEED, tmp_path, tmp_path / "truth.h5")
    assert not list(tmp_path.iterdir())
