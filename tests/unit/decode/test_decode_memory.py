"""How much memory a job may take, and what follows for the chunks."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.core.samples import Samples
from fmri2image.decode import layers, memory, training_sets
from fmri2image.decode.feature_rows import plan_chunks

CPU = torch.device("cpu")
RIDGE = {"decoder": "ridge", "alpha": 100, "n_voxels": 500, "norm_reference": "training"}
TESTS = {"test": {"training": "train", "stimuli": "test", "rows": "stimulus"}}
CONV1_1 = (64, 224, 224)


@pytest.fixture(scope="module")
def full_size():
    """1,200 training trials and 50 test stimuli with 8,000 voxels."""
    names = [f"t{i}" for i in range(1200)] + [f"s{i}" for i in range(50)]
    trials = pd.DataFrame({"stimulus": names, "stimulus_set": ["train"] * 1200 + ["test"] * 50})
    return Samples(np.zeros((1250, 8000), dtype=np.float32), trials, pd.DataFrame({"number": range(8000)}))


def test_chunks_of_full_width_are_smaller_than_a_channel(full_size):
    decoding = layers.LayerDecoding(full_size, TESTS, RIDGE, CPU)
    sets, _ = training_sets.gather(full_size, TESTS)
    need = training_sets.need(sets, full_size, RIDGE, 1, CPU)
    assert need.fixed + 224 * 224 * need.per_unit > 4e9  # a channel would not do
    taken = need.fixed + decoding.allowance.units * need.per_unit + decoding.allowance.block
    assert taken <= 4e9
    chunks = plan_chunks(CONV1_1, decoding.allowance.units)
    assert max(chunk.n_units for chunk in chunks) <= decoding.allowance.units


def test_a_smaller_limit_means_smaller_chunks(full_size):
    sets, _ = training_sets.gather(full_size, TESTS)
    fixed = training_sets.fixed_bytes(sets, full_size, RIDGE, 1) / 1e9
    found = [
        layers.LayerDecoding(full_size, TESTS, RIDGE, CPU, limits=memory.Limits(gb)).allowance
        for gb in (fixed + 0.1, fixed + 0.3, 4)
    ]
    assert found[0].units < found[1].units < found[2].units
    assert found[0].block < found[1].block <= found[2].block


def test_a_limit_that_is_too_small_says_how_much_would_do(full_size):
    with pytest.raises(ConfigError) as error:
        layers.LayerDecoding(full_size, TESTS, RIDGE, CPU, limits=memory.Limits(0.6))
    sentence = str(error.value)
    assert sentence.startswith("decode: memory_gb allows 0.60 GB, but samples (1250 trials, 8000 voxels), Gram matrix")
    enough = float(sentence.split("need ")[1].split(" GB")[0]) + 0.01
    layers.LayerDecoding(full_size, TESTS, RIDGE, CPU, limits=memory.Limits(enough))
    with pytest.raises(ConfigError):
        layers.LayerDecoding(full_size, TESTS, RIDGE, CPU, limits=memory.Limits(enough - 0.03))


def test_workers_and_double_precision_leave_less(full_size):
    def units(settings, workers=1):
        limits = memory.Limits(3.5)
        return layers.LayerDecoding(full_size, TESTS, settings, CPU, limits=limits, workers=workers).allowance.block

    assert units({**RIDGE, "precision": "float64"}) < units(RIDGE)
    assert units(RIDGE, workers=4) < units(RIDGE)


@pytest.mark.parametrize("limits", [{"memory_gb": 0}, {"gpu_memory_share": 0}, {"gpu_memory_share": 1.2}])
def test_limits_must_make_sense(limits):
    with pytest.raises(ConfigError, match="memory_gb must be positive"):
        memory.Limits(**limits)


def test_a_gpu_takes_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000_000_000, 80_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
    need = memory.Need(500_000_000, 10_000, 1_000_000_000, 50_000)
    found = memory.allow(need, memory.Limits(16, 0.5), torch.device("cuda"))
    assert 1_000_000_000 + found.units * 50_000 + found.block <= 5_000_000_000
    assert found.units > memory.MOST_UNITS["cpu"]
    with pytest.raises(ConfigError, match="gpu_memory_share of 10.0 GB free allows 1.00 GB"):
        memory.allow(need, memory.Limits(16, 0.1), torch.device("cuda"))
