"""bdpy, the Kamitani Lab's library, opens our samples; it needs an old Python and lives in an environment of its own."""

import json
import subprocess
import sys
import venv

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.samples import Samples, write_bdata

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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="bdpy needs Python older than 3.12"),
]


def test_bdpy_reads_our_samples(tmp_path):
    voxels = pd.DataFrame({"voxel_x": [1.0, 2.0, 3.0], "ROI_V1": [1, 1, 0], "ROI_VC": [1, 1, 1]})
    trials = pd.DataFrame({"stimulus": ["owl", "car", "owl", "tree"], "run": [1, 1, 2, 2]})
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    path = tmp_path / "sub-01.h5"
    write_bdata(path, Samples(data, trials, voxels, {"subject": "01"}))
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", BDPY], check=True)
    done = subprocess.run([python, "-c", READ, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shape"] == [4, 2]
    assert found["sum"] == data[:, :2].sum()
    assert found["labels"] == ["owl", "car", "owl", "tree"]
    assert found["run"] == [1, 1, 2, 2]
