"""Reader of vim-1, on files of the true format at small size."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from fmri2image.acquire import vim1
from fmri2image.acquire.restricted import grey_images
from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import read_table

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
N_TRAINING, N_VALIDATION, SIDE, N_VOXELS = 9, 7, 5, 6
CODES = np.array([1.0, 2, 0, 6, 1, 7])


@pytest.fixture
def small(monkeypatch):
    """Make the dataset small: 9 training images, 7 validation images of which 3 are tested, 5 × 5 pixels."""
    for name, value in {"N_TRAINING": 9, "N_VALIDATION": 7, "SIDE": 5, "SEELIGER_TEST": 3}.items():
        monkeypatch.setattr(vim1, name, value)


@pytest.fixture
def folder(tmp_path):
    """Write EstimatedResponses.mat (v7.3: dimensions reversed) and Stimuli.mat (v5)."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "EstimatedResponses.mat", "w", userblock_size=512) as file:
        for person in ("S1", "S2"):
            training, validation = rng.standard_normal((N_VOXELS, 9)), rng.standard_normal((N_VOXELS, 7))
            training[3, 2] = np.nan
            values = {f"dataTrn{person}": training, f"dataVal{person}": validation, f"roi{person}": CODES[:, None]}
            for name, value in values.items():
                file.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_("double")
    images = rng.uniform(-0.45, 0.45, (16, SIDE, SIDE)).astype(np.float32)
    scipy.io.savemat(tmp_path / "Stimuli.mat", {"stimTrn": images[:9], "stimVal": images[9:]})
    return tmp_path


def matlab(folder: Path, name: str) -> np.ndarray:
    """Return a variable as MATLAB shows it."""
    with h5py.File(folder / "EstimatedResponses.mat") as file:
        return file[name][()].T


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("split, tested", [("seeliger2018", 3), ("original", 7)])
def test_splits(folder, split, tested):
    imported = vim1.load(folder, ["01", "02"], split)
    seen = [0, 1, 2, 4, 5]
    for subject, person in (("01", "S1"), ("02", "S2")):
        samples = imported.samples[subject]
        responses = np.hstack([matlab(folder, f"dataTrn{person}"), matlab(folder, f"dataVal{person}")])[seen].T
        np.testing.assert_array_equal(samples.data, responses.astype(np.float32))
        assert samples.attributes["n_voxels_without_signal"] == 1
        np.testing.assert_array_equal(samples.voxels["ROI_V1"], [1, 0, 0, 1, 0])
        np.testing.assert_array_equal(samples.voxels["ROI_VC"], [1, 1, 0, 1, 1])
        assert "V4" not in samples.rois  # its only voxel had no response
    names = [f"train{n:04d}" for n in range(1, 10)] + [f"val{n:03d}" for n in range(1, 8)]
    trials = imported.samples["01"].trials
    assert list(trials["stimulus"]) == names
    assert list(trials.loc[trials["stimulus_set"] == "test", "stimulus"]) == names[9 : 9 + tested]
    assert imported.images["test"].rows == names[9 : 9 + tested]
    assert imported.images["train"].rows == names[:9] + names[9 + tested :]
    stored = scipy.io.loadmat(folder / "Stimuli.mat")
    expected = np.round((stored["stimVal"][0] + 0.5) * 255).astype(np.uint8)
    np.testing.assert_array_equal(imported.images["test"].values[0], np.repeat(expected[..., None], 3, axis=-1))


@pytest.mark.usefixtures("small")
def test_the_script_writes_everything(folder, tmp_path):
    spec = importlib.util.spec_from_file_location("import_restricted", SCRIPTS / "import_restricted.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    out = tmp_path / "out"
    samples = [str(out / "samples" / f"sub-{subject}.h5") for subject in ("01", "02")]
    images = [str(out / "stimuli" / f"{name}.h5") for name in ("train", "test")]
    table = str(out / "stimuli" / "stimuli.tsv")
    script.main(
        samples, images, table, {"source": "vim1", "data": folder, "subjects": ["01", "02"], "split": "original"}
    )
    assert read_bdata(samples[1]).data.shape == (16, 5)
    shown = read_array(images[0], "images")
    assert shown.values.shape == (9, SIDE, SIDE, 3) and shown.values.dtype == np.uint8
    assert read_attributes(images[0])["show"] == "no"
    assert list(read_table(table)["stimulus_set"]) == ["train"] * 9 + ["test"] * 7


def test_missing_files_tell_where_to_ask(tmp_path):
    (tmp_path / "Stimuli.mat").write_bytes(b"")
    with pytest.raises(DataError, match=r"ask for it at https://crcns.org.*missing: EstimatedResponses.mat\.$"):
        vim1.load(tmp_path, ["01"])
    with pytest.raises(DataError, match="no such folder.; missing: EstimatedResponses.mat, Stimuli.mat"):
        vim1.load(tmp_path / "none", ["01"])
    with pytest.raises(ConfigError, match="the third is not public.*not 03"):
        vim1.load(tmp_path, ["03"])
    with pytest.raises(ConfigError, match="split is 'half'"):
        vim1.load(tmp_path, ["01"], "half")


def test_shapes_are_checked(folder):
    with pytest.raises(DataError, match=r"dataTrnS1 has the shape \(6, 9\), but 6 voxels .* × 1750 images"):
        vim1.load(folder, ["01"])


@pytest.mark.usefixtures("small")
def test_unknown_codes_are_refused(folder):
    with h5py.File(folder / "EstimatedResponses.mat", "r+") as file:
        file["roiS1"][0, 0] = 12
    with pytest.raises(DataError, match="roiS1 holds the codes 12; known are 0 to 7"):
        vim1.load(folder, ["01"])


@pytest.mark.parametrize("values, black, white", [
    ([0, 255], 0, 255), ([0, 1.0], 0, 255), ([-0.5, 0.5], 0, 255), ([-1, 1], 0, 255), ([0, 64], 0, 64), ([-0.25, 0.5], 64, 255),
])  # fmt: skip
def test_scales_of_grey_images(values, black, white):
    images, rule = grey_images(np.array(values).reshape(1, 1, 2), "x.mat")
    assert (images[0, 0, 0, 0], images[0, 0, 1, 2]) == (black, white)
    assert rule


@pytest.mark.parametrize("values", [[0, 300], [-200, 3], [0, np.nan]])
def test_unknown_scales_are_refused(values):
    with pytest.raises(DataError, match="x.mat"):
        grey_images(np.array(values).reshape(1, 1, 2), "x.mat")
