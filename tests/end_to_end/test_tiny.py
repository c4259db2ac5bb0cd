"""From raw BIDS to the report in one run: which files there are, and that they say what they are."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from fmri2image.core.arrays import read_attributes
from fmri2image.core.samples import read_bdata

EXPECTED = Path(__file__).with_name("tiny_outputs.txt")


def test_files_are_those_of_the_list(tiny_run):
    root = tiny_run / "results/tiny"
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    found = {name for name in found if not name.endswith(".snakemake_timestamp")}
    lines = EXPECTED.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(lines), f"{EXPECTED.name} is not sorted"
    missing, unexpected = sorted(set(lines) - found), sorted(found - set(lines))
    assert not missing, f"listed in {EXPECTED.name} and not made: {missing}"
    assert not unexpected, f"made and not listed in {EXPECTED.name}: {unexpected}"


def test_nothing_is_left_to_do(tiny_copy):
    assert "Nothing to be done" in tiny_copy.make()


def test_every_job_leaves_a_log_and_a_benchmark(tiny_run):
    logs = {
        path.relative_to(tiny_run / "results/logs").with_suffix("") for path in tiny_run.folder.rglob("logs/*/*.log")
    }
    root = tiny_run / "results/benchmarks"
    assert len(logs) > 20
    assert logs == {path.relative_to(root).with_suffix("") for path in root.rglob("*.tsv")}


def test_files_say_that_the_subjects_are_simulated(tiny_run):
    files = sorted((tiny_run / "results/tiny").rglob("*.h5"))
    assert len(files) > 10
    for path in files:
        attributes = read_bdata(path).attributes if path.parent.name == "samples" else read_attributes(path)
        assert str(attributes["simulated"]) == "True", path
    assert "simulated" in (tiny_run / "results/tiny/summary.html").read_text(encoding="utf-8").lower()


def test_scores_are_complete(tiny_run):
    scores = pd.read_csv(tiny_run / "results/tiny/evaluate/scores.tsv", sep="\t", dtype={"subject": str})
    per_image = scores[scores["metric"] == "pixel_identification"]
    counts = per_image.groupby(["method", "roi", "stimulus_set"])["stimulus"].nunique().to_dict()
    sources = {("icnn", "VC"), ("icnn", "true-features")}
    expected = {(*source, test): n for source in sources for test, n in (("test", 6), ("imagery", 3))}
    assert counts == {**expected, ("pixels", "VC", "test"): 6}
    assert per_image["value"].between(0, 1).all()
    lures = per_image.groupby("stimulus_set")["n_comparisons"].unique()
    assert lures["test"].tolist() == [5]
    assert lures["imagery"].tolist() == [2]
    assert not scores["transductive"].astype(bool).any()


def test_every_decoder_is_scored_and_mapped(tiny_run):
    root = tiny_run / "results/tiny"
    table = pd.read_csv(root / "tables/decoding_accuracy.tsv", sep="\t")
    layers = table.groupby(["decoder", "test"])["layer"].unique().map(list).to_dict()
    whole = ["conv1_1", "conv2_1", "fc8"]
    assert layers == {
        ("ridge", "test"): whole, ("ridge", "imagery"): whole, ("ridge-absolute", "test"): ["conv1_1"], ("slr", "test"): ["fc8"]
    }  # fmt: skip
    compared = pd.read_csv(root / "tables/raw_absolute.tsv", sep="\t")
    accuracy = table[(table["test"] == "test") & (table["layer"] == "conv1_1")].set_index(["decoder", "metric"])[
        "value"
    ]
    units = compared[compared["filter"] == "all"].iloc[0]
    for column, decoder in (("raw", "ridge"), ("absolute", "ridge-absolute")):
        assert units[column] == pytest.approx(accuracy[decoder, "unit_correlation"], abs=1e-6)
    for decoder, found in (("ridge", whole), ("ridge-absolute", ["conv1_1"]), ("slr", ["fc8"])):
        areas = pd.read_csv(root / f"decode/{decoder}/vgg-small/maps/sub-01_areas.tsv", sep="\t")
        assert list(areas["layer"].unique()) == found
    assert all(word in (root / "summary.html").read_text(encoding="utf-8") for word in ("ridge-absolute", "slr"))


@pytest.mark.parametrize("table", ["identification", "decoding_accuracy", "raw_absolute", "motion", "recovery"])
def test_tables_describe_their_columns(tiny_run, table):
    path = tiny_run / "results/tiny/tables" / f"{table}.tsv"
    columns = pd.read_csv(path, sep="\t").columns
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(columns) == set(described["columns"])
    assert all(described["columns"].values())
    assert described["simulated"] is True


def test_report(tiny_copy):
    tiny_copy.make("--report", "report.zip")
    with zipfile.ZipFile(tiny_copy / "report.zip") as archive:
        pages = [name for name in archive.namelist() if name.endswith("report.html")]
        assert len(pages) == 1
        assert len(archive.read(pages[0])) > 1000
        assert any("summary" in name for name in archive.namelist())
