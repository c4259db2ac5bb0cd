"""Sizes of batches: as given, or from what an image takes and what a job may have."""

import pytest
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.reconstruct.batches import BASE, MOST, PER_KEPT_BYTE, batches, most_images, saved_bytes

CPU = torch.device("cpu")
ROWS = [f"image{i}" for i in range(10)]


def never():
    raise AssertionError("nothing is measured for a size that is given")


@pytest.mark.parametrize("size", [1, 3, 10, 40])
def test_batches_of_a_given_size_are_always_full(size):
    found = list(batches(ROWS, size, never))
    assert [row for rows, _ in found for row in rows] == ROWS
    assert all(len(rows) + copies == size for rows, copies in found)
    assert not any(copies for _, copies in found[:-1])


@pytest.mark.parametrize(("most", "sizes"), [(64, [10]), (10, [10]), (9, [5, 5]), (4, [4, 4, 2]), (1, [1] * 10)])
def test_batches_of_automatic_size_are_equally_large(most, sizes):
    found = list(batches(ROWS, "auto", lambda: most))
    assert [row for rows, _ in found for row in rows] == ROWS
    assert [len(rows) for rows, _ in found] == sizes
    assert all(len(rows) + copies == sizes[0] for rows, copies in found)


def test_no_rows_make_no_batch():
    assert list(batches([], "auto", never)) == []


def chain(side):
    """Return a layer and a computation that keeps its input and what it makes of it."""
    layer = torch.nn.Linear(side, side).requires_grad_(False)
    x = torch.ones((1, side), requires_grad=True)

    def once():
        return torch.autograd.grad(torch.tanh(layer(x)).exp().sum(), x)

    return layer, once


def test_kept_bytes_are_counted_once_and_without_parameters():
    layer, once = chain(1000)
    # tanh and exp keep their results; the product keeps the weights, which are there anyway.
    assert saved_bytes(once, list(layer.parameters())) == 2 * 4000
    assert saved_bytes(once) == 2 * 4000 + layer.weight.nbytes


def test_memory_of_a_job_bounds_a_batch():
    layer, once = chain(1000)
    network = sum(parameter.nbytes for parameter in layer.parameters())
    one = int(PER_KEPT_BYTE * 8000) + 500
    for n in (1, 7):
        memory = BASE + network + n * one + one // 2
        assert most_images(once, [layer], 500, memory, CPU) == n
    assert most_images(once, [layer], 500, 10**12, CPU) == MOST["cpu"]
    with pytest.raises(ConfigError, match="one image needs 0.00 GB .*, and the cpu has 0.00 GB for it; give the job"):
        most_images(once, [layer], 500, BASE + network, CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_is_free_on_a_gpu_bounds_a_batch():
    device = torch.device("cuda")
    x = torch.ones((1, 100), device=device, requires_grad=True)
    n = most_images(lambda: torch.autograd.grad(x.exp().sum(), x), [], 10**9, None, device)
    assert 1 <= n <= torch.cuda.mem_get_info(device)[1] // 10**9
