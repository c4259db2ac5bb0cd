"""Configurations: those that ship are valid, and a wrong one is refused in one sentence that names the key."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fmri2image.acquire.manifests import read_manifest
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError
from fmri2image.samples.names import IMAGERY_ORDERS
from fmri2image.samples.published_labels import read_names
from fmri2image.study import load_study
from fmri2image.study.check import SCHEMA, check_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
TINY = ROOT / "tests" / "end_to_end" / "tiny.yaml"


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# Valid configurations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*CONFIGS, TINY], ids=lambda path: path.stem)
def test_configuration_is_valid(path):
    assert load_study(read(path)).final_outputs()


def test_every_configuration_is_a_study_of_its_own():
    names = [read(path)["dataset"] for path in CONFIGS]
    assert len(names) == len(set(names))


# The example for own data names a folder that nobody has.
@pytest.mark.parametrize("path", [path for path in CONFIGS if path.stem != "own-data"], ids=lambda path: path.stem)
def test_dry_run(repository, path):
    repository.configfile = f"config/{path.name}"
    jobs = repository.jobs()
    assert {"reconstruct_images", "write_subject_page", "write_summary"} <= set(jobs)
    # Natural images are not public: what has no picture is reconstructed and drawn, but no picture is compared.
    assert ("score_images" in jobs) == (path.stem not in ("ds001246", "ds001246-published", "paper-shen2019-s3"))
    if path.stem == "config":  # the demo: starting a job costs almost a second
        assert sum(jobs.values()) <= 250
    if path.stem == "ds001506":  # one job per layer of VGG19, area and subject
        decoding = {name: n for name, n in jobs.items() if name.startswith("decode_features_")}
        ridge = {name for name in decoding if "absolute" not in name and "slr" not in name}
        assert {decoding.pop(name) for name in ridge} == {6 * 3} and len(ridge) == 19
        assert decoding == {"decode_features_ridge_absolute": 3} | {
            f"decode_features_slr_{layer}": 3 for layer in ("fc6", "fc7", "fc8")
        }
    if path.stem == "phantom-decoders":  # one job for all layers of a decoder; ridge in nine areas
        decoding = {name: n for name, n in jobs.items() if name.startswith("decode_features_")}
        assert decoding.pop("decode_features_ridge") == 9 * 3
        assert set(decoding.values()) == {3} and len(decoding) == 6
        assert jobs["plot_raw_absolute"] == jobs["plot_voxel_selection"] == 1


def test_with_the_pictures_every_figure_of_the_paper_is_listed(repository):
    path = "config/paper-shen2019.yaml"
    config = read(repository / path)
    for name in ("train", "test"):
        (repository / f"pictures/{name}").mkdir(parents=True)
        config["acquire"]["stimuli"][name]["folder"] = f"pictures/{name}"
    (repository / path).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    repository.configfile = path
    jobs = repository.jobs()
    wanted = {(row["method"], roi, test) for row in config["analyses"] for roi in row["rois"] for test in row["tests"]}
    ceilings = {
        (row["method"], test) for row in config["analyses"] if row.get("ceiling", True) for test in row["tests"]
    }
    assert jobs["reconstruct_images"] == 3 * len(wanted) + len(ceilings)
    assert jobs["plot_paper_images"] == 19 and jobs["plot_paper_plot"] == 16 and jobs["make_paper_movie"] == 3


def test_a_folder_that_is_not_there_is_one_sentence(repository):
    done = repository.snakemake("-n", configfile="config/own-data.yaml")
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.strip() and "workflow specific profile" not in line]
    assert len(lines) == 1 and "acquire.bids.folder" in lines[0] and "does not exist" in lines[0]


DOWNLOADS = {
    # configuration: (runs, bytes of everything that is downloaded of OpenNeuro)
    "ds000255": (62, 1_470_630_654),
    "ds001246": (295, None),
    "ds001506": (528, None),
    "ds001761": (404, None),
}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_downloads_are_what_the_manifest_says(name):
    study = load_study(read(WORKFLOW.parent / "config" / f"{name}.yaml"))
    n_runs, n_bytes = DOWNLOADS[name]
    rows = read_manifest(study.config["acquire"]["openneuro"]["manifest"])
    bold = [row for row in rows if row.suffix == "bold" and row.path.endswith(".nii.gz")]
    wanted = {row.path for row in bold if row.stimulus_set in study.run_sets and not row.path.startswith("deriv")}
    files = study.bids_files()
    assert {file.path for file in files if file.suffix == "bold" and "nii" in file.path} == wanted
    assert len(wanted) == n_runs
    assert n_bytes is None or sum(file.size for file in files) == n_bytes


def test_one_subject_with_every_experiment_is_its_share_of_the_manifest(tmp_path):
    config = read(WORKFLOW.parent / "config" / "ds001506.yaml")
    config["subjects"] = ["01"]
    for name in ("train", "test"):  # with the pictures, imagery is decoded too
        config["acquire"]["stimuli"][name]["folder"] = str(tmp_path)
    study = load_study(config)
    rows = [row for row in read_manifest("resources/manifests/ds001506.tsv") if row.subject == "01"]
    assert study.skipped == []
    annexed = sum(row.size for row in rows if row.path.endswith(".nii.gz"))
    assert round(annexed / 1e9, 2) == 36.24
    # Of the in-plane images only that of the reference's session is needed.
    inplane = [row for row in rows if row.suffix == "inplaneT2"]
    files = [file for file in study.bids_files() if file.path.endswith(".nii.gz")]
    assert len([file for file in files if file.suffix == "inplaneT2"]) == 1
    kept = sum(file.size for file in files if file.suffix == "inplaneT2")
    assert sum(file.size for file in files) == annexed - sum(row.size for row in inplane) + kept


def test_decoded_features_alone_need_neither_responses_nor_training(repository):
    config = read(WORKFLOW.parent / "config" / "ds001506-decoded.yaml")
    entries = load_study(config).entries()
    assert {entry.kind for entry in entries} == {
        "decoded-features", "true-features", "feature-statistics", "stimuli", "stimulus-table", "torch-archive",
    }  # fmt: skip
    assert not [entry.name for entry in entries if "-train-" in entry.name]
    decoded = [entry for entry in entries if entry.kind == "decoded-features"]
    assert len(decoded) == 19 * 4  # layers and tests of one person
    repository.configfile = "config/ds001506-decoded.yaml"
    jobs = repository.jobs()
    assert "import_samples" not in jobs
    assert jobs["import_decoded_paper"] == jobs["import_decoded_paper_imagery"] == 19
    # The names of what was imagined stand in a table of ours.
    table = config["acquire"]["stimuli"]["imagery"]["names"]
    assert read_names(table) == [name for name in IMAGERY_ORDERS["ds001506"] if name != "fixation"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test": {"from": "folder", "folder": None}}, ["acquire.stimuli.test", "nothing names the stimuli"]),
        ({"letters": {"from": "folder", "folder": None}}, ["acquire.stimuli.letters", "nothing names the stimuli"]),
    ],
)
def test_stimuli_that_nothing_names_are_one_sentence(changes, words):
    config = read(WORKFLOW.parent / "config" / "ds001506-decoded.yaml")
    config["acquire"]["stimuli"] |= changes
    with pytest.raises(ConfigError) as error:
        load_study(config)
    assert not [word for word in words if word not in str(error.value)], error.value


def test_dry_run_on_a_folder_of_data(repository, tmp_path):
    (tmp_path / "miyawaki2008_s1_V1_figure.npz").touch()
    repository.configfile = "config/miyawaki2008.yaml"
    jobs = repository.jobs("--config", f'acquire={{data: "{tmp_path}"}}')
    assert jobs["import_miyawaki"] == 1


# Wrong configurations ------------------------------------------------------------------------------------------------

# Where, the wrong value, and words of the sentence: the key and what is wrong with it.
WRONG = {
    "unknown key at the top": (["colour"], 1, ["colour", "unknown key"]),
    "unknown key below": (["samples", "shift_second"], 4.0, ["samples", "shift_second", "unknown key"]),
    "unknown key of a decoder": (["decode", "decoders", "ridge", "alhpa"], 1, ["decode.decoders.ridge", "alhpa"]),
    "unknown key of a method": (["reconstruct", "methods", "icnn", "steps"], 1, ["reconstruct.methods.icnn", "steps"]),
    "unknown key of the scanner": (["acquire", "simulate", "voxelsize"], 3.0, ["acquire.simulate", "voxelsize"]),
    "text for a number": (["samples", "shift_seconds"], "four", ["samples.shift_seconds", "four"]),
    "number for a subject": (["subjects"], [1], ["subjects", "1"]),
    "negative penalty": (["decode", "decoders", "ridge", "alpha"], -1, ["decode.decoders.ridge.alpha", "-1"]),
    "text for a voxel size": (["acquire", "simulate", "voxel_size"], "big", ["acquire.simulate.voxel_size", "big"]),
    "unknown area": (["analyses", 0, "rois"], ["V9"], ["rois", "V9", "samples.masks"]),
    "unknown test": (["analyses", 0, "tests"], ["exam"], ["analyses.0.tests", "exam"]),
    "unknown method row": (["analyses", 0, "method"], "magic", ["analyses.0.method", "magic"]),
    "unknown method": (["reconstruct", "methods", "icnn", "method"], "magic", ["reconstruct.methods.icnn", "magic"]),
    "unknown layer of a method": (["reconstruct", "methods", "icnn", "layers"], ["conv9_9"], ["icnn.layers", "conv9_9"]),
    "unknown decoder": (["reconstruct", "methods", "icnn", "decoder"], "lasso", ["icnn.decoder", "lasso"]),
    "unknown network": (["decode", "decoders", "ridge", "network"], "alexnet", ["ridge.network", "alexnet"]),
    "unknown stimulus set": (["tests", "test", "stimuli"], "films", ["tests.test.stimuli", "films"]),
    "training and leave-out": (["tests", "test", "leave_out"], "run", ["tests.test", "leave_out"]),
    "unknown primary method": (["report", "primary", "method"], "magic", ["report.primary", "magic"]),
    "unknown primary area": (["report", "primary", "roi"], "V9", ["report.primary", "V9"]),
    "unknown part of a union": (["samples", "unions", "VC"], ["V1", "V9"], ["samples.unions", "V9"]),
    "runs of an unknown subject": (
        ["acquire", "simulate", "stimulus_sets", "train", "runs"], {"09": [3], "default": [3]}, ["train.runs", "09"],
    ),
    "runs without a default": (
        ["acquire", "simulate", "stimulus_sets", "train", "runs"], {"01": [3]}, ["train.runs", "default"],
    ),
    "presentations that no runs share": (
        ["acquire", "simulate", "stimulus_sets", "train", "runs"], [5], ["train", "24 images", "5 runs", "sub-01"],
    ),
    "scanned set without images": (["stimulus_sets"], ["train", "test", "natural"], ["stimulus_sets", "imagery"]),
    "imagery of nothing": (
        ["acquire", "simulate", "stimulus_sets", "imagery", "from"], {"films": 1}, ["imagery.from", "films"],
    ),
    "perception that calls itself imagery": (
        ["acquire", "simulate", "stimulus_sets", "test", "kind"], "imagery", ["stimulus_sets.test", "'from'"],
    ),
    "unknown dialect": (["acquire", "simulate", "dialect"], "ds000001", ["simulate.dialect", "ds000001"]),
    "dataset name with a slash": (["dataset"], "../elsewhere", ["dataset", "../elsewhere"]),
    "dataset name with capitals": (["dataset"], "Tiny", ["dataset", "Tiny"]),
}  # fmt: skip


def changed(config: dict, keys: list, value: object) -> dict:
    config = copy.deepcopy(config)
    inner = config
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return config


@pytest.mark.parametrize(("keys", "value", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_configuration_is_one_sentence(keys, value, words):
    with pytest.raises(ConfigError) as error:
        load_study(changed(read(TINY), keys, value))
    sentence = str(error.value)
    assert sentence.startswith("config: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert not [word for word in words if word not in sentence], sentence


@pytest.mark.parametrize("chapter", ["dataset", "seed", "acquire", "analyses", "report"])
def test_missing_chapter_is_named(chapter):
    config = read(TINY)
    del config[chapter]
    with pytest.raises(ConfigError, match=chapter):
        check_config(config)


@pytest.mark.parametrize(
    "name", ["unknown key below", "text for a number", "unknown area", "unknown test", "unknown method"]
)
def test_snakemake_ends_with_the_sentence(repository, tmp_path, name):
    keys, value, words = WRONG[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(changed(read(TINY), keys, value), sort_keys=False), encoding="utf-8")
    done = repository.snakemake("-n", configfile=str(path))
    assert done.returncode != 0
    sentences = [line for line in done.stdout.splitlines() if line.startswith("config: ")]
    assert len(sentences) == 1, done.stdout
    assert not [word for word in words if word not in sentences[0]], sentences[0]
    assert "Traceback" not in done.stdout


def test_a_configuration_without_dataset_is_not_mixed_with_the_demo(repository, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text('title: Mine\nsubjects: ["01"]\n', encoding="utf-8")
    done = repository.snakemake("-n", configfile=str(path))
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == "config: top level: 'dataset' is a required property."


@pytest.mark.parametrize(
    "text", ["", "- dataset\n", "dataset\n", "dataset: [\n"], ids=["nothing", "list", "text", "broken"]
)
def test_a_file_that_is_no_mapping_is_one_sentence(repository, tmp_path, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    done = repository.snakemake("-n", configfile=str(path))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and "Job stats" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Config file ")


# The schema describes every key --------------------------------------------------------------------------------------


def schema() -> dict:
    return read(SCHEMA)


def properties(node: object, where: str = "") -> Iterator[tuple[str, dict]]:
    """Yield every property of a schema, those of definitions too, with its path."""
    if isinstance(node, list):
        for item in node:
            yield from properties(item, where)
    elif isinstance(node, dict):
        for name, entry in node.get("properties", {}).items():
            yield f"{where}.{name}", entry
        for name, entry in node.items():
            yield from properties(entry, where if name == "properties" else f"{where}.{name}")


def described(entry: dict) -> bool:
    if "$ref" in entry:
        entry = schema()["$defs"][entry["$ref"].removeprefix("#/$defs/")]
    return bool(entry.get("description", "").strip())


def test_every_key_of_the_schema_is_described():
    found = list(properties(schema()))
    assert len(found) > 60
    assert not [where for where, entry in found if not described(entry)]


def objects(node: object, where: str = "") -> Iterator[tuple[str, dict]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield where, node
        for name, entry in node.items():
            yield from objects(entry, f"{where}.{name}")
    elif isinstance(node, list):
        for item in node:
            yield from objects(item, where)


def test_every_object_of_the_schema_refuses_unknown_keys():
    # Named entries (networks, decoders, methods) are checked against the definition of their kind, see study.check.
    found = [(where, node) for where, node in objects(schema()) if not where.endswith(".additionalProperties")]
    assert len(found) > 15
    assert not [where for where, node in found if "additionalProperties" not in node]


def undescribed(value: object, node: dict, where: str = "") -> Iterator[str]:
    """Yield the keys of a configuration that no property of the schema describes."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        node = schema()["$defs"][name]
    if isinstance(value, list):
        for item in value:
            yield from undescribed(item, node.get("items", {}), where)
    elif isinstance(value, dict):
        known, others = node.get("properties", {}), node.get("additionalProperties")
        for key, entry in value.items():
            if key in known:
                yield from undescribed(entry, known[key], f"{where}.{key}")
            elif isinstance(others, dict):
                yield from undescribed(entry, chosen(where, entry, others), f"{where}.{key}")
            else:
                yield f"{where}.{key}"


def chosen(where: str, entry: object, node: dict) -> dict:
    """Named networks, decoders and methods are described where their kind is defined."""
    for kind in ("network", "decoder", "method", "generator"):
        if where.endswith(f".{kind}s"):
            return schema()["$defs"][f"{kind}s"][entry[kind]]
    return node


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_key_of_a_configuration_is_described(path):
    assert not list(undescribed(read(path), schema()))
