"""Reader of BRAINS, on files of the true format with other counts than any description gives."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from fmri2image.acquire import brains
from fmri2image.core.arrays import read_array
from fmri2image.core.errors import DataError
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import read_table

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
N = 11
TRAIN, TEST = np.array([1, 3, 4, 6, 7, 9, 11]), np.array([10, 2, 5])  # 8 is in neither


@pytest.fixture
def folder(tmp_path):
    """Write the files of two people; a row of Y runs down the columns of its picture."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (N, 56, 56)).astype(float)
    scipy.io.savemat(tmp_path / "Y_brains.mat", {"Y": np.array([picture.ravel(order="F") for picture in pictures])})
    scipy.io.savemat(tmp_path / "labels.mat", {"L": np.arange(N)[:, None] % 6 + 1})
    scipy.io.savemat(tmp_path / "train_testset.mat", {"trainidx": TRAIN[:, None], "testidx": TEST[:, None]})
    for subject in ("01", "03"):
        (tmp_path / f"sub-{subject}").mkdir()
        scipy.io.savemat(tmp_path / f"sub-{subject}" / f"XS{subject}_V1.mat", {"X": rng.standard_normal((N, 4))})
        scipy.io.savemat(tmp_path / f"sub-{subject}" / f"XS{subject}_V2.mat", {"X_V2": rng.standard_normal((N, 3))})
    np.save(tmp_path / "pictures.npy", pictures)
    return tmp_path


def test_samples_and_images(folder):
    imported = brains.load(folder, ["01", "03"])
    rows = np.sort(np.concatenate([TRAIN, TEST]))
    for subject, samples in imported.samples.items():
        first = scipy.io.loadmat(folder / f"sub-{subject}" / f"XS{subject}_V1.mat")["X"]
        second = scipy.io.loadmat(folder / f"sub-{subject}" / f"XS{subject}_V2.mat")["X_V2"]
        assert list(samples.trials["stimulus"]) == [f"char{row:03d}" for row in rows]
        np.testing.assert_array_equal(samples.select(roi="V1").data, first[rows - 1].astype(np.float32))
        np.testing.assert_array_equal(samples.select(roi="V2").data, second[rows - 1].astype(np.float32))
        tested = samples.trials.loc[samples.trials["stimulus_set"] == "test", "stimulus"]
        assert list(tested) == ["char002", "char005", "char010"]
    pictures = np.load(folder / "pictures.npy")
    assert imported.images["test"].rows == ["char010", "char002", "char005"]
    np.testing.assert_array_equal(imported.images["test"].values[..., 1], pictures[TEST - 1])
    assert list(imported.table.loc[imported.table["stimulus"] == "char007", "category"]) == ["class1"]


def test_the_script_writes_everything(folder, tmp_path):
    spec = importlib.util.spec_from_file_location("import_restricted", SCRIPTS / "import_restricted.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    out = tmp_path / "out"
    paths = [str(out / name) for name in ("sub-01.h5", "train.h5", "test.h5", "stimuli.tsv")]
    script.main(paths[:1], paths[1:3], paths[3], {"source": "brains", "data": str(folder), "subjects": ["01"]})
    assert read_bdata(paths[0]).data.shape == (10, 7)
    assert read_array(paths[1], "images").values.shape == (7, 56, 56, 3)
    assert len(read_table(paths[3])) == 10


def test_missing_files_tell_where_to_ask(folder):
    (folder / "sub-03" / "XS03_V2.mat").unlink()
    (folder / "labels.mat").unlink()
    message = r"ask for it at the Donders Repository.*missing: labels.mat, sub-03/XS03_V2.mat\.$"
    with pytest.raises(DataError, match=message):
        brains.load(folder, ["01", "03"])


@pytest.mark.parametrize("split, message", [
    ({"trainidx": [1, 2, 12], "testidx": [3]}, "trainidx must hold different whole numbers from 1 to 11"),
    ({"trainidx": [0, 2], "testidx": [3]}, "trainidx must hold different whole numbers"),
    ({"trainidx": [1, 2, 2], "testidx": [3]}, "trainidx must hold different whole numbers"),
    ({"trainidx": [1, 2], "testidx": [3, 2]}, "1 images are in trainidx and testidx, first 2"),
    ({"trainidx": [1, 2]}, "holds no variable 'testidx'; it holds trainidx"),
])  # fmt: skip
def test_splits_are_checked(folder, split, message):
    scipy.io.savemat(folder / "train_testset.mat", split)
    with pytest.raises(DataError, match=message):
        brains.load(folder, ["01"])


def test_rows_must_be_those_of_the_images(folder):
    scipy.io.savemat(folder / "sub-01" / "XS01_V1.mat", {"X": np.ones((N - 1, 4))})
    with pytest.raises(DataError, match=r"X has the shape \(10, 4\), but 11 rows were expected"):
        brains.load(folder, ["01"])
