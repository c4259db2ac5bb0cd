"""What resumable trainings share: checkpoints by what they depend on, batches, learning rates."""

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.training import (
    checkpoint_of,
    cosine_rate,
    halved_rate,
    left_checkpoints,
    load_checkpoint,
    reshuffled_batch,
    save_checkpoint,
)


def test_checkpoints_of_one_output_are_told_from_those_of_a_longer_name(tmp_path):
    first = checkpoint_of(tmp_path / "sub-01_fit-train.pt", {"seed": 1})
    longer = checkpoint_of(tmp_path / "sub-01_fit-train-2.pt", {"seed": 1})
    first.touch()
    longer.touch()
    again = checkpoint_of(tmp_path / "sub-01_fit-train.pt", {"seed": 2})
    assert again != first and not first.exists() and longer.exists()
    again.touch()
    assert left_checkpoints(tmp_path / "sub-01_fit-train.pt") == [again]
    assert left_checkpoints(tmp_path / "sub-01_fit-train-2.pt") == [longer]


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    assert load_checkpoint(path, "a") is None
    save_checkpoint(path, "a", {"step": 3, "values": torch.arange(3)})
    assert load_checkpoint(path, "a")["values"].tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"state\.pt is the checkpoint of a training with other settings; delete it"):
        load_checkpoint(path, "b")


def test_learning_rates():
    # Caffe's multistep: halved from the given updates on.
    steps = (0, 299_999, 300_000, 499_999, 500_000, 1_200_000)
    rates = [halved_rate(2e-4, (300_000, 500_000, 700_000, 900_000, 1_100_000), step) for step in steps]
    np.testing.assert_allclose(rates, [2e-4, 2e-4, 1e-4, 1e-4, 5e-5, 6.25e-6])
    rates = [cosine_rate(1.0, 100, step) for step in range(100)]
    assert rates[4] == 1 and np.argmax(rates) in (4, 5) and rates[-1] == pytest.approx(0.01, abs=1e-3)


def test_every_image_comes_once_per_round():
    found = [reshuffled_batch(3, 10, 5, step) for step in range(4)]
    for start in (0, 2):
        assert sorted(np.concatenate(found[start : start + 2])) == list(range(10))
    assert not np.array_equal(np.concatenate(found[:2]), np.concatenate(found[2:]))
    with pytest.raises(ConfigError, match="A batch of 11 is larger than the 10 training images"):
        reshuffled_batch(3, 10, 11, 0)
