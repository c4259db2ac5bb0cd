"""Judges: identification by an independent network's features, beside its permutation distribution."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.evaluate import judges
from fmri2image.evaluate.judges import judge_features, judge_images, load_judge
from fmri2image.evaluate.lures import lures_of_test
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS
from fmri2image.evaluate.similarity import correlation_matrix
from fmri2image.features.networks import build_network
from fmri2image.features.networks.published import arrays_sha256
from fmri2image.features.networks.weights import write_weights

KEYS = {"dataset": "d", "method": "m", "roi": "VC", "stimulus_set": "test", "test": "test", "transductive": False,
        "simulated": True}  # fmt: skip
LAYER = "fire3"


@pytest.fixture(scope="module")
def network():
    return build_network({"name": "squeezenet1_1", "seed": 2})


@pytest.fixture(scope="module")
def stimuli():
    """Coarse random patches, so that a small change leaves an image like itself."""
    coarse = np.random.default_rng(0).random((8, 3, 8, 8)).astype(np.float32)
    return LabelledArray(coarse.repeat(8, axis=2).repeat(8, axis=3), [f"s{i}" for i in range(8)])


def noisy(stimuli, names, sd, seed=1):
    values = stimuli.take(names).values
    return LabelledArray(values + np.random.default_rng(seed).normal(0, sd, values.shape).astype(np.float32), names)


def run(network, stimuli, *sources, layer=LAYER, permutations=199):
    pairs = [(images, {**KEYS, "subject": f"{i:02d}"}) for i, images in enumerate(sources, start=1)]
    return judge_images(network, "critic", layer, pairs, stimuli, permutations, 5)


def test_tables_have_the_columns_of_all_scores(network, stimuli):
    scores, tests = run(network, stimuli, noisy(stimuli, stimuli.rows, 0.05))
    assert list(scores) == list(SCORE_COLUMNS)
    assert list(tests) == list(PERMUTATION_COLUMNS)
    assert list(dict.fromkeys(scores["metric"])) == [
        "feature_correlation_critic", "feature_identification_critic", "feature_top1_critic"]  # fmt: skip
    assert list(tests["metric"]) == ["feature_identification_critic", "feature_top1_critic"]
    assert set(scores["dialect"]) == {"squeezenet1_1 fire3 at 227x227; ties one half"}
    assert len(scores) == 3 * 8
    assert (tests["n_comparisons"] == 7).all()
    assert (tests["permuted"] == "stimulus labels").all()


def test_lures_that_were_drawn_are_the_only_ones(network, stimuli):
    groups, masks = lures_of_test(stimuli.rows, None, "test", "sizes", {"comparisons": 3, "seed": 5})
    images = noisy(stimuli, stimuli.rows, 0.4)
    scores, tests = judge_images(
        network, "critic", LAYER, [(images, {**KEYS, "subject": "01"})], stimuli, 20, 5, groups, masks
    )
    similarity = correlation_matrix(*(judge_features(network, LAYER, one.values) for one in (images, stimuli)))
    own = row_index(stimuli.rows, images.rows)
    expected = [np.mean(row[s] > row[masks[""][s]]) for row, s in zip(similarity, own, strict=True)]
    mine = scores[scores["metric"] == "feature_identification_critic"]
    np.testing.assert_allclose(mine["value"], expected)
    assert (mine["n_comparisons"] == 3).all() and tests["permuted"].str.endswith("the lures drawn for them").all()


def test_stimuli_are_identified_and_strangers_are_not(network, stimuli):
    others = np.random.default_rng(9).random((8, 3, 64, 64)).astype(np.float32)
    _, tests = run(network, stimuli, stimuli, noisy(stimuli, stimuli.rows, 0.05), LabelledArray(others, stimuli.rows))
    found = tests[tests["metric"] == "feature_identification_critic"].set_index("subject")
    assert found.loc["01", "value"] == 1
    assert found.loc["02", "value"] > 0.9
    assert found.loc["02", "p_value"] < 0.02
    assert found.loc["03", "value"] < found.loc["03", "chance_p99"]
    assert found["chance"].between(0.45, 0.55).all()


def test_value_is_the_correlation_of_the_features(network, stimuli):
    images = noisy(stimuli, ["s3", "s5"], 0.2)
    scores, _ = run(network, stimuli, images)
    with torch.no_grad():
        ours = network.features(torch.tensor(images.values).clip(0, 1), [LAYER])[LAYER].flatten(1).numpy()
        shown = network.features(torch.tensor(stimuli.values), [LAYER])[LAYER].flatten(1).numpy()
    own = scores[scores["metric"] == "feature_correlation_critic"].set_index("stimulus")["value"]
    assert own["s3"] == pytest.approx(pearsonr(ours[0], shown[3])[0], abs=1e-5)
    share = np.mean([pearsonr(ours[1], shown[5])[0] > pearsonr(ours[1], shown[i])[0] for i in range(8) if i != 5])
    identified = scores[scores["metric"] == "feature_identification_critic"].set_index("stimulus")["value"]
    assert identified["s5"] == pytest.approx(share)


def test_order_batches_and_neighbours_do_not_matter(network, stimuli, monkeypatch):
    names = ["s6|ses-1_run-01_block-02", "s1|ses-1_run-01_block-03", "s4|ses-1_run-02_block-01"]
    images = noisy(stimuli, ["s6", "s1", "s4"], 0.3)
    images = LabelledArray(images.values, names)
    scores, tests = run(network, stimuli, stimuli, images)
    monkeypatch.setattr(judges, "BATCH", 2)
    turned = LabelledArray(stimuli.values[::-1], stimuli.rows[::-1])
    again, _ = run(network, turned, images.take(names[::-1]))
    first = scores[scores["subject"] == "02"].set_index(["metric", "stimulus"])["value"]
    second = again.set_index(["metric", "stimulus"])["value"]
    np.testing.assert_allclose(first, second[first.index], atol=1e-5)
    same, tests_again = run(network, stimuli, stimuli, images)
    assert tests.equals(tests_again)
    np.testing.assert_allclose(scores["value"], same["value"], atol=1e-5)


def test_images_are_judged_as_they_are_shown(network, stimuli):
    beyond = 3 * stimuli.values - 1
    np.testing.assert_array_equal(
        judge_features(network, LAYER, beyond), judge_features(network, LAYER, np.clip(beyond, 0, 1))
    )


def test_unknown_stimulus_is_named(network, stimuli):
    with pytest.raises(LabelMismatchError, match="s99"):
        run(network, stimuli, LabelledArray(stimuli.values[:1], ["s99"]))


def test_weights_are_checked_again(network, tmp_path):
    path = tmp_path / "squeezenet1_1.safetensors"
    write_weights(path, network, {})
    settings = {"network": "squeezenet1_1", "arrays_sha256": arrays_sha256(network.state_dict())}
    loaded = load_judge(settings, path, torch.device("cpu"))
    torch.testing.assert_close(loaded.conv10.weight, network.conv10.weight, rtol=0, atol=0)
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"squeezenet1_1.safetensors holds other weights .*; delete it and run"):
        load_judge(settings, path, torch.device("cpu"))
