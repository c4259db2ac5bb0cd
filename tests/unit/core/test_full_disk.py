"""What the system refuses to write is one sentence, whichever library wrote, and leaves no half file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fmri2image
from fmri2image.core.errors import WriteError
from fmri2image.core.files import replacing

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd, torch
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import WriteError
from fmri2image.core.files import replacing
from fmri2image.core.images import write_png
from fmri2image.core.samples import Samples, write_bdata
from fmri2image.core.tables import write_table
from fmri2image.preprocess.images import write_image
from safetensors.torch import save_file

folder, noise = Path(sys.argv[1]), np.random.default_rng(0).random(40_000).astype("f4")
trials = pd.DataFrame({"stimulus": [f"image-{i}" for i in range(200)], "run": 1})
samples = Samples(noise.reshape(200, 200), trials, pd.DataFrame({"ROI_V1": np.ones(200)}))


def torch_by_name(path):
    with replacing(path) as partial:
        torch.save({"state": torch.as_tensor(noise)}, partial)


def torch_by_file(path):
    with replacing(path) as partial, partial.open("wb") as file:
        torch.save({"state": torch.as_tensor(noise)}, file)


def weights(path):
    with replacing(path) as partial:
        save_file({"state": torch.as_tensor(noise)}, partial)


writers = {
    "arrays.h5": lambda path: write_arrays(path, {"a": LabelledArray(noise.reshape(2, -1), ["x", "y"])}),
    "samples.h5": lambda path: write_bdata(path, samples),
    "image.nii.gz": lambda path: write_image(path, noise.reshape(200, 20, 10), np.eye(4)),
    "image.nii": lambda path: write_image(path, noise.reshape(200, 20, 10), np.eye(4)),
    "table.tsv": lambda path: write_table(path, pd.DataFrame({"value": noise})),
    "picture.png": lambda path: write_png(path, (noise[:30_000].reshape(100, 100, 3) * 255).astype("u1")),
    "state.pt": torch_by_name,
    "other.pt": torch_by_file,
    "weights.safetensors": weights,
}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name, write in writers.items():
    (folder / name).write_text("old")
    try:
        write(folder / name)
    except WriteError as error:
        print(error)
"""


def test_every_library_that_writes(tmp_path):
    """A limit on the size of files fails in write(), as a full disk does, and needs no rights to set up."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fmri2image.__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    files = sorted(tmp_path.iterdir())
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(files) == 9
    assert all(path.read_text() == "old" for path in files)
    sentences = done.stdout.splitlines()
    assert sorted(sentence.split(" ")[0] for sentence in sentences) == [str(path) for path in files]
    for sentence in sentences:
        assert "could not be written because" in sentence
        assert "run the same command again" in sentence
        cause = "the disk is probably full" if "state.pt" in sentence else "larger than a file may be here"
        assert cause in sentence


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (OSError(122, "Disk quota exceeded"), "quota"),
        (RuntimeError("Unable to flush (errno = 28, error message = 'No space left on device')"), "the disk is full"),
    ],
)
def test_what_a_full_disk_raises(tmp_path, error, cause):
    path = tmp_path / "table.tsv"
    with pytest.raises(WriteError, match=cause) as caught, replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_of_several_open_files_the_full_one_is_named(tmp_path):
    first, second = replacing(tmp_path / "first.h5"), replacing(tmp_path / "second.h5")
    with pytest.raises(WriteError, match="first.h5 could not"), first as partial, second:
        raise OSError(28, f"file write failed: filename = '{partial}', errno = 28")


def test_missing_rights_are_named(tmp_path):
    with pytest.raises(WriteError, match="not permitted"), replacing(tmp_path / "table.tsv") as partial:
        raise PermissionError(13, "Permission denied", str(partial))


def test_errors_of_reading_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), replacing(tmp_path / "table.tsv"):
        raise PermissionError(13, "Permission denied", "/somewhere/else.h5")
    with pytest.raises(OSError, match="cannot read"), replacing(tmp_path / "table.tsv"):
        raise OSError(5, "cannot read", "/somewhere/else.h5")
