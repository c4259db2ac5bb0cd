"""The registry of downloads: its table, its reader, and the page that counts it."""

import re
import time
from pathlib import Path

import pytest

from fmri2image.acquire.registry import (
    COLUMNS,
    KINDS,
    PAGE,
    REGISTRY,
    RESTRICTED,
    collections_table,
    entries,
    pypi_archive,
    read_registry,
    registry_entry,
)
from fmri2image.core.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
FACTS = ROOT.parent / "shared" / "reference" / "kamitani-lab.md"
FIGSHARE = re.compile(r"figshare\.com/(?:files|ndownloader/files)/(\d+)$")
VGG19 = [f"conv{b}_{i}" for b, n in zip(range(1, 6), (2, 2, 4, 4, 4), strict=True) for i in range(1, n + 1)]
VGG19 += ["fc6", "fc7", "fc8"]


def numbers(entry):
    return [match[1] for url in entry.urls if (match := FIGSHARE.search(url))]


# The table ------------------------------------------------------------------------------------------------------------


def test_every_row_is_an_entry_of_its_own():
    found = read_registry()
    assert len(found) == len(REGISTRY.read_text(encoding="utf-8").splitlines()) - 1
    checksums = [entry.md5 for entry in found.values() if entry.md5]
    assert len(checksums) == len(set(checksums))
    urls = [url for entry in found.values() for url in entry.urls]
    assert len(urls) == len(set(urls))
    by_number = {}
    for entry in found.values():
        for number in numbers(entry):
            by_number.setdefault(number, set()).add(entry.name)
    assert {number: names for number, names in by_number.items() if len(names) > 1} == {}
    assert {entry.kind for entry in found.values()} <= set(KINDS)


def test_figshare_is_asked_at_both_addresses():
    for entry in entries():
        if found := numbers(entry):
            assert found[0] == found[1], entry.name
            assert entry.urls[0] == f"https://ndownloader.figshare.com/files/{found[0]}"
            assert entry.urls[1] == f"https://figshare.com/ndownloader/files/{found[0]}"


def test_files_of_a_study_are_found_by_their_names():
    found = read_registry()
    decoded = {
        f"decoded-vgg19-{kind}-sub-0{subject}-{layer}"
        for kind in ("natural", "shapes", "letters", "imagery")
        for subject in (1, 2, 3)
        for layer in [*VGG19, *(f"pool{number}" for number in range(1, 6) if subject == 1)]
    }
    assert len(decoded) == 4 * (3 * 19 + 5)
    assert decoded <= set(found)
    true = {f"true-features-vgg19-{stimuli}-{layer}" for stimuli in ("train", "test") for layer in VGG19}
    samples = {
        f"deeprecon-{pipeline}-sub-0{subject}-{stimuli}"
        for pipeline in ("spm", "fmriprep")
        for subject in (1, 2, 3)
        for stimuli in ("train", "test")
    }
    assert true | samples | {f"god-spm-sub-0{subject}" for subject in range(1, 6)} <= set(found)
    single = (
        "true-features-vgg19-shapes stimuli-shapes stimuli-letters stimulus-table-train vgg19-caffe vgg19-kamitani-torch "
        "vgg19-feature-std deepsim-v0 generators-kamitani-torch caffenet-caffe caffenet-kamitani-torch vggface-torch "
        "vgg16-caffe resnet152-torchvision bigbigan-revnet50x4 miyawaki2008-nilearn generator-bounds-fc7"
    )
    assert set(single.split()) <= set(found)
    assert all(found[name].md5 for name in decoded | true)
    assert "(256×56×56)" in found["decoded-vgg19-shapes-sub-02-conv3_1"].what


def test_restricted_files_have_no_address_and_may_not_be_passed_on():
    for entry in entries(kind=RESTRICTED):
        assert entry.redistribution == "no"
        assert not entry.urls
    asked = {entry.name for entry in entries(kind=RESTRICTED)}
    assert {"brains", "vim1-responses", "vim1-stimuli", "nsd", "natural-stimuli", "digit69"} <= asked
    assert all("://" in entry.source or entry.source for entry in entries(kind=PAGE))


def test_only_the_judges_have_met_a_real_file():
    assert {entry.name for entry in entries() if entry.verified_against_real_file == "yes"} == {
        "squeezenet1_1",
        "efficientnet-lite0",
    }
    for entry in entries(kind="package"):
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert re.fullmatch(r"[0-9a-f]{64}", entry.arrays_sha256)
        assert entry.package_version == entry.version
        assert entry.version in entry.file
        assert entry.size > 10**6


@pytest.mark.skipif(
    not FACTS.is_file(), reason=f"{FACTS} is absent; the facts that the table was made from are not here"
)
def test_every_number_and_checksum_of_the_facts_is_in_the_table():
    text = FACTS.read_text(encoding="utf-8")
    appendix = text[text.index("## Appendix A.") :]
    known = {(number, entry.md5) for entry in entries() for number in numbers(entry)}
    pairs = set(re.findall(r"(?<![0-9a-f])(\d{8}) ([0-9a-f]{32})(?![0-9a-f])", appendix))
    for line in appendix.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"\d{8}( \d{8})*", cells[2]):
            pairs |= set(zip(cells[2].split(), cells[3].split(), strict=True))
    assert len(pairs) > 370
    assert pairs - known == set()
    section = text[text.index("### 1.5") : text.index("### 1.6")]
    ids = {number for number in re.findall(r"(?<![0-9a-f])(1[2-5]\d{6}|24080120|49\d{6})(?![0-9a-f])", section)}
    assert ids - {number for number, _ in known} - {"17985578"} == set()  # that one is an article


# The reader -----------------------------------------------------------------------------------------------------------


def test_reading_is_fast_and_sees_changes(tmp_path):
    path = tmp_path / "registry.tsv"
    path.write_text(REGISTRY.read_text(encoding="utf-8"), encoding="utf-8")
    started = time.perf_counter()
    first = read_registry(path)
    assert time.perf_counter() - started < 0.3  # 6 ms where it was written
    first.clear()
    assert len(read_registry(path)) > 400
    header, row, *_ = REGISTRY.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    assert list(read_registry(path)) == ["squeezenet1_1"]


def test_rows_come_back_as_they_were_written():
    lines = REGISTRY.read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == COLUMNS
    assert ["\t".join(entry.row()) for entry in entries()] == lines[1:]


def test_settings_leave_out_what_is_said_for_people():
    entry = registry_entry("squeezenet1_1")
    settings = entry.settings()
    assert (settings["package"], settings["version"]) == ("ndf", "0.1.4")
    assert {"what", "verified_against_real_file", "redistribution"}.isdisjoint(settings)
    assert "package" not in registry_entry("vgg19-caffe").settings()


def test_archives_of_packages():
    assert pypi_archive(("https://x.org/a", "pypi:some-package==1.2.post3")) == ("some-package", "1.2.post3")
    with pytest.raises(DataError, match="https://x.org/a is not pypi:<package>==<version>"):
        pypi_archive(("https://x.org/a",))


def test_unknown_entry_is_one_sentence_with_names_like_it():
    with pytest.raises(DataError) as error:
        registry_entry("true-features-vgg19-train-conv9_9")
    sentence = str(error.value)
    assert "has no entry 'true-features-vgg19-train-conv9_9'; it has true-features-vgg19-train-conv" in sentence
    assert sentence.endswith("others.")
    assert len(sentence) < 600


@pytest.mark.parametrize(("column", "value", "words"), [
    ("name", "Two Words", "a name is made of lower-case words"),
    ("kind", "photograph", "kind 'photograph' is none of package, samples"),
    ("redistribution", "maybe", "redistribution 'maybe' is none of yes, no, not stated"),
    ("verified_against_real_file", "", "is none of yes, no"),
    ("md5", "ABC", "md5 is not made of 32 hexadecimal digits"),
    ("sha256", "0" * 63, "sha256 is not made of 64 hexadecimal digits"),
    ("size", "4 MB", "size '4 MB' is not a whole number of bytes"),
    ("urls", "", "kind 'package' needs an address"),
    ("urls", "ftp://x.org/a", "'ftp://x.org/a' is no address"),
    ("kind", "restricted", "kind 'restricted' has no address to fetch from"),
    ("file", "../a", "file '../a' is not the name of a file"),
    ("licence", "", "licence is empty"),
    ("what", "", "what is empty"),
])  # fmt: skip
def test_row_that_breaks_a_rule_is_one_sentence(tmp_path, column, value, words):
    path = tmp_path / "registry.tsv"
    row = registry_entry("squeezenet1_1").row()
    row[COLUMNS.index(column)] = value
    path.write_text("\t".join(COLUMNS) + "\n" + "\t".join(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_registry(path)
    assert words in str(error.value)
    assert "registry.tsv: entry '" in str(error.value)


def test_damaged_table_is_one_sentence(tmp_path):
    path = tmp_path / "registry.tsv"
    with pytest.raises(DataError, match=r"registry\.tsv cannot be read"):
        read_registry(path)
    header, first, *_ = REGISTRY.read_text(encoding="utf-8").splitlines()
    cut = first.rsplit("\t", 1)[0]
    for text in (f"{header}\n{cut}\n", f"{header.replace('sha256', 'sha1')}\n{first}\n", ""):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="every row needs the columns name, collection, kind"):
            read_registry(path)
    path.write_text(f"{header}\n{first}\n{first}\n", encoding="utf-8")
    with pytest.raises(DataError, match="entry 'squeezenet1_1': its name is in the table twice"):
        read_registry(path)


# The page -------------------------------------------------------------------------------------------------------------


def test_page_counts_what_the_table_holds():
    page = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
    assert collections_table() in page
    n_files, n_met = len(entries()), sum(entry.verified_against_real_file == "yes" for entry in entries())
    assert f"{n_files - n_met} of the {n_files} files" in page
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in page
    for entry in entries(kind=RESTRICTED):
        assert f"`{entry.name}`" in page, entry.name
