"""Selection of voxels beside numpy's correlation, and gathering of Gram matrices."""

import numpy as np
import pytest
import torch

from fmri2image.decode.blocks import (
    Selection,
    gram_block,
    gram_blocks,
    gram_triangle,
    selection_arrays,
    strongest,
    strongest_on_device,
)
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")


def simulate(n_voxels=60, seed=0):
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(30), rng.integers(1, 5, 30))
    features = rng.standard_normal((30, 8))
    responses = features[index] @ rng.standard_normal((8, n_voxels)) + 6 * rng.standard_normal((len(index), n_voxels))
    responses[:, [0, 11, 59]] = [1.0, 0.0, np.nan]
    return responses, index, features


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("over", ["trials", "stimuli"])
@pytest.mark.parametrize("k", [1, 9, 57, 58, 500])
def test_the_voxels_of_highest_correlation_over_trials_are_taken(k, over, precision):
    responses, index, features = simulate()
    training = Training(responses, index, Standardisation(voxels=over), CPU, precision)
    chosen = strongest(training, training.targets(features), k)
    usable = np.setdiff1d(np.arange(60), [0, 11, 59])
    assert chosen.dtype == np.int64
    assert chosen.shape == (8, min(k, 57))
    for unit, mine in zip(features.T, chosen, strict=True):
        r = np.abs([np.corrcoef(responses[:, v], unit[index])[0, 1] for v in usable])
        assert mine.tolist() == sorted(usable[np.argsort(-r)[:k]])


def test_equal_voxels_are_taken_in_their_order_and_rounding_decides_nothing():
    responses, index, features = simulate()
    source = responses[:, 20].copy()
    copies = [7, 3, 33, 50, 20]
    for copy, scale in zip(copies, [1.0, -1.0, 1e-3, 12345.678, 1.0], strict=True):
        responses[:, copy] = source * scale
    features[:, 4] = [source[index == s].mean() for s in range(30)]  # the copies come first
    for precision in ("float32", "float64"):
        training = Training(responses, index, Standardisation(), CPU, precision)
        targets = training.targets(features)
        for k in range(1, 6):
            expected = [3, 7, 20, 33, 50][:k]
            assert strongest(training, targets, k)[4].tolist() == expected
            selection = Selection(**selection_arrays(training))
            found = strongest_on_device(selection, targets.cross, targets.exact_rows.T, k)
            assert found[4].tolist() == expected


def test_a_unit_that_does_not_vary_gets_voxels_that_can_be_used():
    responses, index, features = simulate()
    features[:, 3] = 2.0
    training = Training(responses, index, Standardisation(), CPU, "float32")
    targets = training.targets(features)
    expected = [v for v in range(60) if v not in (0, 11, 59)][:12]
    assert strongest(training, targets, 12)[3].tolist() == expected
    selection = Selection(**selection_arrays(training))
    assert strongest_on_device(selection, targets.cross, targets.exact_rows.T, 12)[3].tolist() == expected


@pytest.mark.parametrize("k", [1, 64, 65, 150])
def test_gathered_matrices(k):
    rng = np.random.default_rng(1)
    z = rng.standard_normal((40, 200)).astype(np.float32)
    gram = z.T @ z
    gram = (gram + gram.T) / 2
    chosen = np.sort(rng.choice(200, k, replace=False))
    expected = gram[np.ix_(chosen, chosen)]
    block = gram_block(gram, chosen)
    assert block.flags.f_contiguous
    np.testing.assert_array_equal(block, expected)
    out = np.zeros((k, k), dtype=np.float32, order="F")
    assert gram_block(gram, chosen, out) is out
    np.testing.assert_array_equal(out, expected)
    larger = np.full((k + 1, k + 1), 7, dtype=np.float32, order="F")
    gram_triangle(gram, chosen, larger)
    np.testing.assert_array_equal(np.tril(larger[:k, :k]), np.tril(expected))
    assert (larger[k] == 7).all() and (larger[:, k] == 7).all()
    both = gram_blocks(torch.from_numpy(gram), torch.from_numpy(np.stack([chosen, chosen[::-1].copy()])))
    np.testing.assert_array_equal(both[0], expected)
    np.testing.assert_array_equal(both[1], expected[::-1, ::-1])
