"""bdpy, the Kamitani Lab's library, opens our samples and we open its files; it lives in an environment of its own."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.matlab import read_mat
from fmri2image.core.samples import Samples, read_bdata, write_bdata
from fmri2image.samples.published import read_published
from fmri2image.samples.published_join import read_subject

BDPY = "bdpy==0.26"
READ = """
import json, sys
import bdpy
data = bdpy.BData(sys.argv[1])
voxels = data.select("ROI_V1 = 1")
labels = [str(label) for label in data.get_labels("stimulus")]
run = [float(value) for value in data.get("run").ravel()]
print(json.dumps({"shape": list(voxels.shape), "sum": float(voxels.sum()), "labels": labels, "run": run}))
"""
# Writes each dialect of the published files with bdpy's own functions, as bdpy.mri.fmriprep and the lab's scripts do.
WRITE = """
import sys
import numpy as np
import bdpy
from bdpy.dataform import save_array

folder = sys.argv[1]
rng = np.random.default_rng(0)
responses = rng.standard_normal((6, 8))
np.save(folder + "/responses.npy", responses)
names = ["n01518878_5958", "n03079230_8270", "n04507155_21299"]
ids = [1518878.005958, 3079230.008270, 4507155.021299]
order = [2, 0, 1, 1, 2, 0]

def base(n_voxels=8):
    data = bdpy.BData()
    data.add(responses[:, :n_voxels], "VoxelData")
    return data

def areas(data, fourth):
    for number, name in enumerate(["V1", "V2", "V3", fourth, "HVC"]):
        data.add_metadata("ROI_" + name, (np.arange(8) % 5 == number).astype(int), "1 = " + name, where="VoxelData")

spm = base()
areas(spm, "V4")
spm.merge_metadata("ROI_VC", ["ROI_V1", "ROI_V2", "ROI_V3", "ROI_V4", "ROI_HVC"], "1 = VC", where="VoxelData")
spm.add(np.array([1.0, 1, 1, 2, 2, 2]), "Run")
spm.add(np.array([ids[i] for i in order]), "stimulus_id")
spm.add(np.array([i + 1.0 for i in order]), "image_index")
spm.save(folder + "/deeprecon-spm.h5")

fmriprep = base()
areas(fmriprep, "hV4")
fmriprep.add(np.array([1.0, 1, 1, 2, 2, 2]), "Session")
fmriprep.add(np.array([1.0, 1, 1, 2, 2, 2]), "Run")
fmriprep.add(np.arange(1.0, 7), "Block")
labels = np.column_stack([[ids[i] for i in order], [i + 1.0 for i in order]])
labels[3] = np.nan  # rest
fmriprep.add(labels, "Label")
fmriprep.add(rng.standard_normal((6, 6)), "MotionParameter")
fmriprep.add_metadata("MotionParameter_trans_x", [1, 0, 0, 0, 0, 0], "x translation", where="MotionParameter")
fmriprep.add_metadata("stimulus_id", [1, np.nan], "Label stimulus_id", where="Label")
fmriprep.add_metadata("stimulus_name", [np.nan, 1], "Label stimulus_name", where="Label")
for axis, values in zip("xyzijk", rng.permutation(48).reshape(6, 8)):
    fmriprep.add_metadata("voxel_" + axis, values, "Voxel " + axis, where="VoxelData")
fmriprep.add_vmap("stimulus_name", {i + 1: name for i, name in enumerate(names)})
fmriprep.save(folder + "/deeprecon-fmriprep.h5")

god = base()
areas(god, "V4")
god.add(np.array([1.0, 1, 1, 2, 2, 3]), "DataType")
god.add(np.array([1.0, 2, 3, 1, 2, 1]), "Run")
labels = np.column_stack([[ids[i] for i in order]])
labels[5] = np.floor(labels[5])
god.add(labels, "Label")
god.add_metadata("stimulus_id", [1], "Label stimulus_id", where="Label")
god.save(folder + "/god-spm.h5")

save_array(folder + "/feat.mat", responses.reshape(1, 2, 3, 8).astype(np.float32), "feat", dtype=np.float32, sparse=False)
"""
NAMES = ["n04507155_21299", "n01518878_5958", "n03079230_8270", "n03079230_8270", "n04507155_21299", "n01518878_5958"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="bdpy needs Python older than 3.12"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Make an environment with bdpy and return its Python."""
    folder = tmp_path_factory.mktemp("bdpy")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", BDPY], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{BDPY} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def written(python, tmp_path_factory) -> Path:
    """Return a folder with one file per dialect, all written by bdpy."""
    folder = tmp_path_factory.mktemp("written")
    done = subprocess.run([python, "-c", WRITE, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_bdpy_reads_our_samples(python, tmp_path):
    voxels = pd.DataFrame({"voxel_x": [1.0, 2.0, 3.0], "ROI_V1": [1, 1, 0], "ROI_VC": [1, 1, 1]})
    trials = pd.DataFrame({"stimulus": ["owl", "car", "owl", "tree"], "run": [1, 1, 2, 2]})
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    path = tmp_path / "sub-01.h5"
    write_bdata(path, Samples(data, trials, voxels, {"subject": "01"}))
    done = subprocess.run([python, "-c", READ, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shape"] == [4, 2]
    assert found["sum"] == data[:, :2].sum()
    assert found["labels"] == ["owl", "car", "owl", "tree"]
    assert found["run"] == [1, 1, 2, 2]


@pytest.mark.parametrize("dialect, stimulus_set, rows", [
    ("deeprecon-spm", "train", [0, 1, 2, 3, 4, 5]),
    ("deeprecon-fmriprep", "train", [0, 1, 2, 4, 5]),
    ("god-spm", "train", [0, 1, 2]),
    ("god-spm", "test", [3, 4]),
])  # fmt: skip
def test_we_read_what_bdpy_wrote(written, dialect, stimulus_set, rows):
    read = read_published(written / f"{dialect}.h5", stimulus_set, dialect, rois=["VC", "V4"])
    responses = np.load(written / "responses.npy").astype(np.float32)
    np.testing.assert_array_equal(read.data, responses[rows])
    assert list(read.trials["stimulus"]) == [NAMES[row] for row in rows]
    np.testing.assert_array_equal(read.voxels["ROI_V4"], [0, 0, 0, 1, 0, 0, 0, 0])
    found = read_published(written / f"{dialect}.h5", stimulus_set).attributes["dialect"]
    assert found.split("-")[-1] == dialect.split("-")[-1]


def test_what_bdpy_wrote_goes_through_our_files(written, python, tmp_path):
    joined = read_subject({"train": written / "god-spm.h5", "imagery": written / "god-spm.h5"}, "01")
    assert list(joined.trials["stimulus"]) == [*NAMES[:3], "n01518878"]
    path = tmp_path / "sub-01.h5"
    write_bdata(path, joined)
    np.testing.assert_array_equal(read_bdata(path).data, joined.data)
    done = subprocess.run([python, "-c", READ, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["labels"] == list(joined.trials["stimulus"])


def test_arrays_that_bdpy_wrote(written):
    responses = np.load(written / "responses.npy").astype(np.float32)
    np.testing.assert_array_equal(read_mat(written / "feat.mat", "feat"), responses.reshape(1, 2, 3, 8))
