"""Manifests: what a file's name tells, tables written and read back, and the shipped ones against their git trees."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from fmri2image.acquire import manifests
from fmri2image.acquire.manifests import (
    COLUMNS,
    MANIFESTS,
    RemoteFile,
    describe,
    from_folder,
    from_git_tree,
    read_manifest,
    write_manifest,
)
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError

TREES = Path(__file__).parents[4] / "shared" / "data" / "openneuro"
PUBLIC = ("ds000255", "ds001246", "ds001506", "ds001761")
# The faces have 37,000 files, most of them pictures.
by_dataset = pytest.mark.parametrize("dataset", [*PUBLIC[:3], pytest.param(PUBLIC[3], marks=pytest.mark.slow)])
FUNC = "sub-01/ses-perceptionLetterImage01/func/sub-01_ses-perceptionLetterImage01_task-perception_run-02"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "path", "expected"),
    [
        (
            "ds001506",
            f"{FUNC}_bold.nii.gz",
            ("01", "perceptionLetterImage01", "perception", "02", "bold", "letters"),
        ),
        ("ds001506", f"{FUNC}_events.tsv", ("01", "perceptionLetterImage01", "perception", "02", "events", "letters")),
        ("ds001506", "sub-02/ses-anatomy/anat/sub-02_ses-anatomy_T1w.nii.gz", ("02", "anatomy", "", "", "T1w", "")),
        ("ds001246", "task-perception_bold.json", ("", "", "perception", "", "", "")),
        ("ds000255", "sub-01/ses-01/func/sub-01_ses-01_task-viewFigure_run-03_bold.nii.gz",
         ("01", "01", "viewFigure", "03", "bold", "figures")),
        ("ds001761", "stimuli/sub-03/sub-03_F0278.jpg", ("03", "", "", "", "F0278", "")),
        ("mine", f"{FUNC}_bold.nii.gz", ("01", "perceptionLetterImage01", "perception", "02", "bold", "")),
        ("ds001506", "CHANGES", ("", "", "", "", "", "")),
    ],
)  # fmt: skip
def test_a_name_tells_entities_and_the_stimulus_set(dataset, path, expected):
    assert describe(dataset, path, 7, "a" * 32) == RemoteFile(path, 7, "a" * 32, *expected)


def test_only_files_of_a_run_have_a_stimulus_set():
    folder = "sub-01/ses-perceptionLetterImage01/anat/sub-01_ses-perceptionLetterImage01"
    assert describe("ds001506", f"{folder}_inplaneT2.nii.gz", 1, "").stimulus_set == ""


# Tables ---------------------------------------------------------------------------------------------------------------


def files() -> list[RemoteFile]:
    return [describe("ds001506", f"{FUNC}_{end}", n, "b" * 32) for n, end in enumerate(("events.tsv", "bold.nii.gz"))]


def test_a_manifest_is_read_back_in_the_order_of_paths(tmp_path):
    write_manifest(tmp_path / "m.tsv", files())
    assert read_manifest(tmp_path / "m.tsv") == tuple(sorted(files(), key=lambda file: file.path))
    assert (tmp_path / "m.tsv").read_text(encoding="utf-8").splitlines()[0] == "\t".join(COLUMNS)


def test_the_column_of_areas_is_written_where_some_file_has_one(tmp_path):
    masks = [replace(files()[0], path="derivatives/v1.nii.gz", area="V1"), files()[1]]
    write_manifest(tmp_path / "m.tsv", masks)
    lines = (tmp_path / "m.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "\t".join([*COLUMNS, "area"])
    assert {len(line.split("\t")) for line in lines} == {len(COLUMNS) + 1}
    assert {file.path: file.area for file in read_manifest(tmp_path / "m.tsv")} == {
        "derivatives/v1.nii.gz": "V1", files()[1].path: ""
    }  # fmt: skip


HEADER = "\t".join(COLUMNS)
ROW = "\t".join(["a/b.nii", "12", "", "01", "", "", "", "bold", ""])
BAD = {
    "no header": (ROW, "needs the columns path, size"),
    "a column short": (f"{HEADER}\n{ROW.rpartition(chr(9))[0]}", "needs the columns"),
    "a column too many": (f"{HEADER}\n{ROW}\tx", "needs the columns"),
    "empty": ("", "needs the columns"),
    "a size in words": (f"{HEADER}\n{ROW.replace('12', 'many')}", "size is not a whole number"),
    "a path twice": (f"{HEADER}\n{ROW}\n{ROW}", "a/b.nii is there twice"),
    "a path that leads out": (f"{HEADER}\n{ROW.replace('a/b', '../b')}", "no path inside"),
    "an absolute path": (f"{HEADER}\n{ROW.replace('a/b', '/etc/b')}", "no path inside"),
    "no path": (f"{HEADER}\n{ROW.replace('a/b.nii', '')}", "no path inside"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_manifest_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "bad.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words) as error:
        read_manifest(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_table_is_one_sentence(tmp_path):
    (tmp_path / "m.tsv").write_bytes(gzip.compress(b"path\tsize"))
    with pytest.raises(DataError, match="is no table of text"):
        read_manifest(tmp_path / "m.tsv")


def test_a_manifest_that_is_not_there_names_those_that_ship(tmp_path):
    with pytest.raises(DataError, match="cannot be read.*ds000255.tsv, ds001246.tsv"):
        read_manifest(tmp_path / "none.tsv")


@by_dataset
def test_shipped_manifest_says_again_what_its_names_tell(dataset):
    rows = read_manifest(MANIFESTS / f"{dataset}.tsv")
    assert [row for row in rows if row != describe(dataset, row.path, row.size, row.md5)] == []
    assert [row.path for row in rows if len(row.md5) != 32 or row.size < 0] == []
    assert list(rows) == sorted(rows, key=lambda row: row.path)


# Where they come from -------------------------------------------------------------------------------------------------


def test_a_folder_is_listed_with_sizes_and_checksums(tmp_path):
    bold, description = tmp_path / f"{FUNC}_bold.nii.gz", tmp_path / "dataset_description.json"
    bold.parent.mkdir(parents=True)
    bold.write_bytes(b"volumes")
    description.write_bytes(b"{}")
    found = {file.path: file for file in from_folder("ds001506", tmp_path)}
    assert set(found) == {f"{FUNC}_bold.nii.gz", "dataset_description.json"}
    about = found[f"{FUNC}_bold.nii.gz"]
    assert (about.size, about.md5, about.stimulus_set) == (7, md5(b"volumes"), "letters")


def archive(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))


@pytest.mark.parametrize("root", [".", "ds001506"])
def test_a_git_tree_has_the_files_of_git_and_of_the_annex(tmp_path, root):
    folder = tmp_path / "ds001506"
    folder.mkdir()
    members = {f"{root}/README": b"text", f"{root}/.gitattributes": b"x", f"{root}/.datalad/config": b"x"}
    archive(folder / "small-files.tar.gz", members)
    with gzip.open(folder / "manifest.tsv.gz", "wt", encoding="utf-8") as file:
        file.write(f"path\tsize_bytes\tmd5\n{FUNC}_bold.nii.gz\t99\t{'c' * 32}\n")
    found = {entry.path: (entry.size, entry.md5) for entry in from_git_tree("ds001506", folder)}
    assert found == {"README": (4, md5(b"text")), f"{FUNC}_bold.nii.gz": (99, "c" * 32)}


def test_links_of_the_annex_tell_size_and_checksum(tmp_path):
    folder = tmp_path / "ds000255"
    folder.mkdir()
    target = f"../../.git/annex/objects/zz/MD5E-s123--{'d' * 32}.nii.gz/MD5E-s123--{'d' * 32}.nii.gz"
    archive(folder / "small-files.tar.gz", {"./MISSING_ANNEX_FILES.tsv": f"{FUNC}_bold.nii.gz\t{target}\n".encode()})
    (found,) = from_git_tree("ds000255", folder)
    assert (found.path, found.size, found.md5) == (f"{FUNC}_bold.nii.gz", 123, "d" * 32)


def test_a_link_without_a_checksum_is_refused(tmp_path):
    archive(tmp_path / "small-files.tar.gz", {"./MISSING_ANNEX_FILES.tsv": b"a.nii.gz\t../objects/URL--somewhere\n"})
    with pytest.raises(DataError, match="a.nii.gz names no size and md5"):
        from_git_tree("ds000255", tmp_path)


needs_trees = pytest.mark.skipif(
    not all((TREES / name / "small-files.tar.gz").is_file() for name in PUBLIC),
    reason="the git trees of the public datasets are not beside the repository (shared/data/openneuro)",
)


@needs_trees
@by_dataset
def test_the_command_makes_the_shipped_manifest_byte_for_byte(tmp_path, monkeypatch, dataset):
    monkeypatch.setattr(manifests, "MANIFESTS", tmp_path)
    monkeypatch.setattr(manifests, "STIMULUS_SETS", {dataset: manifests.STIMULUS_SETS[dataset]})
    manifests.main(str(TREES))
    assert [path.name for path in tmp_path.iterdir()] == [f"{dataset}.tsv"]
    assert (tmp_path / f"{dataset}.tsv").read_bytes() == (MANIFESTS / f"{dataset}.tsv").read_bytes()


def test_every_public_dataset_has_a_manifest_and_names_of_its_sets():
    assert sorted(manifests.STIMULUS_SETS) == sorted(path.stem for path in MANIFESTS.glob("*.tsv")) == list(PUBLIC)


def test_the_command_without_trees_fails_and_leaves_the_manifests_alone(tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in MANIFESTS.iterdir()}
    command = [sys.executable, "-m", "fmri2image.acquire.manifests", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert {path.name: path.stat().st_mtime_ns for path in MANIFESTS.iterdir()} == before
    assert "small-files.tar.gz" in done.stderr
