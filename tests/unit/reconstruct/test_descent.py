"""Gradient descent against a plain NumPy descent of one image, written from the published order of steps."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fmri2image.core.errors import ConfigError
from fmri2image.reconstruct.descent import Clipping, DescentSettings, Penalty, descend

SHAPE = (3, 8, 6)
COUNT = 3 * 8 * 6


def problem(n, count, seed=0):
    """Return matrices and targets of quadratic problems, |A x - y|² with a bend, and the objective of all of them."""
    rng = np.random.default_rng(seed)
    matrices, targets = rng.standard_normal((n, 10, count)) / 5, rng.standard_normal((n, 10)) * 4

    def objective(x):
        a, y = torch.as_tensor(matrices).to(x), torch.as_tensor(targets).to(x)
        left = torch.einsum("nij,nj->ni", a, torch.tanh(x / 50) * 50) - y
        slope = 1 - torch.tanh(x / 50) ** 2
        return (left**2).sum(1), 2 * torch.einsum("nij,ni->nj", a, left) * slope

    return matrices, targets, objective


def one_by_numpy(matrix, target, start, n, rate, momentum, decay, lower, upper):
    """The steps of kamitani-lab §3.3, one latent at a time; returns what the last image is made of, and the losses."""
    z, delta, losses, last = start.copy(), np.zeros_like(start), [], None
    for t in range(n):
        last = z.copy()
        left = matrix @ (np.tanh(z / 50) * 50) - target
        g = 2 * (matrix.T @ left) * (1 - np.tanh(z / 50) ** 2)
        losses.append(left @ left)
        g = g / np.mean(np.abs(g))
        delta = momentum * delta + g
        z = z - (rate[0] + t * (rate[1] - rate[0]) / n) * delta
        z = z * (1 - decay)
        z = np.minimum(np.maximum(z, lower), upper)
    return last, np.array(losses)


def test_steps_are_the_published_ones():
    matrices, targets, objective = problem(4, 12)
    start = torch.as_tensor(np.random.default_rng(1).standard_normal((4, 12)))
    upper = torch.linspace(0.5, 6, 12, dtype=torch.float64)
    for n in (1, 7):
        found = descend(objective, start, settings=DescentSettings(), iterations=n, lower=0.0, upper=upper)
        for i in range(4):
            x, losses = one_by_numpy(
                matrices[i], targets[i], start[i].numpy(), n, (2.0, 1e-10), 0.9, 0.01, 0.0, upper.numpy()
            )
            np.testing.assert_allclose(found.x[i], x, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(found.path[i], losses, rtol=1e-10)
            assert found.loss[i] == found.path[i, -1]
        # The loss is that of the point that is returned.
        torch.testing.assert_close(objective(found.x)[0], found.loss)
    assert (found.x == 0).any() and (found.x == upper).any()


def regularised_by_numpy(matrix, target, start, n, settings, seed, lower, upper):
    """The published descent on one image's pixels, with everything switched on."""
    rng = np.random.default_rng(seed)
    x, delta, last = start.reshape(SHAPE).copy(), np.zeros(SHAPE), None
    noise = COUNT * (255 * 511 / 6) / 4
    for t in range(n):

        def at(span, t=t):
            return span[0] + t * (span[1] - span[0]) / n

        last = x.copy()
        down, right = rng.integers(-settings.jitter, settings.jitter + 1, 2)
        x, delta = (np.roll(v, (down, right), axis=(1, 2)) for v in (x, delta))
        left = matrix @ (np.tanh(x.ravel() / 50) * 50) - target
        g = (2 * (matrix.T @ left) * (1 - np.tanh(x.ravel() / 50) ** 2)).reshape(SHAPE)
        if settings.normalise:
            g = g / np.abs(g).mean()
        delta = at(settings.momentum) * delta + g
        p, weight = settings.p_norm.exponent, settings.p_norm.weight
        r = p * np.abs(x) ** (p - 1) * np.sign(x) / noise
        delta = delta + weight * (r / np.abs(r).mean() if settings.normalise else r)
        d1, d2 = np.diff(x, axis=1, append=x[:, -1:]), np.diff(x, axis=2, append=x[:, :, -1:])
        r = -2 * (d1 + d2)  # exponent 2
        r[:, 1:] += 2 * d1[:, :-1]
        r[:, :, 1:] += 2 * d2[:, :, :-1]
        r = r / noise
        weight = settings.total_variation.weight
        delta = delta + weight * (r / np.abs(r).mean() if settings.normalise else r)
        x = x - at(settings.learning_rate) * delta
        if (t + 1) % settings.clip_extreme.every == 0:
            share = settings.clip_extreme.percentile
            x = np.clip(x, *np.percentile(x, [share / 2, 100 - share / 2]))
        for clip, factor in ((settings.clip_small_norm, 1), (settings.clip_small_contribution, g)):
            if (t + 1) % clip.every == 0:
                norm = np.linalg.norm(x * factor, axis=0)
                x = np.where(norm < np.percentile(norm, clip.percentile), 0, x)
        x, delta = (np.roll(v, (-down, -right), axis=(1, 2)) for v in (x, delta))
        x = x * (1 - at(settings.decay))
        x = np.stack([gaussian_filter(channel, at(settings.blur)) for channel in x])
        x = np.clip(x, lower, upper)
    return last


@pytest.mark.parametrize("normalise", [True, False])
def test_every_regulariser_at_its_place(normalise):
    settings = DescentSettings(
        learning_rate=(2.0, 0.5) if normalise else (0.05, 0.01),
        momentum=(0.9, 0.5),
        decay=(0.2, 1e-10),
        normalise=normalise,
        jitter=3,
        blur=(2.0, 0.5),
        total_variation=Penalty(0.5, 2.0),
        p_norm=Penalty(0.4, 3.0),
        clip_extreme=Clipping(2, 6.0),
        clip_small_norm=Clipping(3, 12.0),
        clip_small_contribution=Clipping(4, 9.0),
    )
    matrices, targets, objective = problem(3, COUNT, 5)
    start = torch.as_tensor(np.random.default_rng(2).uniform(-90, 90, (3, COUNT)))
    common = {"settings": settings, "iterations": 9, "lower": -25.0, "upper": 30.0, "shape": SHAPE}
    found = descend(objective, start, seeds=[4, 5, 6], **common)
    for i in range(3):
        expected = regularised_by_numpy(matrices[i], targets[i], start[i].numpy(), 9, settings, 4 + i, -25.0, 30.0)
        np.testing.assert_allclose(found.x[i].reshape(SHAPE), expected, rtol=1e-8, atol=1e-8)


def test_neighbours_and_their_number_do_not_matter():
    settings = DescentSettings(jitter=2, clip_extreme=Clipping(2, 5.0))
    _, _, objective = problem(3, COUNT, 5)
    start = torch.as_tensor(np.random.default_rng(2).uniform(-90, 90, (3, COUNT)))
    common = {"settings": settings, "iterations": 6, "shape": SHAPE}
    together = descend(objective, start, seeds=[1, 2, 3], **common)
    changed = start.clone()
    changed[0] *= -1
    other = descend(objective, changed, seeds=[9, 2, 3], **common)
    assert torch.equal(together.x[1:], other.x[1:])
    assert not torch.equal(together.x[0], other.x[0])


def test_what_is_seen_on_the_way_is_where_the_image_is_made():
    _, _, objective = problem(2, 12)
    start = torch.ones((2, 12), dtype=torch.float64)
    seen = []
    found = descend(
        objective,
        start,
        settings=DescentSettings(),
        iterations=5,
        on_iteration=lambda which, x, number: seen.append((which.all().item(), x.clone(), number.tolist())),
    )
    assert [number for _, _, number in seen] == [[i, i] for i in range(5)] and all(which for which, _, _ in seen)
    assert torch.equal(seen[0][1], start) and torch.equal(seen[-1][1], found.x)


def test_a_gradient_of_zero_divides_nothing_by_zero():
    found = descend(
        lambda x: (x.sum(1) * 0, x * 0), torch.ones((1, 4)), settings=DescentSettings(), iterations=3, lower=0.0
    )
    torch.testing.assert_close(found.x, torch.full((1, 4), 0.99**2))


def test_settings_are_read_and_refused():
    chapter = {
        "decay": [0.2, 1e-10],
        "jitter": 4,
        "p_norm": {"weight": 0.5, "exponent": 3},
        "clip_small_norm": {"every": 4, "percentile": 5},
        "blur": None,
    }
    found = DescentSettings.read(chapter)
    assert found.decay == (0.2, 1e-10) and found.p_norm == Penalty(0.5, 3) and found.clip_small_norm == Clipping(4, 5)
    assert found.of_images() == ["jitter", "p_norm", "clip_small_norm"]
    assert DescentSettings.read({}) == DescentSettings() and DescentSettings().of_images() == []
    with pytest.raises(ConfigError, match="descent: unknown key speed; known are learning_rate"):
        DescentSettings.read({"speed": 1})
    with pytest.raises(ConfigError, match="descent.p_norm: unknown key power; known are weight, exponent"):
        DescentSettings.read({"p_norm": {"weight": 0.5, "power": 3}})
    with pytest.raises(ConfigError, match="blur can only be set where pixels are optimised"):
        descend(lambda x: (x, x), torch.ones((1, 2)), settings=DescentSettings(blur=(1.0, 1.0)), iterations=1)
    with pytest.raises(ConfigError, match="one seed per image"):
        descend(lambda x: (x, x), torch.ones((1, 3)), settings=DescentSettings(jitter=1), iterations=1, shape=(3, 1, 1))
