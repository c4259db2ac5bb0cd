"""Simulated responses with a hierarchy of areas: sparse and ridge decoders agree, and both find what was put in.

Three areas respond to three layers, each mostly to its own and a little to its neighbours, as areas of the visual system do.
Decoders see noisy trials. All that is asked is asked of the files that the workflow writes and of the tables that it makes
of them.
"""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples
from fmri2image.decode.layers import LayerDecoding
from fmri2image.evaluate.layers import score_layer

AREAS, LAYERS = ("V1", "V4", "HVC"), ("conv1_1", "conv4_1", "fc8")
N_TRAIN, N_TEST, N_UNITS, N_VOXELS, N_LATENT, CHOSEN = 120, 30, 24, 40, 6, 20
TRAIN_REPEATS, TEST_REPEATS = 2, 4
# How much a layer depends on the latent variables of itself and its neighbours.
SHARED = np.array([[1.0, 0.4, 0.0], [0.4, 1.0, 0.4], [0.0, 0.4, 1.0]])
NOISE = 10.0  # SD of a trial; those of signals are about 2.8
TESTS = {"test": {"training": "train", "stimuli": "test", "rows": "stimulus"}}
COMMON = {"n_voxels": CHOSEN, "norm_reference": "training"}
DECODERS = {
    "ridge": {"decoder": "ridge", "alpha": 100, **COMMON},
    "slr": {"decoder": "slr", "iterations": 100, **COMMON},
}
SETTINGS = {"tests": TESTS, "permutations": 500, "seed": 3, "simulated": True}
N_BOOTSTRAP = 2000


def simulate(seed: int, shuffled: bool = False) -> tuple[Samples, dict[tuple[str, str], LabelledArray]]:
    """Return trials of all areas, and true features by (stimulus set, layer); shuffled: training trials of other images."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_TEST
    latent = rng.standard_normal((3, n, N_LATENT))
    mixed = np.einsum("kl,lnd->knd", SHARED, latent)
    features = [values @ rng.standard_normal((N_LATENT, N_UNITS)) for values in mixed]
    signals = np.concatenate([values @ rng.standard_normal((N_LATENT, N_VOXELS)) for values in mixed], axis=1)
    names = [f"train{i:03d}" for i in range(N_TRAIN)] + [f"test{i:02d}" for i in range(N_TEST)]
    shown = np.concatenate(
        [np.repeat(np.arange(N_TRAIN), TRAIN_REPEATS), np.repeat(np.arange(N_TRAIN, n), TEST_REPEATS)]
    )
    rng.shuffle(shown)
    data = signals[shown] + NOISE * rng.standard_normal((len(shown), 3 * N_VOXELS))
    if shuffled:
        trained = np.flatnonzero(shown < N_TRAIN)
        data[trained] = data[rng.permutation(trained)]
    trials = pd.DataFrame(
        {
            "stimulus": [names[i] for i in shown],
            "stimulus_set": np.where(shown < N_TRAIN, "train", "test"),
            "session": "one",
            "run": 1,
            "block": range(len(shown)),
        }
    )
    voxels = pd.DataFrame({"voxel_i": range(3 * N_VOXELS), "voxel_j": 0, "voxel_k": 0, "ROI_VC": 1})
    for number, area in enumerate(AREAS):
        voxels[f"ROI_{area}"] = (np.arange(3 * N_VOXELS) // N_VOXELS == number).astype(int)
    rows = {"train": range(N_TRAIN), "test": range(N_TRAIN, n)}
    true = {
        (name, layer): LabelledArray(values[list(chosen)].astype(np.float32), [names[i] for i in chosen])
        for layer, values in zip(LAYERS, features, strict=True)
        for name, chosen in rows.items()
    }
    return Samples(data.astype(np.float32), trials, voxels), true


class Decoded:
    """All layers of one area by one decoder: scores, and voxels that were chosen."""

    def __init__(self, folder, samples: Samples, true: dict, decoder: str, roi: str) -> None:
        accuracy, stimuli, self.chosen = [], [], {}
        for (name, layer), array in true.items():
            (folder / name).mkdir(exist_ok=True)
            write_arrays(folder / name / f"{layer}.h5", {"features": array})
        decoding = LayerDecoding(samples.select(roi=roi), TESTS, DECODERS[decoder], torch.device("cpu"))
        for layer in LAYERS:
            files = {name: folder / name / f"{layer}.h5" for name in ("train", "test")}
            output = folder / f"{decoder}_{roi}_{layer}.h5"
            decoding.decode(files, output, {"layer": layer})
            scores = score_layer(output, files, {"decoder": decoder, "roi": roi, "layer": layer}, SETTINGS)
            accuracy.append(scores.accuracy)
            stimuli.append(scores.stimuli)
            with h5py.File(output) as file:
                self.chosen[layer] = file["voxels_chosen"][0]
        self.accuracy, self.stimuli = pd.concat(accuracy), pd.concat(stimuli)

    def value(self, metric: str) -> pd.DataFrame:
        return self.accuracy[self.accuracy["metric"] == metric].set_index("layer").loc[list(LAYERS)]

    @property
    def identified(self) -> pd.Series:
        """Identification of every test stimulus, mean over layers."""
        return self.stimuli.groupby("stimulus")["identification"].mean()


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[tuple[str, str], Decoded]:
    samples, true = simulate(20)
    folder = tmp_path_factory.mktemp("hierarchy")
    return {(name, roi): Decoded(folder, samples, true, name, roi) for name in DECODERS for roi in ("VC", *AREAS)}


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory) -> dict[str, Decoded]:
    samples, true = simulate(20, shuffled=True)
    folder = tmp_path_factory.mktemp("shuffled")
    return {name: Decoded(folder, samples, true, name, "VC") for name in DECODERS}


def difference(first: pd.Series, second: pd.Series) -> tuple[float, float]:
    """Return the mean difference of paired scores, and its standard error by a bootstrap over stimuli."""
    paired = (first - second.loc[first.index]).to_numpy()
    draws = np.random.default_rng(0).integers(len(paired), size=(N_BOOTSTRAP, len(paired)))
    return float(paired.mean()), float(paired[draws].mean(axis=1).std())


def test_sparse_and_ridge_decoders_agree_on_identification_within_noise(found, shuffled):
    ridge, slr = found["ridge", "VC"].identified, found["slr", "VC"].identified
    mean, error = difference(slr, ridge)
    assert abs(mean) < 2 * error < 0.02
    assert 0.8 < ridge.mean() < 0.95  # there is room for a difference
    # The measure tells decoders apart: those of permuted trials lie many standard errors below, in the same bootstrap.
    for name, identified in (("ridge", ridge), ("slr", slr)):
        lost, error = difference(identified, shuffled[name].identified)
        assert lost > 5 * error
    assert ridge.corr(slr) > 0.5  # and the same stimuli are hard


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_beat_the_permuted_baseline(found, shuffled, name):
    for metric in ("unit_correlation", "pattern_correlation", "pattern_identification", "zero_shot_pairwise"):
        scores = found[name, "VC"].value(metric)
        assert (scores["p_value"] < 0.01).all(), metric
        assert (scores["value"] > scores["chance_p99"]).all(), metric
    nothing = shuffled[name].value("pattern_identification")["value"]
    assert abs(nothing - 0.5).max() < 0.2
    assert found[name, "VC"].value("pattern_identification")["value"].min() > nothing.max() + 0.1


@pytest.mark.parametrize("metric", ["unit_correlation", "pattern_identification"])
@pytest.mark.parametrize("name", DECODERS)
def test_accuracy_by_area_and_layer_shows_the_hierarchy(found, name, metric):
    table = np.array([found[name, area].value(metric)["value"] for area in AREAS])  # areas × layers
    assert table.argmax(axis=0).tolist() == [0, 1, 2]  # every layer is best decoded from its own area
    assert table.argmax(axis=1).tolist() == [0, 1, 2]  # and every area decodes its own layer best
    assert table[1, 0] > table[2, 0] and table[1, 2] > table[0, 2]  # a neighbour tells more than what is far


@pytest.mark.parametrize("name", DECODERS)
def test_voxels_are_chosen_where_the_layer_is(found, name):
    counts = np.array([found[name, "VC"].chosen[layer].reshape(3, N_VOXELS).sum(axis=1) for layer in LAYERS])
    assert (counts.sum(axis=1) == N_UNITS * CHOSEN).all()
    assert counts.argmax(axis=1).tolist() == [0, 1, 2]
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert (np.diag(shares) > 0.4).all()  # a third by chance
    assert shares[0, 1] > shares[0, 2] and shares[2, 1] > shares[2, 0]
