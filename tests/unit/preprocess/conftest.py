"""Shared simulated scans."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)

import head as simulated  # noqa: E402


@pytest.fixture(scope="session")
def head():
    """Return a head on a fine grid and its affine."""
    return simulated.make_head()
