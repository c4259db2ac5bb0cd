"""What can be made of a study with and without pictures: never more than there is, and a word about all that is left out."""

import pytest
from studies import study

from fmri2image.core.errors import ConfigError

ASK = "https://forms.gle/ujvA34948Xg49jdn9"
GIVEN = {"acquire/stimuli/train/folder": "/pictures", "acquire/stimuli/test/folder": "/pictures"}


def parts(found) -> dict[str, str]:
    return {one.what: one.reason for one in found.skipped}


# Shen et al. 2019 -----------------------------------------------------------------------------------------------------


def test_without_images_published_features_train_and_pictures_are_not_compared():
    shen = study("ds001506")
    assert [name for name in shen.stimulus_sets if shen.pictured(name)] == ["shapes", "letters"]
    assert shen.pairs == [("icnn", "test"), ("icnn", "shapes"), ("icnn", "letters")]
    assert [test for test in shen.tests if shen.scored(test)] == ["shapes", "letters"]
    assert shen.featured("vgg19", "train") and shen.featured("vgg19", "test") and shen.featured("vgg19", "shapes")
    assert not shen.featured("vgg19-leaky", "train")
    skipped = parts(shen)
    assert set(skipped) == {"method icnn-leaky, test imagery", "test test: comparison with pictures"}
    assert "features of the set train in vgg19-leaky" in skipped["method icnn-leaky, test imagery"]
    assert all(ASK in reason for reason in skipped.values())


def test_without_images_the_runs_of_imagery_are_not_downloaded():
    assert study("ds001506").run_sets == ["train", "test", "shapes", "letters"]
    assert study("ds001506", GIVEN).run_sets == ["train", "test", "shapes", "letters", "imagery"]


def test_without_images_no_picture_is_scored():
    files = study("ds001506").score_files("scores")
    assert files
    assert not [path for path in files if "_test_" in path or "imagery" in path]


def test_with_images_nothing_is_left_out():
    shen = study("ds001506", GIVEN)
    assert shen.skipped == []
    assert all(shen.pictured(name) for name in shen.stimulus_sets)
    assert ("icnn-leaky", "imagery") in shen.pairs
    assert all(shen.scored(test) for test in shen.tests)


def test_a_set_taken_out_of_other_runs_has_no_runs_of_its_own():
    shen = study("paper-shen2019", GIVEN)
    assert ("icnn-imagery", "fixation") in shen.pairs
    assert shen.run_sets == ["train", "test", "shapes", "letters", "imagery"]


def test_with_training_images_alone_imagery_is_decoded_but_not_scored():
    shen = study("ds001506", {"acquire/stimuli/train/folder": "/pictures"})
    assert ("icnn-leaky", "imagery") in shen.pairs
    assert not shen.pictured("imagery")  # half of its pictures are test images
    skipped = parts(shen)
    assert "they belong to the set test, which has none" in skipped["test imagery: comparison with pictures"]
    assert not [what for what in skipped if what.startswith("method")]
    assert not shen.scored("imagery") and not shen.scored("test") and shen.scored("shapes")


def test_with_test_images_alone_the_test_is_scored():
    shen = study("ds001506", {"acquire/stimuli/test/folder": "/pictures"})
    assert shen.scored("test")
    assert list(parts(shen)) == ["method icnn-leaky, test imagery"]


def test_terms_count_for_sets_made_of_others():
    shen = study("ds001506", GIVEN)
    assert {name: shen.shown(name) for name in shen.stimulus_sets} == {
        "train": False, "test": False, "shapes": True, "letters": True, "imagery": False
    }  # fmt: skip


def test_reports_never_draw_images_made_of_true_features_of_pictures_that_may_not_be_shown():
    shen = study("ds001506", GIVEN)
    assert "true-features" in shen.sources("icnn", "test")
    assert "true-features" not in shen.drawn_sources("icnn", "test")
    assert "true-features" in shen.drawn_sources("icnn", "shapes")


def test_the_ceiling_is_left_out_where_a_test_has_no_features():
    shen = study("ds001506", {"features/networks/vgg19/published": {"train": "true-features-vgg19-train-{layer}"}})
    assert shen.sources("icnn", "test") == [f"sub-{subject}_roi-VC" for subject in ("01", "02", "03")]
    assert not [path for path in shen.final_outputs() if "true-features" in path and "_test" in path]


# Other datasets -------------------------------------------------------------------------------------------------------


def test_object_decoding_is_drawn_and_never_scored():
    god = study("ds001246")
    assert god.pairs == [("icnn", "test")]
    assert god.score_files("scores") == []
    assert list(parts(god)) == ["test test: comparison with pictures"]
    assert god.run_sets == ["train", "test"]


@pytest.mark.parametrize("name", ["ds001246-published", "ds001506-published"])
def test_published_studies_have_no_runs(name):
    found = study(name)
    assert (found.raw_runs, found.runs, found.manifest, found.collection) == ({}, {}, (), "")
    assert found.quality_pages() == []
    assert "test test: comparison with pictures" in parts(found)


@pytest.mark.parametrize("name", ["config", "ds000255", "ds001761", "miyawaki2008", "vim1", "brains", "phantom-null"])
def test_studies_with_all_their_pictures_leave_nothing_out(name):
    found = study(name)
    assert found.skipped == []
    assert all(found.pictured(test["stimuli"]) and found.scored(key) for key, test in found.tests.items())


def test_events_tell_the_sets_where_the_manifest_cannot():
    assert study("ds000255").run_sets == ["random", "figures"]
    assert study("ds001761").run_sets == ["faces"]
    assert study("config").run_sets == study("config").stimulus_sets


# Nothing left ---------------------------------------------------------------------------------------------------------

IMAGERY = [{"method": "icnn-leaky", "rois": ["VC"], "tests": ["imagery"]}]
PIXELS = {
    "reconstruct/methods/pixels": {"method": "pixels", "alpha": 1, "size": 8, "standardise": True},
    "analyses": [{"method": "pixels", "rois": ["VC"], "tests": ["test", "shapes"]}],
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"analyses": IMAGERY}, ["vgg19-leaky", "the set train", ASK, "acquire: stimuli: train: folder"]),
        (PIXELS, ["learns from the pictures of the set train", ASK]),
    ],
    ids=["features of nobody", "no pictures to learn"],
)
def test_a_study_of_which_nothing_is_left_is_one_sentence(changes, words):
    with pytest.raises(ConfigError) as error:
        study("ds001506", changes)
    sentence = str(error.value)
    assert sentence.startswith("config: analyses: none of them can be made: ")
    assert sentence.endswith(".") and "\n" not in sentence
    assert not [word for word in words if word not in sentence], sentence
    assert sentence.count(ASK) == 1  # the same reason once, however many tests have it


def test_a_primary_setting_that_is_left_out_is_one_sentence_with_the_reason():
    with pytest.raises(
        ConfigError, match=r"report.primary: no analysis takes method 'icnn-leaky' to area 'VC': .*imagery"
    ):
        study("ds001506", {"report/primary/method": "icnn-leaky"})


def test_cross_validation_needs_pictures_for_its_chance():
    changes = {
        "tests/cv": {"stimuli": "test", "leave_out": "run", "rows": "trial"},
        "analyses/0/tests": ["shapes", "cv"],
        "analyses/0/refit_permutations": 19,
    }
    found = study("ds001506", changes)
    assert ("icnn", "cv") not in found.pairs
    assert parts(found)["method icnn, test cv"] == "its chance level needs pictures of the set test"
