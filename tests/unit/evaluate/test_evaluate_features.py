"""Feature accuracy over blocks of units against NumPy on the whole layer."""

import numpy as np
import pytest

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.evaluate import layers
from fmri2image.evaluate.features import FeatureAccuracy

OWN = np.array([2, 0, 1, 3, 0, 3])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    training = rng.standard_normal((10, 30)) * np.arange(1, 31) + 7
    true = rng.standard_normal((4, 30)) * np.arange(1, 31) + 7
    decoded = true[OWN] + rng.standard_normal((6, 30)) * np.arange(1, 31)
    decoded[:, 4] = 1.5  # not decoded
    training[:, 9] = 2.0  # never varied in training
    return decoded, true, training.mean(0), training.std(0)


def accumulate(data, edges):
    accuracy = FeatureAccuracy(OWN, 4)
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        accuracy.add(data[0][:, start:stop], data[1][:, start:stop], data[2][start:stop], data[3][start:stop])
    return accuracy


@pytest.mark.parametrize("edges", [[0, 30], [0, 4, 5, 17, 30]])
def test_blocks_equal_numpy_on_the_whole(data, edges):
    decoded, true, mean, sd = data
    accuracy = accumulate(data, edges)
    units = [np.corrcoef(decoded[:, u], true[OWN][:, u])[0, 1] for u in range(30) if u != 4]
    assert accuracy.unit_correlation() == pytest.approx(np.mean(units))
    varied = sd > 0
    d, t = ((x[:, varied] - mean[varied]) / sd[varied] for x in (decoded, true))
    expected = [[np.corrcoef(a, b)[0, 1] for b in t] for a in d]
    np.testing.assert_allclose(accuracy.pattern_correlation(), expected, atol=1e-9)


def test_permuted_unit_correlation_is_exact_for_equal_repeats(data):
    own = np.array([0, 1, 2, 3])
    accuracy = FeatureAccuracy(own, 4)
    accuracy.add(data[0][:4], *data[1:])
    others = np.array([[1, 0, 3, 2], [3, 2, 1, 0]])
    for other, found in zip(others, accuracy.unit_correlation(others), strict=True):
        units = [np.corrcoef(data[0][:4, u], data[1][other, u])[0, 1] for u in range(30) if u != 4]
        assert found == pytest.approx(np.mean(units))


def test_layer_scores_do_not_depend_on_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    train = LabelledArray(rng.standard_normal((8, 5, 2, 2)), [f"t{i}" for i in range(8)])
    shown = LabelledArray(rng.standard_normal((4, 5, 2, 2)), list("dbca"))
    decoded = LabelledArray(shown.take(list("abcd")).values + 0.3 * rng.standard_normal((4, 5, 2, 2)), list("abcd"))
    for name, array in (("train", train), ("shapes", shown)):
        write_arrays(tmp_path / f"{name}.h5", {"features": array})
    write_arrays(tmp_path / "decoded.h5", {"held": decoded}, {"transductive": "True"})
    true = {name: tmp_path / f"{name}.h5" for name in ("train", "shapes")}
    settings = {
        "tests": {"held": {"training": "train", "stimuli": "shapes"}},
        "permutations": 50,
        "seed": 1,
        "simulated": True,
    }
    tables = []
    for block_bytes in (1, 10**8):
        monkeypatch.setattr(layers, "BLOCK_BYTES", block_bytes)
        tables.append(layers.score_layer(tmp_path / "decoded.h5", true, {"layer": "conv1_1"}, settings))
    first, second = (table.set_index("metric") for table in tables)
    np.testing.assert_allclose(first["value"], second["value"], atol=1e-9)
    d, t = (array.take(list("abcd")).values.reshape(4, -1) for array in (decoded, shown))
    units = [np.corrcoef(a, b)[0, 1] for a, b in zip(d.T, t.T, strict=True)]
    assert first.loc["unit_correlation", "value"] == pytest.approx(np.mean(units))
    assert first.loc["pattern_identification", "value"] == 1
    assert first["n_units"].tolist() == [20] * 3
    assert first["transductive"].tolist() == ["True"] * 3
