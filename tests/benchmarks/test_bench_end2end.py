"""Speed of training method end2end; `make bench` prints it. The published size takes one real step on the CPU."""

import json

import pytest
import torch
from end2end import PUBLISHED_STEPS, build, main, measure

CPU = torch.device("cpu")


@pytest.mark.slow
def test_bench_end2end(capsys):
    # The small size and few steps; the script alone tells more.
    main(["--architecture", "small", "--batch", "8", "--voxels", "300", "--variants", "float32", "bfloat16"])
    printed = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{printed}")
    found = {line["name"]: line for line in map(json.loads, printed.splitlines())}
    assert list(found) == ["end2end_small_float32", "end2end_small_bfloat16"]
    for line in found.values():
        assert line["hours"] == pytest.approx(PUBLISHED_STEPS / line["steps_per_second"] / 3600, rel=0.01)
        assert line["peak_mb"] > 100


@pytest.mark.slow
def test_one_step_at_published_size(capsys):
    training = build("published", "float32", compiled=False, batch=64, n_voxels=12_000, device=CPU)
    before = (
        training.generator.deconv0.weight.detach().clone(),
        training.discriminator.judgement.weight.detach().clone(),
    )
    seconds, peak = measure(training, 1, warm_up=0)
    with capsys.disabled():
        print(f"\npublished size, one step on the CPU: {seconds:.1f} s, {peak:.0f} MB")
    assert training.updates == [1, 1]
    after = training.generator.deconv0.weight, training.discriminator.judgement.weight
    for old, new in zip(before, after, strict=True):
        # Adam's first step moves every weight by the learning rate.
        moved = (new.detach() - old).abs()
        assert moved.max() == pytest.approx(2e-4, rel=0.01) and (moved > 1e-4).float().mean() > 0.9
    assert peak < 8000
