"""One member of an archive."""

import pytest
from judge_archives import write_archive

from fmri2image.acquire.archives import read_member
from fmri2image.core.errors import DataError


@pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl"])
def test_member_is_read_and_a_missing_one_named(tmp_path, name):
    path = tmp_path / name
    write_archive(path, {"package/weights.bin": b"\x00\x01numbers", "setup.py": b"raise SystemExit"})
    assert read_member(path, "package/weights.bin") == b"\x00\x01numbers"
    with pytest.raises(DataError, match=rf"{name} holds no file 'package/other.bin'"):
        read_member(path, "package/other.bin")
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl"])
def test_damaged_archive_is_named(tmp_path, name):
    path = tmp_path / name
    write_archive(path, {"weights.bin": bytes(range(256)) * 300})
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"no archive", b""):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"{name} cannot be read as an archive.*; delete it"):
            read_member(path, "weights.bin")
