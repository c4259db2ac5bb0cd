"""The losses in Caffe's counting, the switching rule state by state, and settings that do not go together."""

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.reconstruct.adversarial.choices import check_end2end
from fmri2image.reconstruct.adversarial.losses import cross_entropy, euclidean
from fmri2image.reconstruct.adversarial.settings import End2EndSettings
from fmri2image.reconstruct.adversarial.switching import Switch

BOTH, GENERATOR, DISCRIMINATOR = (True, True), (False, True), (True, False)


def test_euclidean_loss_is_the_sum_of_squares_over_twice_the_batch():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 5, 3, 4, 4)).astype(np.float32)
    expected = sum(float(d) ** 2 for d in (a - b).ravel()) / (2 * 5)
    assert float(euclidean(torch.tensor(a), torch.tensor(b))) == pytest.approx(expected, rel=1e-5)
    # One image, grey levels that are wrong by 10 everywhere: 12 · 100 / 2.
    assert float(euclidean(torch.full((1, 3, 2, 2), 10.0), torch.zeros(1, 3, 2, 2))) == 600
    x = torch.tensor(a, requires_grad=True)
    euclidean(x, torch.tensor(b)).backward()
    np.testing.assert_allclose(x.grad.numpy(), (a - b) / 5, rtol=1e-5, atol=1e-6)
    coarse = torch.tensor(a, dtype=torch.bfloat16)
    assert euclidean(coarse, torch.tensor(b)).dtype == torch.float32


def test_adversarial_loss_is_the_mean_cross_entropy_of_a_softmax():
    logits = np.array([[2.0, -1.0], [0.5, 0.5], [-3.0, 1.0]], dtype=np.float32)
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for label in (0, 1):
        expected = -np.log(share[:, label]).mean()
        assert float(cross_entropy(torch.tensor(logits), label)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("before", "ratio", "after"),
    [
        (BOTH, 0.05, GENERATOR),
        (BOTH, 0.1, BOTH),
        (BOTH, 0.3, BOTH),
        (BOTH, 0.7, BOTH),
        (BOTH, 10.0, BOTH),
        (BOTH, 10.5, DISCRIMINATOR),
        (GENERATOR, 0.05, GENERATOR),
        (GENERATOR, 0.3, GENERATOR),
        (GENERATOR, 0.5, GENERATOR),
        (GENERATOR, 0.6, BOTH),
        (GENERATOR, 10.5, DISCRIMINATOR),
        # The quirk: a generator that was stopped does not go on between 0.1 and 10, nor above.
        (DISCRIMINATOR, 0.05, GENERATOR),
        (DISCRIMINATOR, 0.3, DISCRIMINATOR),
        (DISCRIMINATOR, 0.6, DISCRIMINATOR),
        (DISCRIMINATOR, 5.0, DISCRIMINATOR),
        (DISCRIMINATOR, 10.5, DISCRIMINATOR),
    ],
)
def test_switching_follows_the_code_state_by_state(before, ratio, after):
    assert Switch().after(ratio, *before) == after


def test_settings_that_do_not_go_together_are_refused():
    good = {"architecture": "small", "comparator": None, "feature_weight": 0, "steps": 5}
    assert End2EndSettings.read(good).n_steps(100) == 5
    for change, message in (
        ({"epochs": 2}, "both are set; set exactly one"),
        ({"steps": None}, "neither is set"),
        ({"feature_weight": 0.01}, "no network compares features"),
        ({"image_weight": 0, "adversarial_weight": 0}, "nothing can be learned"),
        ({"architecture": "large"}, "'large' is unknown; use one of published, small"),
        ({"precision": "half"}, "'half' is unknown"),
        ({"rescale": "square"}, "neither a number nor one of sqrt_n, none"),
        ({"momentum": 0.9}, "unknown key momentum"),
        ({"switch": {"stop_discriminator": 1, "resume_discriminator": 0.5, "stop_generator": 10}}, "must rise"),
    ):
        with pytest.raises(ConfigError, match=message):
            End2EndSettings.read({**good, **change})
    check_end2end({"iterations": 3}, "another method")


def test_lengths_of_the_paper():
    """Data-set size study: 1,000 epochs of 120 to 6,000 trials with batches of 60."""
    settings = End2EndSettings.read({"architecture": "published", "comparator": {}, "epochs": 1000, "batch": 60})
    assert [settings.n_steps(n) for n in (120, 300, 600, 1500, 3000, 6000)] == [2000, 5000, 10000, 25000, 50000, 100000]
    assert settings.n_steps(121) == 2017  # 121,000 trials in batches of 60, rounded up
    assert (settings.learning_rate, settings.beta, settings.discriminator_decay) == (2e-4, (0.9, 0.999), 4e-4)
    assert (settings.image_weight, settings.feature_weight, settings.adversarial_weight) == (2e-6, 0.01, 100)
    assert settings.table.size + settings.padding == 248
    some = End2EndSettings.read({"architecture": "small", "comparator": {}, "steps": 10, "snapshots": 3})
    assert some.snapshot_steps(10) == [0, 5, 10]
    assert End2EndSettings(**{"architecture": "small", "comparator": {}, "snapshots": 1}).snapshot_steps(10) == [10]
