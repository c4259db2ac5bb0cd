"""The plan's arithmetic: amounts, costs, disks and warnings, against numbers taken by hand or from the manifests."""

import csv
import hashlib
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError, WriteError
from fmri2image.study import load_study
from fmri2image.study.plan import disk_warnings, make_plan, memory_warnings
from fmri2image.study.plan_amounts import DRIVERS, Amounts
from fmri2image.study.plan_downloads import downloads, needed
from fmri2image.study.plan_jobs import Job
from fmri2image.study.plan_networks import forward_tflop, layer_units
from fmri2image.study.plan_rates import COLUMNS, STAGES, Rate, rates_of, read_rates
from fmri2image.study.plan_text import (
    DOWNLOAD_COLUMNS,
    RULE_COLUMNS,
    STAGE_COLUMNS,
    download_table,
    plan_text,
    rule_table,
    stage_table,
)

ROOT = WORKFLOW.parent


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Nothing is downloaded or finished there, but the manifests are at hand."""
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "manifests").symlink_to(ROOT / "resources" / "manifests")
    monkeypatch.chdir(tmp_path)


def config(name: str, **changes) -> dict:
    return {**yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text("utf-8")), **changes}


def manifest(dataset: str) -> list[dict]:
    with (ROOT / "resources" / "manifests" / f"{dataset}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def with_pictures(folder: Path, **changes) -> dict:
    chosen = config("ds001506", **changes)
    for name in ("train", "test"):
        chosen["acquire"]["stimuli"][name]["folder"] = str(folder)
    return chosen


def rate(rule: str, driver: str, **values) -> Rate:
    numbers = {"cpu_seconds": 0.0, "threads": 1, "gpu_seconds": None, "output_mb": 0.0, "temporary_mb": 0.0}
    return Rate("decode", rule, driver, **{**numbers, "memory_mb": 0.0, "source": "guess", **values})


# The table of rates ---------------------------------------------------------------------------------------------------


def test_every_script_has_rates_of_a_known_driver():
    rates = read_rates()
    scripts = {path.stem for path in (WORKFLOW / "scripts").glob("*.py")} - {"plan", "check_real"}
    assert sorted(name for name in scripts if not rates_of(name, rates)) == []
    assert {row.driver for rows in rates.values() for row in rows} <= set(DRIVERS)
    assert all(len({row.stage for row in rows}) == 1 for rows in rates.values())
    assert all(sum(row.driver == "jobs" for row in rows) == 1 for rows in rates.values())


def test_rules_made_in_a_loop_share_the_rates_of_their_longest_beginning():
    rates = read_rates()
    assert rates_of("decode_features_ridge_leaky", rates)[0].rule == "decode_features"
    assert rates_of("fetch_sub_01_ses_02", rates)[0].rule == "fetch"
    assert rates_of("fetch_weights", rates)[0].rule == "fetch_weights"
    assert rates_of("fetching", rates) == []


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("decode\tx\tjobs\tten\t1\t\t0\t0\t0\tguess", "row x, jobs: a number is wrong"),
        ("baking\tx\tjobs\t1\t1\t\t0\t0\t0\tguess", "the stage must be one of acquire"),
        ("decode\tx\tjobs\t1\t1\t\t0\t0\t0\tI think so", "the source must begin with measured"),
        ("decode\tx\tjobs", "every row needs the columns"),
    ],
)
def test_wrong_rates_are_refused(tmp_path, row, sentence):
    path = tmp_path / "rates.tsv"
    path.write_text("\t".join(COLUMNS) + f"\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        read_rates(path)


# Downloads ------------------------------------------------------------------------------------------------------------


def test_bytes_are_those_of_the_manifest(tmp_path):
    """Subject 01 with every experiment: everything of it in the manifest but in-plane images of further sessions."""
    study = load_study(with_pictures(tmp_path, subjects=["01"]))
    found = [one for one in downloads(study, Amounts(study)) if one.collection == "ds001506"]
    prefix = "resources/downloaded/ds001506/bids/"
    paths = {one.target.removeprefix(prefix) for one in found}
    mine = {row["path"]: int(row["size"]) for row in manifest("ds001506") if row["subject"] == "01"}
    left_out = {path for path in mine if path not in paths}
    assert all("inplaneT2" in path or path.endswith("T1w.json") for path in left_out)
    assert sum("_inplaneT2.nii" in path for path in paths) == 1
    of_subject = sum(one.size for one in found if "sub-01" in one.target)
    assert of_subject == sum(mine.values()) - sum(mine[path] for path in left_out)
    assert sum(mine.values()) / 1e9 == pytest.approx(36.24, abs=0.005)
    assert 36.0 < of_subject / 1e9 < 36.24
    assert all(not one.done and one.there == 0 for one in found)


def test_what_is_there_and_parts_of_files_count(tmp_path):
    study = load_study(config("ds000255"))
    before = downloads(study, Amounts(study))
    bold = [one for one in before if one.what == "BOLD"]
    whole, part, wrong = (Path(one.target) for one in bold[:3])
    whole.parent.mkdir(parents=True)
    for path, size in ((whole, bold[0].size), (part.with_name(f"{part.name}.partial"), 1000), (wrong, 10)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    after = {one.target: one for one in downloads(study, Amounts(study))}
    assert (after[str(whole)].done, after[str(whole)].left) == (True, 0)
    assert after[str(part)].left == bold[1].size - 1000
    assert (after[str(wrong)].done, after[str(wrong)].left) == (False, bold[2].size)
    assert sum(one.left for one in before) - sum(one.left for one in after.values()) == bold[0].size + 1000


def test_features_of_unknown_size_are_counted():
    study = load_study(config("ds001506-published"))
    found = downloads(study, Amounts(study))
    fc8 = next(one for one in found if "train-fc8" in one.target)
    assert fc8.size is None
    assert fc8.guess == 1200 * 1000 * 4
    table = download_table(found).set_index("what")
    assert table.loc["true features", "files_of_unknown_size"] == 38
    assert table.loc["true features", "gb_guessed"] == pytest.approx((1200 + 50) * 14_861_288 * 4 / 1e9)


def test_only_what_jobs_fetch_is_left():
    study = load_study(config("ds000255"))
    found = downloads(study, Amounts(study))
    first = found[0].target
    assert [one.target for one in needed(found, [Job("fetch_image", {}, (first,))])] == [first]
    folder = str(Path(found[-1].target).parent)
    inside = [one.target for one in found if Path(one.target).parent == Path(folder)]
    assert [one.target for one in needed(found, [Job("fetch_stimuli", {}, (folder,))])] == inside


# Amounts --------------------------------------------------------------------------------------------------------------


def test_size_and_operations_of_vgg19():
    assert sum(layer_units("vgg19").values()) == 14_861_288  # Shen et al. 2019 decode as many
    assert forward_tflop("vgg19", ["fc8"]) == pytest.approx(2 * 19.6e9 / 1e12, rel=0.01)  # 19.6 G multiply-adds
    assert forward_tflop("vgg19", ["conv1_1"]) == pytest.approx(2 * 27 * 64 * 224**2 / 1e12)


def test_amounts_of_decoding_and_reconstruction():
    study = load_study(config("ds001506"))
    amounts = Amounts(study)
    layers = study.layers("vgg19")
    outputs = tuple(f"results/ds001506/decode/ridge/vgg19/sub-01_roi-VC/{layer}.h5" for layer in layers)
    job = Job("decode_features_ridge", {"subject": "01", "roi": "VC"}, outputs)
    assert amounts.amount("decoded_units", job) == 14_861_288
    assert amounts.amount("gathered_gb", job) == pytest.approx(14_861_288 * 500**2 * 4 / 1e9)
    assert amounts.amount("decoded_gb", job) == pytest.approx(14_861_288 * (50 + 40 + 10) * 4 / 1e9)
    assert amounts.amount("gram_gb", job) == pytest.approx(11_700**2 * 4 / 1e9)
    assert amounts.amount("pruned_gb", job) == 0
    slr = Job("decode_features_slr_fc8", {"subject": "01", "roi": "VC"}, (outputs[-1].replace("/ridge/", "/slr/"),))
    assert amounts.amount("gathered_gb", slr) == 0
    assert amounts.amount("pruned_gb", slr) == pytest.approx(1000 * 500**2 * 4 / 1e9)
    assert amounts.amount("gram_gb", slr) == pytest.approx(11_700**2 * 8 / 1e9)
    images = Job("reconstruct_images", {"method": "icnn", "source": "sub-01_roi-VC", "test": "shapes"})
    # Memory holds 15 images; 40 of them are 3 batches of 14, the last of which is filled up.
    assert amounts.amount("batch_gb", images) == pytest.approx(14 * 14_861_288 * 4 / 1e9)
    assert amounts.amount("matching_tflop", images) == pytest.approx(42 * 200 * 1.1 * forward_tflop("vgg19", layers))
    assert amounts.notes == {}


def test_raw_bold_of_runs_and_subjects():
    study = load_study(config("ds001506"))
    rows = [row for row in manifest("ds001506") if row["subject"] == "02" and row["suffix"] == "bold"]
    rows = [row for row in rows if row["path"].endswith(".nii.gz") and row["stimulus_set"] != "imagery"]
    amounts = Amounts(study)
    assert amounts.amount("bold_gb", Job("build_samples", {"subject": "02"})) == pytest.approx(
        sum(int(row["size"]) for row in rows) / 1e9
    )
    one = {key: rows[7][key] for key in ("subject", "session", "task", "run")}
    assert amounts.amount("bold_gb", Job("correct_motion", one)) == int(rows[7]["size"]) / 1e9


def test_stimuli_come_from_the_table_once_there_is_one():
    study = load_study(config("ds001506"))
    table = Path("results/ds001506/stimuli/stimuli.tsv")
    table.parent.mkdir(parents=True)
    table.write_text("stimulus\tstimulus_set\n" + "a\tshapes\n" * 7, encoding="utf-8")
    assert Amounts(study).count("shapes") == 7
    assert Amounts(study).count("letters") == 10
    amounts = Amounts(study)
    assert amounts.count("unheard-of") == 100
    assert list(amounts.notes) == ["the number of stimuli in unheard-of is not known yet; 100 are assumed"]


# Costs ----------------------------------------------------------------------------------------------------------------


def small_plan(monkeypatch, free: float = 1e12):
    usage = shutil.disk_usage("/")._replace(free=int(free))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    study = load_study(config("ds000255"))
    rates = {
        "decode_features": [
            rate("decode_features", "jobs", cpu_seconds=1800.0, output_mb=500.0, memory_mb=3000.0, temporary_mb=2500.0),
            rate("decode_features", "decoded_units", cpu_seconds=0.0, memory_mb=0.01, source="measured"),
        ]
    }
    folder = "results/ds000255/decode/ridge/vgg-small"
    outputs = [f"{folder}/sub-{subject}_roi-active/fc8.h5" for subject in study.subjects]
    jobs = [Job("decode_features_ridge", {}, (output,), mem_mb=4000, runtime=10) for output in outputs]
    jobs += [Job("fetch_image", {}, (one.target,)) for one in downloads(study, Amounts(study))[:1]]
    return make_plan(study, jobs, rates)


def test_rows_of_a_rule_add_up(monkeypatch):
    plan = small_plan(monkeypatch)
    cost = next(cost for cost in plan.rules if cost.rule == "decode_features")
    assert (cost.jobs, cost.cpu_hours, cost.longest_hours, cost.output_gb) == (2, 1.0, 0.5, 1.0)
    assert cost.needed_mb == pytest.approx(3000 + 0.01 * layer_units("vgg-small")["fc8"])
    assert (cost.measured, cost.gpu_hours, cost.asks_gpu) == ("guess/measured", 0.0, True)
    assert any("rates.tsv has no row for fetch_image" in note for note in plan.notes)
    stages = stage_table(plan).set_index("stage")
    fetched = plan.downloads[0].size / 1e9
    assert stages.loc["decode", "output_gb"] == 1.0
    assert stages["total_gb"].max() == pytest.approx(1.0 + fetched + 0.001)
    assert stages["peak_gb"].max() == pytest.approx(stages["total_gb"].max() + 2.5 - 0.001)


def test_a_rate_that_nobody_measured_on_a_gpu_is_not_a_number(monkeypatch):
    plan = small_plan(monkeypatch)
    assert not np.isnan(stage_table(plan)["gpu_hours"]).any()
    study = load_study(config("ds000255"))
    rates = {"fit_method": [rate("fit_method", "stimuli", cpu_seconds=1.0)]}
    plan = make_plan(study, [Job("fit_method", {}, gpu=1)], rates)
    assert np.isnan(stage_table(plan)["gpu_hours"]).all()
    assert "?" in plan_text(plan)


def test_small_disks_small_memory_and_short_times_are_told(monkeypatch):
    assert disk_warnings(small_plan(monkeypatch).disks) == []
    plan = small_plan(monkeypatch, free=2e9)
    warnings = disk_warnings(plan.disks)
    assert len(warnings) == 1
    assert "the disk of resources/downloaded and results/ds000255 is too small: 3.5 GB are to be written" in warnings[0]
    assert "2.0 GB are free" in warnings[0]
    assert any("rule decode_features asks a cluster for 0.2 h" in warning for warning in plan.warnings)
    assert memory_warnings(plan.rules) == []
    text = plan_text(plan)
    assert "WARNING" in text
    assert "is too small" in text


def test_memory_below_the_table_is_told():
    study = load_study(config("ds001506"))
    outputs = tuple(f"results/ds001506/decode/ridge/vgg19/sub-01_roi-VC/{layer}.h5" for layer in study.layers("vgg19"))
    plan = make_plan(study, [Job("decode_features_ridge", {"subject": "01"}, outputs, mem_mb=1000)], read_rates())
    assert [w for w in plan.warnings if w.startswith("rule decode_features asks for 1.0 GB of memory")]
    plan = make_plan(study, [Job("decode_features_ridge", {"subject": "01"}, outputs, mem_mb=64000)], read_rates())
    assert not [w for w in plan.warnings if "of memory" in w]


def test_two_file_systems_are_told_apart(monkeypatch):
    study = load_study(config("ds000255"))
    from fmri2image.study import plan as module

    class Device:
        def __init__(self, folder):
            self.folder = folder

        def stat(self):
            return type("Stat", (), {"st_dev": hash("downloaded" in self.folder)})

    monkeypatch.setattr(module, "_existing", Device)
    free = {True: 1.0, False: 900.0}
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda device: type("Usage", (), {"free": 1e9 * free["downloaded" in device.folder]}),
    )
    plan = make_plan(study, None, read_rates(), "it failed")
    assert [disk.folders for disk in plan.disks] == [("resources/downloaded",), ("results/ds000255",)]
    assert len(disk_warnings(plan.disks)) == 1
    assert "resources/downloaded is too small" in plan.warnings[0]


# Words ----------------------------------------------------------------------------------------------------------------


def test_a_dry_run_that_failed_leaves_the_downloads():
    study = load_study(config("ds001506"))
    plan = make_plan(study, None, read_rates(), "the dry run failed: MissingInputException")
    text = plan_text(plan)
    assert "jobs are not known: the dry run failed: MissingInputException" in text
    assert "Costliest" not in text
    assert sum(one.size or 0 for one in plan.downloads) > 90e9


def test_what_is_left_out_is_listed_with_its_reason():
    study = load_study(config("ds001506"))
    text = " ".join(plan_text(make_plan(study, [], read_rates())).split())
    assert "Left out - method icnn-leaky, test imagery: nobody has published features of the set train" in text
    assert "Nothing is left to do." in text
    assert len(study.skipped) == 2


def test_tables_describe_their_columns(monkeypatch):
    plan = small_plan(monkeypatch)
    for table, columns in (
        (download_table(plan.downloads), DOWNLOAD_COLUMNS),
        (stage_table(plan), STAGE_COLUMNS),
        (rule_table(plan.rules), RULE_COLUMNS),
    ):
        assert list(table.columns) == list(columns)
        assert len(table) > 0
    assert list(stage_table(plan)["stage"]) == sorted(stage_table(plan)["stage"], key=STAGES.index)
    json.dumps(plan.skipped)


# Downloads check the disk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["fetch_bids", "fetch_registry"])
def test_a_download_that_does_not_fit_says_so(tmp_path, monkeypatch, script):
    main = runpy.run_path(str(WORKFLOW / "scripts" / f"{script}.py"))["main"]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1_000}))
    path = "a.nii.gz" if script == "fetch_bids" else "files/an-entry/a.nii.gz"
    source = tmp_path / "mirror" / ("ds000255" if script == "fetch_bids" else "") / path
    source.parent.mkdir(parents=True)
    source.write_bytes(b"x" * 5_000)
    place = {"mirror": str(tmp_path / "mirror"), "offline": True, "url": "https://example.org"}
    target = tmp_path / "bids" / "a.nii.gz"
    md5 = hashlib.md5(b"x" * 5_000, usedforsecurity=False).hexdigest()
    if script == "fetch_bids":
        about = {"dataset": "ds000255", "root": str(tmp_path / "bids"), "files": {"a.nii.gz": [5_000, md5]}}
        arguments = ([str(target)], {**about, **place})
    else:
        entry = {"name": "an-entry", "file": "a.nii.gz", "urls": [], "size": 5_000, "md5": md5, "sha256": ""}
        arguments = (str(target), {"entry": entry, **place})
    with pytest.raises(
        WriteError, match=r"has 1.00 kB of free disk space and 5.00 kB are still to be downloaded"
    ) as said:
        main(*arguments)
    assert "run the same command again" in str(said.value)
    assert not target.exists()
