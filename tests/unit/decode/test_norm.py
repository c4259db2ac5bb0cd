"""Norm correction: sizes computed by hand, in whole and in blocks."""

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError
from fmri2image.decode.norm import combine_sizes, correction_scale, layer_size

# One image, two channels of 1×2: SDs 1 and 3, norm sqrt(1 + 9 + 0 + 36).
CONV = np.array([1.0, 3, 0, 6]).reshape(1, 2, 1, 2)


def test_sizes_by_hand():
    assert layer_size(CONV, "norm") == pytest.approx([46**0.5])
    assert layer_size(CONV, "channel_sd") == pytest.approx([2.0])
    assert layer_size(CONV, "none") == pytest.approx([1.0])
    assert layer_size(np.array([[0.0, 0, 2, 2], [3, 4, 0, 0]]), "channel_sd") == pytest.approx([1.0, 3.1875**0.5])
    with pytest.raises(ConfigError, match="'sd' is unknown; use one of none, norm, channel_sd"):
        layer_size(CONV, "sd")


@pytest.mark.parametrize("kind", ["none", "norm", "channel_sd"])
def test_blocks_of_channels_combine_to_the_whole(kind):
    features = np.random.default_rng(0).standard_normal((4, 7, 3, 5)) * np.arange(1, 8)[:, None, None]
    blocks = [slice(0, 1), slice(1, 5), slice(5, 7)]
    parts = [layer_size(features[:, block], kind) for block in blocks]
    np.testing.assert_allclose(combine_sizes(parts, [1, 4, 2], kind), layer_size(features, kind))


@pytest.mark.parametrize("kind", ["norm", "channel_sd"])
def test_scale_brings_rows_to_the_reference(kind):
    features = np.random.default_rng(1).standard_normal((3, 2, 4, 4))
    features[1] = 0
    scale = correction_scale(layer_size(features, kind), 2.5, kind)
    assert scale[1] == 1
    np.testing.assert_allclose(layer_size(features * scale[:, None, None, None], kind), [2.5, 0, 2.5])
    np.testing.assert_array_equal(correction_scale(np.array([1.0, 2]), 2.5, "none"), [1, 1])
