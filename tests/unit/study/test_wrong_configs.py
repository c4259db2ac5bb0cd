"""What a new user may write wrong about real data ends in one sentence that names the key, before anything is fetched."""

from datetime import date

import pytest
from studies import configuration, study

from fmri2image.acquire.manifests import COLUMNS, MANIFESTS
from fmri2image.core.errors import ConfigError
from fmri2image.features.networks import build_network
from fmri2image.features.networks.vgg import ARCHITECTURES
from fmri2image.samples import names as imagery
from fmri2image.study import load_study
from fmri2image.study.announce import study_or_exit
from fmri2image.study.names import IMAGERY_ORDERS
from fmri2image.study.sources import CAFFENET, DEPTHS

TRAIN = "features/networks/vgg19/published/train"
PAPER = "decode/decoders/paper"
OWN = {"stimulus_set": "train"}
SPM = {"folder": "/tmp", "bold": "{subject}.nii.gz"}

# Which configuration, what is changed in it, and words of the sentence: the key first.
WRONG = {
    # Entries of the registry
    "unknown entry": ("ds001506", {"features/networks/vgg19/entry": "vgg99"},
                      ["features.networks.vgg19.entry", "no entry 'vgg99'"]),
    "entry of the wrong kind": ("ds001506", {"features/networks/vgg19/entry": "stimuli-shapes"},
                                ["features.networks.vgg19.entry", "of kind stimuli", "caffe-weights"]),
    "weights of another network": ("ds001506", {"features/networks/vgg19/entry": "caffenet-caffe"},
                                   ["features.networks.vgg19.entry", "not of vgg19", "vgg19-caffe"]),
    "weights as a path": ("ds001506", {"features/networks/vgg19/entry": "/my/vgg19.caffemodel"},
                          ["features.networks.vgg19.entry", "is a path", "shipped"]),
    "unknown archive of pictures": ("ds001506", {"acquire/stimuli/shapes/entry": "stimuli-shape"},
                                    ["acquire.stimuli.shapes.entry", "no entry 'stimuli-shape'"]),
    "pictures from weights": ("ds001506", {"acquire/stimuli/shapes/entry": "vgg19-caffe"},
                              ["acquire.stimuli.shapes.entry", "stimuli is needed"]),
    "labels of the wrong kind": ("ds001506-published", {"samples/published/labels": {"test": "vgg19-caffe"}},
                                 ["samples.published.labels.test", "stimulus-table is needed"]),
    "unknown names": ("ds001506-published", {"acquire/stimuli/letters/names": "nope"},
                      ["acquire.stimuli.letters.names", "no entry 'nope'"]),
    "names where data tell them": ("ds001506", {"acquire/stimuli/letters/names": "stimulus-table-letters"},
                                   ["acquire.stimuli.letters.names", "take it out"]),
    "sizes of the wrong kind": ("ds001506-published", {f"{PAPER}/feature_std": "vgg19-caffe"},
                                ["decoders.paper.feature_std", "feature-statistics is needed"]),
    "true features as decoded ones": ("ds001506-published", {f"{PAPER}/entries/test": "true-features-vgg19-test-{layer}"},
                                      ["decoders.paper.entries.test", "decoded-features is needed"]),
    "a subject nobody published": ("ds001506-published", {"subjects": ["09"]},
                                   ["samples.published.entries.train", "sub-09-train"]),
    # Places to fill in
    "place that does not belong": ("ds001506", {TRAIN: "true-features-vgg19-train-{subject}"}, ["{subject}", "{layer}"]),
    "place without a name": ("ds001506", {TRAIN: "true-features-vgg19-train-{}"}, ["{}", "there is {layer}"]),
    "place with an index": ("ds001506", {TRAIN: "true-features-vgg19-train-{layer[0]}"}, ["{layer[0]}"]),
    "place with a format": ("ds001506", {TRAIN: "true-features-vgg19-train-{layer:d}"}, ["{layer:d}"]),
    "place with a conversion": ("ds001506", {TRAIN: "true-features-vgg19-train-{layer!x}"}, ["{layer!x}"]),
    "open brace": ("ds001506", {TRAIN: "true-features-vgg19-train-{layer"}, ["published.train", "cannot be read"]),
    "place in the name of an archive": ("ds001506", {"acquire/stimuli/shapes/entry": "stimuli-{subject}"},
                                        ["stimuli.shapes.entry", "write the name in full"]),
    "one layer for all": ("ds001506", {TRAIN: "true-features-vgg19-train-fc8"}, ["of layer fc8", "write {layer}"]),
    "one subject for all": ("ds001246-published", {"samples/published/entries/train": "god-spm-sub-01"},
                            ["of subject 01", "write sub-{subject}"]),
    "one file for all": ("ds001246-published", {"samples/published/entries/train": "/data/x.h5"},
                         ["samples.published.entries.train", "one file", "{subject}"]),
    "samples that are no BData": ("ds001506-published", {"samples/published/entries/train": "/data/x.mat"},
                                  ["samples.published.entries.train", ".h5"]),
    # Manifests, subjects, sessions, runs
    "manifest of another dataset": ("ds001506", {"acquire/openneuro/manifest": "resources/manifests/ds001246.tsv"},
                                    ["acquire.openneuro", "manifest of ds001246, not of ds001506"]),
    "manifest that is not there": ("ds001506", {"acquire/openneuro/manifest": "nope.tsv"},
                                   ["acquire.openneuro.manifest", "nope.tsv", "ds001506.tsv"]),
    "number of a dataset without ds": ("ds001506", {"acquire/openneuro/dataset": "1506"}, ["openneuro.dataset", "1506"]),
    "unknown subject": ("ds001506", {"subjects": ["07"]}, ["subjects", "'07'", "it has 01, 02, 03"]),
    "subject with its prefix": ("ds001506", {"subjects": ["sub-01"]}, ["subjects.0", 'Labels without "sub-"']),
    "subject as a number": ("ds001506", {"subjects": [1]}, ["subjects.0", "as text in quotation marks"]),
    "subject without its zero": ("ds001506", {"subjects": ["1"]}, ["'1'", "it has 01, 02, 03"]),
    "subject that is no list": ("ds001506", {"subjects": "01"}, ["subjects", "array"]),
    "unknown session": ("ds000255", {"acquire/sessions": ["01", "77"]}, ["acquire.sessions", "'77'"]),
    "session with its prefix": ("ds000255", {"acquire/sessions": ["ses-01"]}, ["acquire.sessions", "'ses-01'"]),
    "session as a number": ("ds000255", {"acquire/sessions": [1]}, ["acquire.sessions.0", "Only these sessions"]),
    "sessions that show too little": ("ds001506", {"acquire/sessions": ["perceptionNaturalImageTraining01"]},
                                      ["no run of subject 01 that shows test, shapes, letters"]),
    "set that no run shows": ("ds001506", {"stimulus_sets": ["train", "test", "shapes", "letters", "imagery", "films"],
                                           "tests/test/stimuli": "films"}, ["no run of subject 01 that shows films"]),
    "run set that is misspelt": ("ds000255", {"acquire/run_sets": ["random", "figurs"]}, ["shows figurs", "run_sets"]),
    "run sets that lack one": ("ds001506", {"acquire/run_sets": ["test"]}, ["acquire.run_sets", "'train'", "add it"]),
    # Pictures
    "pictures of an unknown set": ("ds001506", {"acquire/stimuli/films": {"from": "events"}},
                                   ["acquire.stimuli.films", "not among stimulus_sets"]),
    "no pictures in the dataset": ("ds001506", {"acquire/stimuli/shapes": {"from": "bids"}},
                                   ["acquire.stimuli.shapes", "no pictures in stimuli/"]),
    "a set that names itself": ("ds001506", {"acquire/stimuli/imagery/sets": ["imagery"]},
                                ["acquire.stimuli.imagery.sets", "'imagery'"]),
    "sets in a circle": ("ds001506", {"acquire/stimuli/imagery/sets": ["shapes"],
                                      "acquire/stimuli/shapes": {"from": "sets", "sets": ["imagery"]}}, ["sets itself"]),
    "sets that are not named": ("ds001506", {"acquire/stimuli/imagery/sets": None}, ["needs the key 'sets'"]),
    "registry without entry": ("ds001506", {"acquire/stimuli/shapes/entry": None}, ["needs the key 'entry'"]),
    "crop of an archive": ("ds001506", {"acquire/stimuli/shapes/crop": 10}, ["acquire.stimuli.shapes.crop", "events"]),
    "odd crop": ("ds000255", {"acquire/stimuli/random/crop": 3}, ["acquire.stimuli.random.crop", "3"]),
    "folder of an archive": ("ds001506", {"acquire/stimuli/shapes/folder": "/tmp"}, ["stimuli.shapes.folder", "registry"]),
    "entry of a folder": ("ds001506", {"acquire/stimuli/test/entry": "stimuli-shapes"}, ["stimuli.test.entry", "folder"]),
    "events without raw data": ("ds001506-published", {"acquire/stimuli/shapes": {"from": "events"}},
                                ["acquire.stimuli.shapes", "needs raw data"]),
    "negative size": ("ds001506", {"acquire/image_size": -1}, ["acquire.image_size", "-1"]),
    "size that no figure has": ("miyawaki2008", {"acquire/image_size": 64}, ["acquire.image_size", "64", "60"]),
    # Sources and their chapters
    "no chapter openneuro": ("ds001506", {"acquire/openneuro": None}, ["acquire", "needs the key 'openneuro'"]),
    "no chapter bids": ("ds001506", {"acquire/source": "bids"}, ["acquire", "needs the key 'bids'"]),
    "nothing published": ("ds001506-published", {"samples/published": None},
                          ["acquire", "'published'", "method 'icnn' reads samples"]),
    "published samples lack a set": ("ds001506-published", {"samples/published/entries/test": None},
                                     ["tests.test", "samples.published.entries"]),
    "masks without raw data": ("ds001506", {"acquire/source": "published"}, ["samples.masks", "take it out"]),
    "show of a dataset": ("ds001506", {"acquire/show": True}, ["acquire.show", "vim1, brains"]),
    "data of a dataset": ("ds001506", {"acquire/data": "/x"}, ["acquire.data", "no use for it"]),
    "split of a dataset": ("ds001506", {"acquire/split": "original"}, ["acquire.split", "no use for it"]),
    "pictures of vim1": ("vim1", {"acquire/stimuli": {"train": {"from": "folder", "folder": None}}}, ["acquire.stimuli"]),
    "subject of vim1": ("vim1", {"subjects": ["03"]}, ["subjects", "'03'", "01, 02"]),
    "offline in words": ("ds001506", {"acquire/offline": "yes"}, ["acquire.offline", "boolean"]),
    # Areas
    "responsive to an unknown set": ("ds000255", {"samples/responsive/stimulus_set": "films"}, ["responsive", "'films'"]),
    "responsive to what is tested": ("ds000255", {"samples/responsive/stimulus_set": "shapes"},
                                     ["responsive.stimulus_set", "must not choose voxels"]),
    "responsive area of a mask's name": ("ds001506", {"samples/responsive": {**OWN, "from": "HVC", "name": "V1d"}},
                                         ["samples.responsive.name", "another"]),
    "responsive area of an area's name": ("ds001506", {"samples/responsive": {**OWN, "from": "HVC", "name": "VC"}},
                                          ["samples.responsive.name", "another"]),
    "responsive area of the brain's name": ("ds000255", {"samples/responsive/name": "brain"},
                                            ["samples.responsive.name", "another"]),
    "responsive from an unknown area": ("ds000255", {"samples/responsive/from": "V1"}, ["responsive.from", "'V1'"]),
    "no responsive voxels": ("ds000255", {"samples/responsive/n_voxels": 0}, ["samples.responsive.n_voxels", "0"]),
    "area that is not made": ("ds000255", {"samples/responsive": None}, ["rois", "'active'"]),
    "area without a mask": ("ds001506", {"samples/masks": "add V9"}, ["samples.masks", "no mask of V9 for subject 01"]),
    "area twice": ("ds001506", {"samples/masks": "add V1d"}, ["samples.masks", "non-unique"]),
    "modulators of an unknown set": ("ds000255", {"samples/modulators": {"stimulus_set": "films", "values": "x"}},
                                     ["samples.modulators", "'films'"]),
    "modulators of a part of runs": ("ds000255", {"samples/modulators": {"stimulus_set": "shapes", "values": "x"}},
                                     ["samples.modulators.stimulus_set", "alone", "figures, random"]),
    "unknown order of imagery": ("ds001506", {"samples/imagery_stimuli": "ds9"}, ["samples.imagery_stimuli", "'ds9'"]),
    # Preprocessing
    "in-plane image of nobody": ("ds001761", {"preprocess/coregister/path": "inplane"},
                                 ["preprocess.coregister.path", "direct"]),
    "derivatives with an open brace": (
        "ds001506", {"preprocess/engine": "derivatives", "samples/motion_regression": False,
                     "preprocess/derivatives": {**SPM, "bold": "{subject"}}, ["derivatives.bold", "cannot be read"]),
    "derivatives with another place": (
        "ds001506", {"preprocess/engine": "derivatives", "samples/motion_regression": False,
                     "preprocess/derivatives": {**SPM, "bold": "{subject!q}"}}, ["derivatives.bold", "{subject}"]),
    "derivatives that the dataset lacks": (
        "ds001506", {"preprocess/engine": "derivatives", "samples/motion_regression": False, "preprocess/derivatives": {
            "preset": "preproc-spm", "folder": "resources/downloaded/ds001506/bids/derivatives/preproc-spm"}},
        ["does not list derivatives/preproc-spm"]),
    # Networks, decoders
    "layer that a network lacks": ("ds000255", {"features/networks/vgg-small/layers": ["conv1_4"],
                                                "reconstruct/methods/icnn/layers": ["conv1_4"]},
                                   ["vgg-small.layers", "'conv1_4'", "conv1_2"]),
    "layer twice": ("ds000255", {"features/networks/vgg-small/layers": ["conv1_2", "conv1_2"]}, ["layers", "non-unique"]),
    "network without its kind": ("ds001506", {"features/networks/vgg19": {}}, ["features.networks.vgg19", "'network'"]),
    "network in one word": ("ds001506", {"features/networks/vgg19": "vgg19"}, ["features.networks.vgg19", "object"]),
    "name with a slash": ("ds001506", {"features/networks": {"a/b": {}}}, ["features.networks", "a/b"]),
    "features of an unknown set": ("ds001506", {"features/networks/vgg19/published/films": "/x/{layer}.zip"},
                                   ["vgg19.published", "'films'"]),
    "published decoder of an unknown test": ("ds001506-published", {f"{PAPER}/entries/films": "/x/{layer}.zip"},
                                             ["decoders.paper.entries", "'films'", "tests"]),
    "published decoder without a test": ("ds001506-published", {f"{PAPER}/entries/letters": None},
                                         ["icnn-paper", "'letters'", "entries"]),
    "published decoder without an area": ("ds001506-published", {f"{PAPER}/rois": ["V1"]}, ["'VC'", "rois"]),
    "reference that nobody shows": ("ds001506", {"decode/decoders/ridge/norm_reference": "films"},
                                    ["ridge.norm_reference", "'films'"]),
    "reference without features": (
        "ds001506", {"stimulus_sets": ["train", "test", "shapes", "letters", "imagery", "natural"],
                     "decode/decoders/ridge/norm_reference": "natural"},
        ["ridge.norm_reference", "no features", "take 'training'"]),
    # What YAML makes of it
    "a date": ("ds001506", {"title": date(2019, 1, 14)}, ["title", "quotation marks"]),
    "not a number": ("ds001506", {"preprocess/discard_seconds": float("nan")}, ["preprocess.discard_seconds", "nan"]),
    "infinity": ("ds001506", {"decode/decoders/ridge/alpha": float("inf")}, ["decode.decoders.ridge.alpha", "inf"]),
    "a number as a name": ("ds001506", {"tests": {1: {"stimuli": "test", "training": "train", "rows": "stimulus"}}},
                           ["tests", "1"]),
    "an empty chapter": ("ds001506", {"acquire": {}}, ["acquire", "source"]),
    "a list as a chapter": ("ds001506", {"acquire": ["openneuro"]}, ["acquire", "object"]),
}  # fmt: skip


def changed(name: str, changes: dict) -> dict:
    """Return a configuration; ``add X`` appends X to a list."""
    for path, value in changes.items():
        if isinstance(value, str) and value.startswith("add "):
            inner = configuration(name)
            for key in path.split("/"):
                inner = inner[key]
            changes = {**changes, path: [*inner, value.removeprefix("add ")]}
    return configuration(name, changes)


def assert_one_sentence(sentence: str, words: list[str]) -> None:
    assert sentence.startswith("config: ") and sentence.endswith("."), sentence
    assert "\n" not in sentence
    assert "Error" not in sentence and "Traceback" not in sentence
    assert not [word for word in words if word not in sentence], sentence


@pytest.mark.parametrize(("name", "changes", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_configuration_is_one_sentence(name, changes, words):
    with pytest.raises(ConfigError) as error:
        load_study(changed(name, changes))
    assert_one_sentence(str(error.value), words)


# Files and folders, which are looked at before a run and not by whoever only reads a configuration ---------------------

NOT_THERE = {
    "folder of pictures": ("ds001506", {"acquire/stimuli/test/folder": "/nope"},
                           ["acquire.stimuli.test.folder", "/nope", "null"]),
    "archive of pictures": ("ds001506", {"acquire/stimuli/shapes/entry": "/nope/x.zip"},
                            ["acquire.stimuli.shapes.entry", "/nope/x.zip"]),
    "features": ("ds001506", {TRAIN: "/nope/{layer}.zip"}, ["published.train", "/nope/conv1_1.zip"]),
    "samples": ("ds001506-published", {"samples/published/entries/train": "/nope/sub-{subject}.h5"}, ["/nope/sub-01.h5"]),
    "names of images": ("ds001506-published", {f"{PAPER}/names": {"test": "/nope.tsv"}}, ["paper.names.test", "/nope.tsv"]),
    "values of modulators": ("ds000255", {"samples/modulators": {"stimulus_set": "random", "values": "/nope.tsv"}},
                             ["samples.modulators.values", "/nope.tsv"]),
    "data": ("vim1", {"acquire/data": "/nope"}, ["acquire.data", "/nope"]),
    "figures": ("miyawaki2008", {"acquire/data": "/nope"}, ["acquire.data", "/nope"]),
    "mirror": ("ds001506", {"acquire/mirror": "/nope"}, ["acquire.mirror", "/nope"]),
    "mirror of another kind": ("ds001506", {"acquire/mirror": "ftp://x"}, ["acquire.mirror", "ftp://x"]),
    "address of another kind": ("ds001506", {"acquire/openneuro/url": "s3://openneuro.org"},
                                ["acquire.openneuro.url", "s3://openneuro.org", "https://s3.amazonaws.com/openneuro.org"]),
    "address that is none": ("ds001506", {"acquire/openneuro/url": "somewhere"}, ["acquire.openneuro.url", "somewhere"]),
    "derivatives": ("ds001506", {"preprocess/engine": "derivatives", "samples/motion_regression": False,
                                 "preprocess/derivatives": {**SPM, "folder": "/nope"}},
                    ["preprocess.derivatives.folder", "/nope"]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "words"), NOT_THERE.values(), ids=NOT_THERE.keys())
def test_what_is_not_there_is_one_sentence_before_a_run(name, changes, words):
    load_study(configuration(name, changes))
    with pytest.raises(SystemExit) as end:
        study_or_exit(configuration(name, changes))
    assert_one_sentence(str(end.value), words)


def own(tmp_path, changes: dict | None = None) -> dict:
    """Return a study of a folder that is an empty shell of ds000255."""
    (tmp_path / "dataset_description.json").write_text("{}", encoding="utf-8")
    bids = {"folder": str(tmp_path), "manifest": str(MANIFESTS / "ds000255.tsv")}
    return configuration("ds000255", {"acquire/source": "bids", "acquire/bids": bids, **(changes or {})})


def test_a_folder_and_a_manifest_of_different_data_are_one_sentence(tmp_path):
    with pytest.raises(SystemExit) as end:
        study_or_exit(own(tmp_path))
    assert_one_sentence(str(end.value), ["acquire.bids.folder", "_bold.nii.gz", "ds000255.tsv", "new-study"])
    for subject in ("01", "02"):
        bold = tmp_path / load_study(own(tmp_path)).raw_runs[subject][0].bold
        bold.parent.mkdir(parents=True)
        bold.touch()
    study_or_exit(own(tmp_path))
    pictures = {"acquire/stimuli/random": {"from": "bids"}}
    with pytest.raises(SystemExit) as end:
        study_or_exit(own(tmp_path, pictures))
    assert_one_sentence(str(end.value), ["acquire.stimuli.random", f"{tmp_path}/stimuli"])
    (tmp_path / "stimuli").mkdir()
    study_or_exit(own(tmp_path, pictures))


# Manifests that are none ----------------------------------------------------------------------------------------------

HEADER = "\t".join(COLUMNS)
ROW = "a.nii\t1" + "\t" * (len(COLUMNS) - 2)
TABLES = {
    "bytes": (b"\xff\xfe\x00", "no table of text"),
    "a page": (b"<html></html>\n", "needs the columns"),
    "nothing": (b"", "needs the columns"),
    "a header": (HEADER.encode(), "lists no file"),
    "a file twice": (f"{HEADER}\n{ROW}\n{ROW}".encode(), "a.nii is there twice"),
    "a way out": (f"{HEADER}\n../{ROW}".encode(), "no path inside"),
    "two ways in": (f"{HEADER}\nb//{ROW}".encode(), "no path inside"),
    "a control character": (f"{HEADER}\n\0{ROW}".encode(), "no path inside"),
    "a negative size": (f"{HEADER}\n{ROW.replace('1', '-1')}".encode(), "size -1"),
    "a checksum of another kind": (f"{HEADER}\n{ROW.replace('1', '1' + chr(9) + 'abc', 1)[:-1]}".encode(), "md5 'abc'"),
    "no subject": (f"{HEADER}\n{ROW}".encode(), "'01' is not in"),
}


@pytest.mark.parametrize(("content", "words"), TABLES.values(), ids=TABLES.keys())
def test_a_manifest_that_is_none_is_one_sentence(tmp_path, content, words):
    (tmp_path / "m.tsv").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        study("ds001506", {"acquire/openneuro/manifest": str(tmp_path / "m.tsv")})
    assert_one_sentence(str(error.value), [str(tmp_path / "m.tsv"), words])


# What is right stays right --------------------------------------------------------------------------------------------

RIGHT = {
    "responsive from a union": (
        "ds001506",
        {"samples/responsive": {"name": "act", "stimulus_set": "train", "from": "VC"}},
    ),
    "responsive where events tell the set": ("ds000255", {"samples/responsive/stimulus_set": "lettersthin"}),
    "modulators and a responsive area": ("ds000255", {"samples/modulators": {"stimulus_set": "random", "values": "x"}}),
    "pictures that are asked for": ("ds001506", {"acquire/stimuli/test/folder": None}),
    "own samples of one subject": ("ds001506-published", {"samples/published/entries/train": "/data/x.h5"}),
    "weights in the other form": ("ds001506", {"features/networks/vgg19/entry": "vgg19-caffe"}),
    "one session": ("ds000255", {"subjects": ["01"], "acquire/sessions": ["01"]}),
}


@pytest.mark.parametrize(("name", "changes"), RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_is_taken(name, changes):
    assert study(name, changes).final_outputs()


def test_tables_that_are_too_heavy_to_import_are_the_same():
    assert {name: one.convolutions for name, one in ARCHITECTURES.items()} == DEPTHS
    assert tuple(build_network({"name": "caffenet", "seed": 0}).layer_shapes) == CAFFENET
    assert all(len(one.units) == 3 for one in ARCHITECTURES.values())
    assert tuple(imagery.IMAGERY_ORDERS) == IMAGERY_ORDERS
