"""Every way in which an archive cannot be read is one sentence of every reader, and leaves nothing behind."""

import errno
import io
import shutil
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from fmri2image.acquire.archives import read_member
from fmri2image.acquire.stimuli import StimulusSettings, import_set
from fmri2image.core.errors import DataError, WriteError
from fmri2image.features.convert.sources import weights_file
from fmri2image.features.mat_collection import MatCollection

CONTENT = np.random.default_rng(0).integers(0, 200, 40_000).astype("u1").tobytes()
ZIPS = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


def zipped(name: str, damage: str) -> bytes:
    """A zip archive with one member, whose headers or data are spoiled."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", ZIPS.get(damage, zipfile.ZIP_DEFLATED)) as archive:
        archive.writestr(name, CONTENT)
    data = bytearray(stream.getvalue())
    central = data.index(b"PK\1\2")
    if damage == "encrypted":
        data[6] |= 1
        data[central + 8] |= 1
    elif damage == "unknown method":
        data[8:10] = data[central + 10 : central + 12] = (97).to_bytes(2, "little")
    else:
        data[30 + len(name) + 60 : 30 + len(name) + 400] = b"\xff" * 340
    return bytes(data)


def tarred(name: str, method: str) -> bytes:
    """A compressed tar archive, cut or with wrong bytes inside."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{method}") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    data = bytearray(stream.getvalue())
    data[len(data) // 2 : len(data) // 2 + 300] = b"\xff" * 300
    return bytes(data)


def read_as_package(path, name):
    read_member(path, name)


def read_as_weights(path, name):
    with weights_file(path, name, path.parent) as (file, _):
        file.read_bytes()


def read_as_pictures(path, name):
    wanted = pd.DataFrame({"stimulus": [name.split(".")[0]], "file": None, "pattern": None})
    import_set("shapes", wanted, StimulusSettings("registry"), 12, path.parent / "shapes.h5", archive=path)


def read_as_features(path, name):
    with MatCollection([path]) as collection:
        collection.content(collection.members[0])


NAMES = {
    read_as_package: "a.bin",
    read_as_weights: "a.caffemodel",
    read_as_pictures: "a.tif",
    read_as_features: "a.mat",
}


def refused(read, path):
    """The sentence; the archive is all that is there afterwards, apart from the list of missing pictures."""
    with pytest.raises(DataError) as error:
        read(path, NAMES[read])
    assert {file.name for file in path.parent.iterdir()} <= {path.name, "shapes_missing.tsv"}
    text = str(error.value)
    assert str(path) in text and "\n" not in text
    return text


@pytest.mark.parametrize("damage", ["encrypted", "unknown method", *ZIPS])
@pytest.mark.parametrize("read", NAMES, ids=lambda read: read.__name__)
def test_zip_archives(tmp_path, read, damage):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(NAMES[read], damage))
    assert "cannot be" in refused(read, path)


@pytest.mark.parametrize("method", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("read", [read_as_package, read_as_weights], ids=lambda read: read.__name__)
def test_tar_archives(tmp_path, read, method):
    path = tmp_path / f"a.tar.{method}"
    path.write_bytes(tarred(NAMES[read], method))
    assert "cannot be read as an archive" in refused(read, path)


def test_a_full_disk_is_no_damaged_archive(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.caffemodel", CONTENT)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(WriteError, match="disk is full"):
        read_as_weights(path, "a.caffemodel")
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]
