"""The sentence on `icnn`: prior, start, optimiser and iterations, as they are set."""

import pytest

from fmri2image.report.methods_icnn import icnn_sentence

PIXELS = {"layers": ["conv1_1", "fc8"], "iterations": 200}
GENERATORS = {"relu7": {"generator": "deepsim-fc7"}}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {},
            "icnn: starting from the network's mean colour, pixels were changed within [0, 1] by L-BFGS-B [byrd1995] (200 ",
        ),
        ({}, "(200 iterations, memory 10) until the features of 2 layers matched the decoded ones"),
        ({}, "eq. 1–3, without image generator)."),
        ({"start": "zero", "memory": 5}, "starting from a black image"),
        ({"generator": "relu7"}, "from a latent of zeros, the latent of the generator relu7 (deepsim-fc7, as"),
        ({"generator": "relu7", "start": "normal"}, "starting from a latent of normal random numbers"),
        ({"generator": "relu7"}, "eq. 3–5)."),
        ({"optimiser": "descent"}, "learning rate 2 to 1e-10, momentum 0.9, decay 0.01) until"),
        ({"optimiser": "descent", "descent": {"normalise": False}}, "(200 iterations, plain gradient, learning"),
        (
            {
                "optimiser": "descent",
                "descent": {"jitter": 4, "blur": [2, 0.5], "p_norm": {"weight": 0.5, "exponent": 3}},
            },
            "decay 0.01, jitter 4, blur 2 to 0.5, p norm with weight 0.5 and exponent 3)",
        ),
        ({"precision": "tf32"}, "image generator), in TF32 on GPUs."),
    ],
)
def test_settings_are_said(changes, wanted):
    assert wanted in icnn_sentence("icnn", {**PIXELS, **changes}, GENERATORS)


def test_what_a_descent_alone_has_is_not_said_of_lbfgs():
    found = icnn_sentence("icnn", {**PIXELS, "descent": {"jitter": 4}}, {})
    assert "jitter" not in found and "momentum" not in found
