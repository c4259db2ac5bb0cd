"""From what others have published to the report: responses, true features, decoded features, pictures.

A server on this machine plays figshare. Its files are made of the finished tiny run, so scores must be those of that run.
"""

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, copy_repository
from loopback import Loopback
from published_archives import mat_v5, write_zip
from published_study import (
    AREAS,
    LAYERS,
    add_to_registry,
    entries,
    published_config,
    renamed,
    write_config,
    write_published,
)

from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.samples import read_bdata
from fmri2image.report.style import NO_RESPONSES, NOT_SCORED

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_proxy")]
SAMPLES = {f"sub-01_{name}.h5" for name in ("train", "test", "shapes")}
VOXEL = ["voxel_i", "voxel_j", "voxel_k"]


def with_ours(config: dict) -> dict:
    """Correct the sizes of our decoded features as those of the published ones are."""
    methods = config["reconstruct"]["methods"]
    methods["icnn-sd"] = {**methods["icnn"], "norm_correction": "channel_sd"}
    config["analyses"].append({"method": "icnn-sd", "rois": ["VC"], "tests": ["shapes"], "ceiling": False})
    return config


def scores(run: Checkout, study: str) -> pd.DataFrame:
    return pd.read_csv(run / f"results/{study}/evaluate/scores.tsv", sep="\t", dtype={"subject": str})


def identification(run: Checkout, study: str, method: str, roi: str = "VC", test: str = "shapes") -> pd.DataFrame:
    """Scores of one method: metric by stimulus."""
    table = scores(run, study)
    mine = table[(table["method"] == method) & (table["roi"] == roi) & (table["test"] == test)]
    assert not mine.empty
    return mine.pivot(index="stimulus", columns="metric", values="value")


def accuracy(run: Checkout, study: str, decoder: str, test: str) -> pd.Series:
    """Accuracy of decoded features in VC, by layer and metric."""
    table = pd.read_csv(run / f"results/{study}/tables/decoding_accuracy.tsv", sep="\t", dtype={"subject": str})
    mine = table[(table["decoder"] == decoder) & (table["roi"] == "VC") & (table["test"] == test)]
    assert not mine.empty
    return mine.set_index(["layer", "metric"])["value"].sort_index()


def pages(run: Checkout, study: str) -> dict[str, str]:
    """The first page and that of the subject, line breaks aside."""
    root = run / f"results/{study}"
    files = {"summary": root / "summary.html", "subject": root / "subjects/sub-01.html"}
    return {name: " ".join(path.read_text(encoding="utf-8").split()) for name, path in files.items()}


@pytest.fixture(scope="module")
def files(tiny_run, tmp_path_factory):
    """The folder of all published files."""
    return write_published(tiny_run / "results/tiny", tmp_path_factory.mktemp("published") / "files")


@pytest.fixture(scope="module")
def server():
    server = Loopback()
    yield server
    server.close()


@pytest.fixture(scope="module")
def checkout(files, server, tmp_path_factory) -> Checkout:
    """A checkout whose registry lists the published files; nothing has run."""
    checkout = copy_repository(tmp_path_factory.mktemp("checkout") / "checkout")
    add_to_registry(checkout, entries(files, server))
    return checkout


@pytest.fixture(scope="module")
def decoded(checkout, server) -> tuple[Checkout, set[str]]:
    """The finished study that begins with decoded features, and what it has downloaded. It runs first."""
    run = write_config(checkout, published_config("decoded", ["test", "shapes"], samples=False))
    run.make()
    return run, {name for name, n in server.sent.items() if n}


@pytest.fixture(scope="module")
def published(decoded, checkout) -> Checkout:
    """The finished study of published responses, true features and decoded features."""
    run = write_config(checkout, with_ours(published_config("published", ["test", "shapes"])))
    run.make()
    return run


# Decoded features alone -----------------------------------------------------------------------------------------------


def test_decoded_features_need_no_responses_and_no_training_features(decoded, files):
    run, fetched = decoded
    unneeded = SAMPLES | {f"features-train-{layer}.zip" for layer in LAYERS}
    assert fetched == {path.name for path in files.iterdir()} - unneeded
    assert not (run / "results/decoded/samples").exists()
    assert run.jobs() == {}
    for name, text in pages(run, "decoded").items():
        assert NO_RESPONSES in text, name
        assert NOT_SCORED not in text, name
        assert "imulated data" not in text, name


def test_stimuli_without_pictures_have_the_names_of_the_table(decoded, tiny_run):
    run = decoded[0]
    names = renamed(tiny_run / "results/tiny")
    assert read_attributes(run / "results/decoded/stimuli/test.h5")["images"] == "missing"
    assert set(read_array(run / "results/decoded/stimuli/test.h5", "names").rows) == set(names["test"].values())
    assert set(read_array(run / "results/decoded/stimuli/shapes.h5", "images").rows) == set(names["shapes"].values())
    counts = scores(run, "decoded").groupby(["method", "roi", "test"])["stimulus"].nunique().to_dict()
    assert counts == {("icnn-paper", source, "shapes"): 6 for source in ("VC", "V1", "true-features")}
    # The files hold the same features for both areas.
    pd.testing.assert_frame_equal(
        identification(run, "decoded", "icnn-paper"), identification(run, "decoded", "icnn-paper", "V1")
    )


# Responses, features and decoded features -----------------------------------------------------------------------------


def test_published_responses_are_those_of_the_run(published, tiny_run):
    names = renamed(tiny_run / "results/tiny")
    ours = read_bdata(published / "results/published/samples/sub-01.h5")
    theirs = read_bdata(tiny_run / "results/tiny/samples/sub-01.h5")
    assert str(ours.attributes["simulated"]) == "False"
    there = theirs.voxels[VOXEL].astype(int).apply(tuple, axis=1)
    order = pd.Series(range(len(there)), index=there)[ours.voxels[VOXEL].astype(int).apply(tuple, axis=1)].to_numpy()
    for area in ("VC", *AREAS):
        if f"ROI_{area}" in ours.voxels:
            assert (ours.voxels[f"ROI_{area}"].to_numpy() == theirs.voxels[f"ROI_{area}"].to_numpy()[order]).all(), area
    assert ours.voxels["ROI_VC"].sum() == theirs.voxels["ROI_VC"].sum() > 0
    for stimulus_set in ("train", "test", "shapes"):
        mine = (ours.trials["stimulus_set"] == stimulus_set).to_numpy()
        shown = (theirs.trials["stimulus_set"] == ("train" if stimulus_set == "train" else "test")).to_numpy()
        assert ours.trials["stimulus"][mine].tolist() == [
            names[stimulus_set][name] for name in theirs.trials["stimulus"][shown]
        ]
        assert (ours.data[mine] == theirs.data[shown][:, order]).all()


def test_decoding_published_responses_gives_what_decoding_the_run_gave(published, tiny_run):
    tests = {"test": accuracy(tiny_run, "tiny", "ridge", "test")}
    tests["shapes"] = tests["test"]  # the same pictures under other names
    for test, expected in tests.items():
        for decoder in ("ridge", "paper"):
            found = accuracy(published, "published", decoder, test)
            pd.testing.assert_series_equal(found, expected, rtol=1e-3, atol=1e-4, obj=f"{decoder}, {test}")


def test_published_decoded_features_score_as_our_own(published, decoded):
    paper = identification(published, "published", "icnn-paper")
    assert "pixel_identification" in paper
    pd.testing.assert_frame_equal(paper, identification(decoded[0], "decoded", "icnn-paper"))
    pd.testing.assert_frame_equal(paper, identification(published, "published", "icnn-sd"), rtol=1e-3, atol=1e-3)


def test_what_cannot_be_made_is_listed_with_its_reason(published, server):
    assert published.jobs() == {}
    counts = scores(published, "published").groupby(["method", "roi", "test"])["stimulus"].nunique().to_dict()
    sources = [("icnn", "VC"), ("icnn", "true-features"), ("icnn-paper", "VC"), ("icnn-sd", "VC")]
    assert counts == {(*source, "shapes"): 6 for source in sources}
    both = pages(published, "published")
    assert NO_RESPONSES not in both["summary"] + both["subject"]
    left_out = both["summary"].split('id="skipped"')[1].split("<h2")[0]
    for words in (
        "<td>method pixels, test test</td>",
        "<td>method pixels, test shapes</td>",
        "<td>test test: comparison with pictures</td>",
        "ask for them at https://example.org/form and name their folder",
    ):
        assert words in left_out, words
    assert "The files of decoder paper number their images and do not name them." in both["summary"]
    assert both["summary"].count("better than names at random in") == 2  # of test and shapes
    for text in both.values():
        assert "names stand for" in text.lower(), text[:500]
    drawn = published / "results/published/figures/images_icnn_roi-VC_test.png"
    assert drawn.stat().st_size > 10_000
    assert not (published / "results/published/reconstruct/pixels").exists()


def test_every_file_is_downloaded_once(published, server, files):
    assert {name: n for name, n in server.sent.items() if n} == {
        path.name: path.stat().st_size for path in files.iterdir()
    }


def test_a_study_without_any_picture_says_that_nothing_was_scored(published, checkout, server):
    before = dict(server.sent)
    run = write_config(checkout, published_config("unpictured", ["test"]))
    run.make()
    assert run.jobs() == {}
    assert dict(server.sent) == before  # studies share what is downloaded
    assert scores(run, "unpictured").empty
    for name, text in pages(run, "unpictured").items():
        assert text.count(NOT_SCORED) == 2, name
    assert not list((run / "results/unpictured").rglob("evaluate/images/*"))
    for decoder in ("ridge", "paper"):
        pd.testing.assert_series_equal(
            accuracy(run, "unpictured", decoder, "test"), accuracy(published, "published", decoder, "test")
        )


# Files that do not belong to the study --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ("conv2_1", ["S1-VC-Img0001.mat", "has features of shape (1, 3, 5, 5), but layer conv2_1 has"]),
        ("conv1_1", ["holds no decoded features of layer conv2_1", "it holds conv1_1"]),
    ],
)
def test_decoded_features_of_another_network_or_layer_are_refused(decoded, checkout, tmp_path, held, words):
    archive = tmp_path / "decodedfeatures-conv2_1.zip"
    content = mat_v5(feat=np.random.default_rng(1).normal(size=(1, 3, 5, 5)).astype(np.float32))  # no layer has that
    write_zip(archive, {f"color_shape-vgg-small-{held}-S1-VC-Img{i:04d}.mat": content for i in range(1, 7)})
    config = published_config(f"refused-{held.replace('_', '-')}", ["shapes"], samples=False)
    for layer in ("conv1_1", "fc8"):
        (tmp_path / f"decodedfeatures-{layer}.zip").write_bytes(archive.read_bytes())
    config["decode"]["decoders"]["paper"]["entries"]["shapes"] = f"{tmp_path}/decodedfeatures-{{layer}}.zip"
    run = write_config(checkout, config)
    wanted = f"results/{config['dataset']}/decode/paper/vgg-small/sub-01_roi-VC/conv2_1.h5"
    done = run.snakemake("--cores", "2", wanted)
    assert done.returncode != 0
    said = [line for line in done.stdout.splitlines() if line.startswith("fmri2image: ")]
    sentences = [line for line in said if archive.name in line]
    assert len(sentences) == 1, done.stdout[-3000:]
    assert not [word for word in words if word not in sentences[0]], sentences[0]
    assert "Traceback" not in done.stdout
    assert not (run / wanted).exists()
