"""Score tables: columns, joins by name, and the null distribution of cross-validated tests."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.evaluate.refit import permuted_scores
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS, score_images

KEYS = {
    "dataset": "phantom", "method": "m", "subject": "01", "roi": "V1", "stimulus_set": "shapes", "test": "shapes",
    "transductive": False, "simulated": True,
}  # fmt: skip


@pytest.fixture
def stimuli():
    return LabelledArray(np.random.default_rng(0).random((8, 3, 12, 12)).astype(np.float32), list("hgfedcba"))


def test_tables_score_by_name(stimuli):
    images = stimuli.take(list("abcdefgh"))
    images.rows = [f"{row}|trial" for row in images.rows]
    scores, tests = score_images(images, stimuli, ["pixel", "ssim"], KEYS, 200, 3)
    assert list(scores) == list(SCORE_COLUMNS)
    assert list(tests) == list(PERMUTATION_COLUMNS)
    assert len(scores) == 8 * 2 * 3
    assert tests["metric"].tolist() == [f"{s}_{k}" for s in ("pixel", "ssim") for k in ("identification", "top1")]
    np.testing.assert_allclose(tests["value"], 1)
    np.testing.assert_allclose(tests["p_value"], 1 / 201)
    assert set(tests["n_comparisons"]) == {7}
    assert set(tests["permuted"]) == {"stimulus labels"}
    np.testing.assert_allclose(scores["value"], 1, atol=1e-6)
    assert scores["n_comparisons"].isna().sum() == 16
    images.rows[0] = "z"
    with pytest.raises(LabelMismatchError, match="A reconstruction names z"):
        score_images(images, stimuli, ["pixel"], KEYS, 5, 3)


def test_refitted_permutations_take_the_place_of_labels(stimuli):
    values = [0.2, 0.3, 0.4, 1.0]
    refitted = pd.DataFrame({"metric": ["pixel_identification"] * 4 + ["pixel_top1"] * 4, "value": values + [0.0] * 4})
    _, tests = score_images(stimuli, stimuli, ["pixel"], KEYS, 200, 3, refitted)
    row = tests.set_index("metric").loc["pixel_identification"]
    assert row["chance"] == pytest.approx(np.mean(values))
    assert row["chance_p99"] == pytest.approx(np.percentile(values, 99))
    assert row["p_value"] == pytest.approx(2 / 5)
    assert row["n_permutations"] == 4
    assert row["permuted"].startswith("training pairs")


def test_refitting_shows_the_bias_of_leaving_a_stimulus_out(stimuli):
    rng = np.random.default_rng(1)
    names = list("abcdefgh") * 2
    trials = pd.DataFrame({"stimulus": names, "stimulus_set": "shapes", "session": "one", "run": 1, "block": range(16)})
    samples = Samples(rng.standard_normal((16, 5)).astype(np.float32), trials, pd.DataFrame({"voxel_i": range(5)}))
    settings = {
        "method": "pixels",
        "options": {"alpha": 1000.0, "size": 12, "standardise": True},
        "split": {"stimuli": "shapes", "leave_out": "stimulus", "rows": "stimulus"},
        "similarities": ["pixel"],
        "permutations": 20,
        "seed": 4,
    }
    found = list(permuted_scores(samples, stimuli, None, settings, torch.device("cpu")))
    assert [row[:2] for row in found[:2]] == [(0, "pixel_identification"), (0, "pixel_top1")]
    null = np.array([score for _, metric, score in found if metric == "pixel_identification"])
    assert len(null) == 20
    assert null.mean() < 0.35
    assert found == list(permuted_scores(samples, stimuli, None, settings, torch.device("cpu")))
