"""Training data of end2end: windows, subsets, z-scores, and the factor of averaged trials."""

import numpy as np
import pytest
import torch
from small_training import OPTIONS, paired

from fmri2image.core.errors import ConfigError, DataError, LabelMismatchError
from fmri2image.core.training import cycled_batch
from fmri2image.reconstruct import end2end
from fmri2image.reconstruct.adversarial.data import Pairs, Scaling, drawn_corners, resized, subset, training_pairs
from fmri2image.reconstruct.interface import Responses

CPU = torch.device("cpu")


def test_windows_are_cut_out_of_the_right_images():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 9, 9), dtype=np.uint8)
    pairs = Pairs(np.zeros((4, 2), np.float32), images, np.array([2, 0, 1, 2]), 6, CPU)
    trials, corners = torch.tensor([3, 1, 0]), torch.tensor([[0, 3], [2, 1], [3, 0]])
    found = pairs.windows(trials, corners).numpy()
    for one, image, (y, x) in zip(found, (2, 0, 2), corners.tolist(), strict=True):
        np.testing.assert_allclose(one, images[image, :, y : y + 6, x : x + 6] / 255, rtol=1e-6)
    np.testing.assert_allclose(pairs.middle(trials)[1].numpy(), images[0, :, 1:7, 1:7] / 255, rtol=1e-6)


def test_all_corners_of_the_padding_are_drawn_and_follow_seed_and_step():
    drawn = np.concatenate([drawn_corners(5, step, 64, 21) for step in range(60)])
    assert drawn.min() == 0 and drawn.max() == 21  # 248 - 227 + 1 = 22 places
    assert np.unique(drawn).size == 22
    np.testing.assert_array_equal(drawn_corners(5, 3, 8, 21), drawn_corners(5, 3, 8, 21))
    assert not np.array_equal(drawn_corners(5, 3, 8, 21), drawn_corners(5, 4, 8, 21))
    assert not drawn_corners(5, 3, 8, 0).any()


def test_batches_go_round_one_fixed_order():
    order = np.random.default_rng(0).permutation(10)
    found = np.concatenate([cycled_batch(order, 4, step) for step in range(5)])
    np.testing.assert_array_equal(found, np.tile(order, 2))
    assert len(cycled_batch(order[:3], 7, 0)) == 7


def test_subsets_of_images_are_nested():
    names = [f"image{i:02d}" for i in range(30)] * 5
    chosen = [subset(names, n, 1) for n in (3, 8, 20, 30)]
    for smaller, larger in zip(chosen, chosen[1:], strict=False):
        assert larger[: len(smaller)] == smaller
    assert sorted(chosen[-1]) == sorted(set(names)) == subset(names, None, 1)
    assert subset(names, 8, 2) != chosen[1]
    assert subset(names[::-1], 8, 1) == chosen[1]
    with pytest.raises(ConfigError, match="31 training images are asked for, and there are 30"):
        subset(names, 31, 1)


def test_pairs_hold_all_trials_of_the_chosen_images_z_scored():
    train, stimuli = paired(n_images=6, n_repeats=3)
    pairs, scaling = training_pairs(train, stimuli, 4, 64, 6, 1, CPU)
    names = train.trials["stimulus"].to_numpy()
    chosen = subset(list(names), 4, 1)
    used = np.isin(names, chosen)
    assert len(pairs) == used.sum() == 12 and pairs.images.shape == (4, 3, 70, 70)
    expected = (train.data[used] - train.data[used].mean(0)) / train.data[used].std(0, ddof=0)
    np.testing.assert_allclose(pairs.voxels.numpy(), expected, atol=1e-3)
    np.testing.assert_allclose(pairs.voxels.numpy().std(0, ddof=0), 1, rtol=1e-4)
    assert [chosen[i] for i in pairs.shown.tolist()] == list(names[used])
    first = stimuli.take([chosen[0]]).values
    np.testing.assert_array_equal(pairs.images[0].numpy(), resized(first, 70)[0])
    np.testing.assert_allclose(pairs.images[0].float().mean() / 255, first.mean(), atol=0.01)
    assert scaling.mean.dtype == np.float32
    with pytest.raises(LabelMismatchError, match="trial table"):
        training_pairs(train, stimuli.take(["image0", "image1"]), None, 64, 6, 1, CPU)


def test_voxels_that_never_change_or_are_no_numbers():
    data = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    data[:, 1] = 7
    assert not Scaling.of(data).apply(data)[:, 1].any()
    data[2, 0] = np.nan
    with pytest.raises(DataError, match="1 voxels of the training trials hold values that are no finite numbers"):
        Scaling.of(data)


def test_averaged_trials_are_scaled_by_the_root_of_their_number():
    train, stimuli = paired()
    options = {**OPTIONS, "steps": 2, "snapshots": 0}
    state = end2end.fit(train, stimuli, options, CPU)
    mean, sd = state["mean"].numpy(), state["sd"].numpy()
    z = np.random.default_rng(1).standard_normal((3, 9)).astype(np.float32)
    rows, counts = ["a", "b", "c"], [1, 4, 24]

    def made(factors: object, **more: object) -> np.ndarray:
        values = mean + sd * z * np.asarray(factors, dtype=np.float32)[:, None]
        return end2end.reconstruct(Responses(values, rows, **more), state, chosen, CPU).images.values

    chosen = {**options, "rescale": "none"}
    expected = made(np.sqrt(counts))
    chosen = options
    np.testing.assert_allclose(made([1, 1, 1], n_trials=counts), expected, atol=1e-4)
    chosen = {**options, "rescale": 4.9}
    fixed = made([1, 1, 1], n_trials=counts)
    np.testing.assert_allclose(fixed[2], expected[2], atol=2e-3)  # √24 = 4.899
    chosen = {**options, "rescale": "none"}
    np.testing.assert_allclose(fixed, made([4.9] * 3), atol=1e-4)
    assert not np.allclose(fixed[0], expected[0], atol=1e-3)


def test_responses_keep_their_counts():
    values = np.arange(6.0).reshape(3, 2)
    assert Responses(values, ["a", "b", "c"]).n_trials.tolist() == [1, 1, 1]
    some = Responses(values, ["a", "b", "c"], n_trials=[2, 5, 8])
    assert some.take(["c", "a"]).n_trials.tolist() == [8, 2]
    with pytest.raises(LabelMismatchError, match="2 counts of trials for 3 rows"):
        Responses(values, ["a", "b", "c"], n_trials=[2, 5])
