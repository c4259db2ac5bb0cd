"""Speed of reconstruction beside one image at a time; `make bench` prints it."""

import json

import pytest
from reconstruct import main


@pytest.mark.slow
def test_bench_reconstruct(capsys):
    # A few images and iterations; the script alone tells more.
    main(["--images", "6", "--reference-images", "2", "--iterations", "20"])
    printed = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{printed}")
    found = {line["name"]: line for line in map(json.loads, printed.splitlines())}
    assert len(found) == 6
    for name in ("reconstruct_pixels", "reconstruct_generator"):
        line = found[name]
        assert line["ratio"] == pytest.approx(line["images_per_minute"] / line["reference_images_per_minute"], rel=0.02)
    assert found["reconstruct_pixels"]["correlation_with_baseline"] > 0.99  # the same images, only sooner
    # Rounding grows along a descent with normalised gradients; that nothing else differs is test_descent_batches.
    assert found["reconstruct_generator"]["loss_over_baseline"] == pytest.approx(1, abs=0.1)
    assert found["precision_tf32_pixels"]["correlation_with_float32"] == 1.0  # nothing to gain on a CPU
    assert found["precision_bfloat16_pixels"]["correlation_with_float32"] > 0.9
