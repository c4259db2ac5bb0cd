"""Block averages."""

import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.samples.blocks import average_blocks, block_volumes

SIGNAL = np.column_stack([np.arange(40.0), -np.arange(40.0)])


def test_four_volumes_two_volumes_later():
    means, counts = average_blocks(SIGNAL, [24.0, 32.0], [8.0, 8.0], 2.0, 4.0)
    # Onset 24 s is volume 12; two later begins at 14 and lasts four.
    np.testing.assert_allclose(means[:, 0], [np.mean([14, 15, 16, 17]), np.mean([18, 19, 20, 21])])
    np.testing.assert_allclose(means[:, 1], -means[:, 0])
    assert list(counts) == [4, 4]


def test_windows_may_differ_and_onsets_need_not_fall_on_volumes():
    means, counts = average_blocks(SIGNAL, [10.4, 19.6, 24.0], [6.0, 9.0, 18.0], 3.0, 6.0)
    assert list(counts) == [2, 3, 6]
    np.testing.assert_allclose(means[:, 0], [5.5, 10, 12.5])


def test_the_end_of_the_run_cuts_the_window_and_says_so():
    means, counts = average_blocks(SIGNAL, [70.0], [8.0], 2.0, 4.0)
    assert list(counts) == [3]
    assert means[0, 0] == 38


@pytest.mark.parametrize("onset", [90.0, -20.0])
def test_a_block_outside_the_run_is_refused(onset):
    with pytest.raises(DataError, match=f"block at {onset:g} s"):
        average_blocks(SIGNAL, [onset], [8.0], 2.0)


def test_no_block_gives_no_row():
    means, counts = average_blocks(SIGNAL, [], [], 2.0)
    assert means.shape == (0, 2)
    assert len(counts) == 0


def test_the_volumes_of_a_block_may_lie_outside_the_run():
    first, last = block_volumes([-8.0, 24.0, 70.0], [8.0, 1.0, 8.0], 2.0, 4.0)
    assert list(first) == [-2, 14, 37]
    assert list(last) == [2, 15, 41]  # a window shorter than a volume takes one
