"""A public dataset from its download to the report: the tiny simulated one, served by a bucket on this machine.

Its manifest calls it ds001506, whose names of sessions it has. Pictures lie in a folder and the terms forbid showing those
of the test.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from checkouts import TINY, Checkout, copy_repository
from loopback import Fault, Loopback
from PIL import Image

from fmri2image.acquire.manifests import from_folder, read_manifest, write_manifest
from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.samples import read_bdata
from fmri2image.report.page_figures import HIDDEN_CEILING

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_proxy")]
BIDS = "resources/downloaded/ds001506/bids"


def study(dataset: str, manifest: Path, address: str, pictures: Path, **acquire: object) -> dict:
    """The configuration of the tiny study, as one of a public dataset."""
    config = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    folder = {"from": "folder", "folder": str(pictures)}
    config |= {"dataset": dataset, "title": "A downloaded dataset", "stimulus_sets": ["train", "test", "imagery"]}
    config["acquire"] = {
        "source": "openneuro",
        "openneuro": {"dataset": "ds001506", "manifest": str(manifest), "url": address},
        "stimuli": {"train": folder, "test": {**folder, "show": False}, "imagery": {"from": "sets", "sets": ["test"]}},
        "image_size": 32,
        **acquire,
    }
    for decoder in config["decode"]["decoders"].values():
        decoder["norm_reference"] = "training"
    return config


def without_masks(config: dict) -> dict:
    """The same study for a dataset without masks of areas, and three of its five runs."""
    config["dataset"] = "nomask"
    config["acquire"]["sessions"] = ["perceptionNaturalImageTraining02", "perceptionNaturalImageTest01"]
    config["stimulus_sets"] = ["train", "test"]
    del config["acquire"]["stimuli"]["imagery"], config["tests"]["imagery"], config["samples"]["masks"]
    config["samples"] |= {"unions": {}, "responsive": {"name": "active", "stimulus_set": "train", "n_voxels": 300}}
    config["analyses"] = [{"method": "pixels", "rois": ["active"], "tests": ["test"]}]
    config["report"] = {"primary": {"method": "pixels", "roi": "active"}}
    del config["decode"]["analyses"]
    return config


def write(checkout: Checkout, config: dict) -> Checkout:
    """Make a configuration that of a checkout."""
    (checkout / "config/downloaded.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return Checkout(checkout.folder, "config/downloaded.yaml")


def write_pictures(run: Checkout, folder: Path) -> Path:
    """Write the pictures of the tiny study as somebody would have them, in folders of their own."""
    for stimulus_set in ("train", "test"):
        images = read_array(run / f"results/tiny/stimuli/{stimulus_set}.h5", "images")
        (folder / stimulus_set).mkdir(parents=True)
        for name, picture in zip(images.rows, images.values, strict=True):
            Image.fromarray(picture).save(folder / stimulus_set / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def server(tiny_run):
    server = Loopback()
    server.add_folder(tiny_run / "results/tiny/bids", "ds001506")
    yield server
    server.close()


@pytest.fixture(scope="module")
def sources(tiny_run, tmp_path_factory) -> tuple[Path, Path]:
    """The manifest, and the folder of pictures."""
    folder = tmp_path_factory.mktemp("sources")
    write_manifest(folder / "manifest.tsv", from_folder("ds001506", tiny_run / "results/tiny/bids"))
    return folder / "manifest.tsv", write_pictures(tiny_run, folder / "pictures")


@pytest.fixture(scope="module")
def interrupted(server, sources, tmp_path_factory) -> tuple[Checkout, int, int]:
    """A checkout whose run was killed while it downloaded; how many jobs it had planned, and bytes it had asked for."""
    checkout = copy_repository(tmp_path_factory.mktemp("downloaded") / "checkout")
    config = study("downloaded", sources[0], server.bucket, sources[1])
    checkout = write(checkout, config)
    planned = sum(checkout.jobs().values())
    large = [name for name in server.files if name.endswith("_bold.nii.gz")]
    server.always |= {name: Fault(rate=len(server.files[name]) / 60) for name in large}  # a minute each
    command = [sys.executable, "-m", "snakemake", "--configfile", checkout.configfile, "--cores", "2"]
    with (checkout / "first.log").open("w", encoding="utf-8") as log:
        run = subprocess.Popen(command, cwd=checkout.folder, stdout=log, stderr=log, start_new_session=True)
    until = time.monotonic() + 120
    while sum(server.sent[name] > 50_000 for name in large) < 2 and run.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    assert run.poll() is None, (checkout / "first.log").read_text(encoding="utf-8")[-3000:]
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    server.always.clear()
    assert sum(server.sent.values()) > 100_000
    return checkout, planned, sum(server.sent.values())


@pytest.fixture(scope="module")
def downloaded(interrupted) -> Checkout:
    """The finished study: the interrupted run, unlocked and run again."""
    checkout = interrupted[0]
    checkout.snakemake("--unlock")
    checkout.make()
    return checkout


def test_a_killed_run_goes_on_where_it_was(downloaded, interrupted, server, sources):
    files = {f"ds001506/{file.path}": file.size for file in read_manifest(sources[0])}
    served = {name: n for name, n in server.sent.items() if n}
    assert set(served) <= set(files)
    assert any(name.endswith("_T1w.nii.gz") for name in served)
    assert not [name for name in served if "sourcedata/sub-01/anat" in name and "mask" not in name]
    piece = 1 << 20  # what was on its way when the run was killed: buffers of the two ends
    over = {name: n - files[name] for name, n in served.items() if n > files[name]}
    assert all(n <= piece for n in over.values()), over
    # Of the two large files that were on their way, what had come was not fetched again.
    assert sum(served.values()) <= sum(files[name] for name in served) + 2 * piece
    for path in (downloaded / BIDS).rglob("*"):
        assert not path.name.endswith((".partial", ".json.partial")), path


def test_only_what_the_study_needs_is_downloaded(downloaded, sources):
    there = {
        path.relative_to(downloaded / BIDS).as_posix() for path in (downloaded / BIDS).rglob("*") if path.is_file()
    }
    listed = {file.path for file in read_manifest(sources[0])}
    there = {path for path in there if not path.endswith((".snakemake_timestamp", ".lock"))}
    assert there <= listed
    assert "participants.tsv" in listed - there
    inplane = {path for path in there if path.endswith("_inplaneT2.nii.gz")}
    assert len(inplane) == 1  # that of the session of the first run


def test_report_is_complete_and_hides_what_must_not_be_shown(downloaded):
    root = downloaded / "results/downloaded"
    scores = pd.read_csv(root / "evaluate/scores.tsv", sep="\t", dtype={"subject": str})
    counts = scores[scores["metric"] == "pixel_identification"].groupby(["method", "test"])["stimulus"].nunique()
    assert counts.to_dict() == {("icnn", "test"): 6, ("icnn", "imagery"): 3, ("pixels", "test"): 6}
    assert read_attributes(root / "stimuli/test.h5")["show"] == "no"
    assert read_attributes(root / "stimuli/imagery.h5")["show"] == "no"
    for page in (root / "summary.html", root / "subjects/sub-01.html"):
        text = page.read_text(encoding="utf-8")
        assert "imulated data" not in text
        assert "must not be shown" in text or "not to be shown" in text or "terms" in text, page
    first = " ".join((root / "summary.html").read_text(encoding="utf-8").split())
    assert first.count(HIDDEN_CEILING) == 1
    assert "Black line: the same method on true features." in first  # scored all the same
    table = json.loads((root / "tables/identification.json").read_text(encoding="utf-8"))
    assert table["simulated"] is False
    for quality in ("motion", "coregistration", "rois", "signal", "carpet"):
        assert (root / f"figures/sub-01_quality_{quality}.png").stat().st_size > 10_000
    assert str(read_bdata(root / "samples/sub-01.h5").attributes["simulated"]) == "False"


def test_a_finished_run_has_nothing_to_do_wherever_files_would_come_from(downloaded, server, sources, tmp_path):
    config = yaml.safe_load((downloaded / downloaded.configfile).read_text(encoding="utf-8"))
    places = [{}, {"mirror": str(tmp_path)}, {"offline": True}, {"mirror": "http://127.0.0.1:9", "offline": True}]
    for place in places:
        changed = {**config, "acquire": {**config["acquire"], **place}}
        assert write(downloaded, changed).jobs() == {}, place
    moved = {**config["acquire"], "openneuro": {**config["acquire"]["openneuro"], "url": "http://127.0.0.1:9/other"}}
    assert write(downloaded, {**config, "acquire": moved}).jobs() == {}
    write(downloaded, config)


def test_deleted_and_forced_files_come_back_without_download(downloaded, server):
    before = dict(server.sent)
    shutil.rmtree(downloaded / BIDS)
    run = "sub-01/ses-imagery01/func/sub-01_ses-imagery01_task-imagery_run-01"
    targets = [f"{BIDS}/{run}_bold.nii.gz", f"{BIDS}/{run}_events.tsv"]
    downloaded.make(*targets)
    downloaded.make("--forceall", *targets)
    assert dict(server.sent) == before
    assert (downloaded / targets[0]).stat().st_size > 10_000
    downloaded.make()  # all files are there again, and what was made of them is as new as they are
    assert dict(server.sent) == before


def test_everything_comes_from_a_mirror_without_network(sources, tiny_run, tmp_path):
    mirror = tmp_path / "mirror"
    shutil.copytree(tiny_run / "results/tiny/bids", mirror / "ds001506")
    dead = "http://127.0.0.1:9/openneuro.org"
    config = without_masks(study("nomask", sources[0], dead, sources[1], mirror=str(mirror), offline=True))
    checkout = write(copy_repository(tmp_path / "checkout"), config)
    session = "sub-01/ses-perceptionNaturalImageTest01/func"
    gone = f"{session}/sub-01_ses-perceptionNaturalImageTest01_task-perception_run-01_bold.nii.gz"
    kept = (mirror / "ds001506" / gone).rename(tmp_path / "kept.nii.gz")
    done = checkout.snakemake("--cores", "2", f"{BIDS}/{gone}")
    assert done.returncode != 0
    sentences = [line for line in done.stdout.splitlines() if line.startswith("fmri2image: ") and gone in line]
    assert len(sentences) == 1, done.stdout[-3000:]
    assert "offline" in sentences[0]
    assert str(mirror) in sentences[0]
    assert "Traceback" not in done.stdout
    kept.rename(mirror / "ds001506" / gone)
    checkout.make()
    samples = read_bdata(checkout / "results/nomask/samples/sub-01.h5")
    assert samples.voxels["ROI_active"].sum() == 300
    assert (checkout / "results/nomask/summary.html").stat().st_size > 10_000
    assert (checkout / "results/nomask/quality/sub-01.html").stat().st_size > 10_000


def test_sidecars_at_the_top_of_a_dataset(repository, tmp_path_factory):
    """The dialect of ds001246: sessions have other names, and sidecars lie at the top."""
    folder = tmp_path_factory.mktemp("ds001246")
    simulated = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    shown = simulated["acquire"]["simulate"]
    shown["dialect"] = "ds001246"
    shown["stimulus_sets"]["train"]["session"] = "perceptionTraining"
    shown["stimulus_sets"]["test"]["session"] = "perceptionTest"
    shown["stimulus_sets"]["imagery"]["session"] = "imageryTest"
    made = Checkout(repository.folder, "config/simulated.yaml")
    (made / made.configfile).write_text(yaml.safe_dump(simulated, sort_keys=False), encoding="utf-8")
    made.make("--until", "simulate_subject_01", "simulate_dataset")
    bids = made / "results/tiny/bids"
    assert (bids / "task-perception_bold.json").is_file()
    write_manifest(folder / "manifest.tsv", from_folder("ds001246", bids))
    server = Loopback()
    try:
        server.add_folder(bids, "ds001246")
        config = study("raw", folder / "manifest.tsv", server.bucket, folder)
        config["acquire"]["openneuro"]["dataset"] = "ds001246"
        config["acquire"]["stimuli"] = {}
        for row in config["analyses"]:
            row["tests"] = ["test"]
        config["stimulus_sets"] = ["train", "test"]
        del config["tests"]["imagery"]
        network = config["features"]["networks"]["vgg-small"]
        for layer in network["layers"]:  # made elsewhere; nothing of this test reads them
            (folder / f"{layer}.zip").touch()
        network["published"] = dict.fromkeys(["train", "test"], f"{folder}/{{layer}}.zip")
        checkout = write(repository, config)
        reference = "results/raw/preprocess/sub-01/sub-01_boldref.nii.gz"  # its repetition time is in the sidecar
        checkout.make("results/raw/stimuli/stimuli.tsv", reference)
    finally:
        server.close()
    assert server.sent["ds001246/task-perception_bold.json"] > 0
    assert server.sent["ds001246/participants.tsv"] == 0
    stimuli = pd.read_csv(checkout / "results/raw/stimuli/stimuli.tsv", sep="\t")
    assert stimuli.groupby("stimulus_set").size().to_dict() == {"train": 24, "test": 6}
    assert set(stimuli["picture"]) == {"missing"}
    assert (checkout / reference).is_file()
