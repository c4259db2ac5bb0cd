"""Norm corrections against the published formulas, written out here image by image, and in blocks against the whole."""

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError
from fmri2image.decode.norm import KINDS, RowSizes, correct, factors, needs_centre, reference_sizes, size_table

# One image, two channels of 1×2: SDs 1 and 3, mean 2.5, norm sqrt(1 + 9 + 0 + 36).
CONV = np.array([1.0, 3, 0, 6]).reshape(1, 2, 1, 2)
LAYERS = {"conv": (5, 3, 4), "fc": (40,)}


def measured(features: np.ndarray, blocks: list[slice] | None = None) -> RowSizes:
    sizes = RowSizes(len(features))
    for block in blocks or [slice(None)]:
        sizes.add(features[:, block])
    return sizes


def corrected(kind: str, decoded: np.ndarray, reference: np.ndarray, centre: np.ndarray) -> np.ndarray:
    sizes = size_table(measured(decoded), measured(decoded - centre))
    wanted = {name: np.full(len(decoded), value) for name, value in reference_sizes(measured(reference)).items()}
    return correct(decoded, factors(kind, sizes, wanted), centre if needs_centre(kind) else None)


# The published formulas, one image at a time ---------------------------------------------------------------------------


def mean_channel_sd(image: np.ndarray, ddof: int) -> float:
    """Mean over channels of the SD over positions; over units where there are no positions."""
    if image.ndim == 1:
        return np.sqrt(((image - image.mean()) ** 2).sum() / (image.size - ddof))
    return float(np.mean([np.sqrt(((c - c.mean()) ** 2).sum() / (c.size - ddof)) for c in image]))


def paper(image, references, centre):
    return image * np.mean([np.sqrt((r**2).sum()) for r in references]) / np.sqrt((image**2).sum())


def scripts(image, references, centre):
    return image / mean_channel_sd(image, 0) * np.mean([mean_channel_sd(r, 0) for r in references])


def cookbook_feature_std(image, references, centre):
    wanted = np.mean([mean_channel_sd(r, 1) for r in references])
    return (image - image.mean()) / mean_channel_sd(image, 1) * wanted + image.mean()


def cookbook_train_mean_center(image, references, centre):
    return cookbook_feature_std(image - centre, references, None) + centre


PUBLISHED = {
    "none": lambda image, references, centre: image,
    "norm": paper,
    "channel_sd": scripts,
    "grand_mean_sd": cookbook_feature_std,
    "train_mean_sd": cookbook_train_mean_center,
}


@pytest.fixture(params=LAYERS, ids=str)
def layer(request):
    """Decoded rows, reference images and training means of a layer, with means and scales that differ between channels."""
    rng = np.random.default_rng(3)
    shape = LAYERS[request.param]
    gain = (1 + np.arange(shape[0])).reshape(-1, *[1] * (len(shape) - 1)) / 3

    def draw(n: int, spread: float, mean: float) -> np.ndarray:
        return (mean + spread * rng.standard_normal((n, *shape))) * gain

    return draw(4, 0.3, 0.7), draw(9, 2.0, 0.5), draw(1, 1.0, 0.6)[0]


@pytest.mark.parametrize("kind", PUBLISHED)
def test_every_version_is_its_published_formula(layer, kind):
    decoded, references, centre = layer
    expected = np.stack([PUBLISHED[kind](image, references, centre) for image in decoded])
    np.testing.assert_allclose(corrected(kind, decoded, references, centre), expected, rtol=1e-5, atol=1e-5)


def test_one_scalar_per_layer_takes_the_mean_over_rows(layer):
    decoded, references, centre = layer
    norms = [np.sqrt((image**2).sum()) for image in decoded]
    scale = np.mean([np.sqrt((image**2).sum()) for image in references]) / np.mean(norms)
    np.testing.assert_allclose(corrected("norm_layer", decoded, references, centre), decoded * scale, rtol=1e-5)


def test_versions_differ(layer):
    decoded, references, centre = layer
    found = [corrected(kind, decoded, references, centre) for kind in KINDS]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("kind", ["norm", "channel_sd"])
def test_scaling_a_row_before_changes_nothing(layer, kind):
    decoded, references, centre = layer
    scaled = decoded * np.array([0.01, 0.5, 3, 70]).reshape(-1, *[1] * (decoded.ndim - 1))
    once = corrected(kind, decoded, references, centre)
    np.testing.assert_allclose(corrected(kind, scaled, references, centre), once, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["grand_mean_sd", "train_mean_sd"])
def test_shrinking_towards_the_fixed_point_changes_nothing(layer, kind):
    decoded, references, centre = layer
    axes = tuple(range(1, decoded.ndim))
    towards = centre if kind == "train_mean_sd" else decoded.mean(axis=axes, keepdims=True)
    shrunk = towards + 0.1 * (decoded - towards)
    if kind == "train_mean_sd":  # the published version keeps the mean of the remainder, which shrinks too
        gone = 0.9 * (decoded - centre).mean(axis=axes, keepdims=True)
        shrunk = shrunk + gone
    once = corrected(kind, decoded, references, centre)
    np.testing.assert_allclose(corrected(kind, shrunk, references, centre), once, rtol=1e-4, atol=1e-4)


def test_sizes_by_hand():
    sizes = measured(CONV)
    assert sizes.norm == pytest.approx([46**0.5])
    assert sizes.channel_sd == pytest.approx([2.0])
    assert sizes.mean == pytest.approx([2.5])
    assert measured(np.array([[0.0, 0, 2, 2], [3, 4, 0, 0]])).channel_sd == pytest.approx([1.0, 3.1875**0.5])


def test_blocks_give_what_the_whole_gives():
    rng = np.random.default_rng(0)
    blocks = [slice(0, 1), slice(1, 5), slice(5, 7)]
    for features in (100 + rng.standard_normal((4, 7, 3, 5)), 100 + rng.standard_normal((4, 7))):
        whole, parts = measured(features), measured(features, blocks)
        for name in ("norm", "channel_sd", "mean"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_size_stays_as_it_is(kind):
    decoded = np.zeros((2, 2, 3, 3))
    decoded[1] = np.random.default_rng(1).standard_normal((2, 3, 3))
    found = corrected(kind, decoded, 2 * decoded[1:], np.zeros((2, 3, 3)))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], 0)


def test_unknown_kinds_are_named():
    sizes = size_table(measured(CONV), measured(CONV))
    with pytest.raises(ConfigError, match="'sd' is unknown; use one of none, norm, norm_layer, channel_sd"):
        factors("sd", sizes, {"norm": np.ones(1), "channel_sd": np.ones(1)})
