"""The device is the one asked for, and asking for the CPU needs no torch."""

import subprocess
import sys

import pytest
import torch

from fmri2image.core.device import choose_device, device_name
from fmri2image.core.errors import ConfigError


def test_the_cpu_is_the_cpu():
    assert device_name("cpu") == "cpu"
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_name("auto") == device_name("cuda") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_name("auto") == "cpu"
    with pytest.raises(ConfigError, match="torch sees no CUDA device"):
        device_name("cuda")


def test_another_device_is_refused():
    with pytest.raises(ConfigError, match="'tpu' is unknown"):
        device_name("tpu")


def test_motion_correction_by_ants_needs_no_torch():
    program = """
import sys
sys.modules["torch"] = None
from fmri2image.core.device import device_name
import fmri2image.preprocess.run, fmri2image.preprocess.ants
print(device_name("cpu"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="workflow")
    assert done.stdout.strip() == "cpu", done.stderr[-2000:]
