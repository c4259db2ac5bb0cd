"""Writing by replacement: a name is either absent or finished."""

import pytest

from fmri2image.core.files import replacing


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "image.nii.gz"
    with replacing(path) as partial:
        assert partial.parent == path.parent
        assert partial.name.endswith(".nii.gz")
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["image.nii.gz"]


def test_an_error_keeps_the_old_file_and_leaves_nothing_partial(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "forgotten.txt"):
        pass
    assert list(tmp_path.iterdir()) == []
