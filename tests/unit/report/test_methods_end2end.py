"""The sentences on `end2end`: networks, losses, training and test, as they are set."""

import pytest

from fmri2image.report.methods_end2end import end2end_sentence
from fmri2image.report.references import REFERENCES

PUBLISHED = {
    "method": "end2end", "architecture": "published", "comparator": {"network": "caffenet", "layer": "pool5"},
    "steps": 500_000, "image_weight": 2e-6, "feature_weight": 0.01, "adversarial_weight": 100,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {},
            "e2e: the published generator and discriminator (227 pixels) were trained end to end on single training trials",
        ),
        (
            {},
            "by the squared error of grey levels (weight 2e-06), the squared error of the features pool5 of caffenet (weight ",
        ),
        (
            {},
            "(weight 0.01) and the cross entropy of being taken for real by the discriminator (weight 100) [dwivedi2019]",
        ),
        (
            {},
            "(learning rate 0.0002, 500,000 iterations, 64 trials at a time); windows were drawn at random from images 21 pixels",
        ),
        ({}, "training statistics and multiplied by the square root of the trials averaged."),
        ({"architecture": "small", "padding": 0}, "with fewer channels (64 pixels)"),
        ({"padding": 0}, "64 trials at a time). Test"),
        (
            {"steps": None, "epochs": 1000, "batch": 60},
            "1,000 passes through the training trials, 60 trials at a time)",
        ),
        ({"n_images": 1200}, "on the trials of 1,200 training images"),
        ({"adversarial_weight": 0}, "(weight 0.01), without the adversarial loss [dwivedi2019]"),
        (
            {"image_weight": 0, "feature_weight": 0, "comparator": None},
            "(weight 100), without the image and feature loss",
        ),
        ({"rescale": 4.9}, "and multiplied by 4.9."),
        ({"rescale": "none"}, "and left as they were."),
        ({"precision": "bfloat16"}, "64 trials at a time, in bfloat16)"),
    ],
)
def test_settings_are_said(changes, wanted):
    assert wanted in end2end_sentence("e2e", {**PUBLISHED, **changes})


def test_citations_are_known():
    assert {"dwivedi2019", "kingma2015"} <= set(REFERENCES)
