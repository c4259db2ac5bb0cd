"""Brain masks against the simulated brain."""

import numpy as np
import pytest
from anatomy_scans import scans

from fmri2image.core.errors import DataError
from fmri2image.preprocess.brain import carried, epi_brain_mask, t1w_brain_mask


def dice(a, b):
    """Return the Dice coefficient."""
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_brain_of_the_t1w_image_wherever_the_header_puts_it():
    found = scans()
    image, affine = found["t1w"]
    mask = t1w_brain_mask(image, affine)
    assert mask.dtype == bool
    assert dice(mask, found["t1w_brain"]) > 0.93
    shifted = affine.copy()
    shifted[:3, 3] += [12, 30, -35]
    assert dice(t1w_brain_mask(image, shifted), found["t1w_brain"]) > 0.93


def test_brain_of_the_epi_slab():
    found = scans()
    assert dice(epi_brain_mask(*found["epi"]), found["epi_brain"]) > 0.75


def test_an_empty_epi_is_refused():
    with pytest.raises(DataError, match="No brain stands out"):
        epi_brain_mask(np.zeros((20, 20, 12)), np.diag([3.0, 3, 3, 1]))


def test_a_mask_is_carried_to_another_grid():
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[2:6, 3:8, 1:9] = True
    there = np.eye(4)
    there[:3, 3] = [2, -1, 3]
    moved = carried(mask, there, (8, 12, 7))
    expected = np.zeros((8, 12, 7), dtype=bool)
    expected[0:4, 4:9, 0:6] = True
    np.testing.assert_array_equal(moved, expected)
