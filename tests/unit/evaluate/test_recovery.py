"""Recovery against truth: known signal, noise, displacement and features come out as they went in."""

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.core.samples import Samples
from fmri2image.evaluate.features import FeatureAccuracy
from fmri2image.evaluate.recovery import predictions, responses, space, table
from fmri2image.evaluate.recovery.truth import read_truth, true_blocks

SETS = {"train": (40, 1), "test": (12, 6)}
N_VOXELS = 60
GAIN, MEAN, NOISE = 0.7, 1.5, 1.0


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def voxels(rng):
    index = rng.permutation(10 * 10 * 10)[:N_VOXELS]
    table = pd.DataFrame(np.stack(np.unravel_index(index, (10, 10, 10)), axis=1).astype(float), columns=["i", "j", "k"])
    table.columns = [f"voxel_{axis}" for axis in "ijk"]
    table[["voxel_x", "voxel_y", "voxel_z"]] = 3.5 * table.to_numpy() - 20
    table["ROI_V1"] = (np.arange(N_VOXELS) < 40).astype(float)
    table["ROI_VC"] = 1.0
    table["ROI_V1d"] = 1.0
    return table


@pytest.fixture(scope="module")
def known(rng):
    """Noise-free responses, one table of stimuli × voxels per set, in SD."""
    return {
        name: pd.DataFrame(rng.standard_normal((n, N_VOXELS)), index=[f"{name}_{i}" for i in range(n)])
        for name, (n, _) in SETS.items()
    }


def ceiling_of(noise, repeats):
    return np.full(N_VOXELS, GAIN / np.hypot(GAIN, noise / np.sqrt(repeats)))


def make_samples(known, voxels, rng, noise=NOISE):
    trials, data = [], []
    for name, (_, repeats) in SETS.items():
        order = [stimulus for _ in range(repeats) for stimulus in rng.permutation(known[name].index)]
        for position, stimulus in enumerate(order):
            # Every third block was a one-back repetition, which the samples leave out.
            block = position % 20 + position % 20 // 2 + 1
            trials.append((stimulus, name, f"{name}01", position // 20 + 1, block))
        data.append(MEAN + GAIN * known[name].loc[order].to_numpy())
    clean = np.concatenate(data)
    noisy = clean + noise * rng.standard_normal(clean.shape)
    columns = ["stimulus", "stimulus_set", "session", "run", "block"]
    return Samples(noisy.astype(np.float32), pd.DataFrame(trials, columns=columns), voxels.copy()), clean


@pytest.fixture(scope="module")
def scanned(known, voxels, rng):
    return make_samples(known, voxels, rng)


@pytest.fixture(scope="module")
def truth_file(known, scanned, voxels, rng, tmp_path_factory):
    """A truth that lists voxels, stimuli and blocks in another order than the samples."""
    samples, clean = scanned
    order = rng.permutation(N_VOXELS)
    names = ["-".join(str(int(n)) for n in row) for row in voxels[["voxel_i", "voxel_j", "voxel_k"]].to_numpy()[order]]
    arrays = {"level": LabelledArray(np.zeros((N_VOXELS, 1)), names)}
    for name, (n, repeats) in SETS.items():
        stimuli = rng.permutation(n)
        values = known[name].to_numpy()[stimuli][:, order]
        arrays[f"response_{name}"] = LabelledArray(values.T, names)
        arrays[f"stimulus_{name}"] = LabelledArray(np.arange(n), list(known[name].index[stimuli]))
        ceiling = ceiling_of(NOISE, repeats) + 1e-4 * order
        arrays[f"noise_ceiling_{name}"] = LabelledArray(ceiling, names, {"repeats": repeats})
    for (session, run), trials in samples.trials.groupby(["session", "run"]):
        rows = rng.permutation(trials.index)
        labels = [f"block-{int(block)}" for block in samples.trials.loc[rows, "block"]]
        arrays[f"trials_ses-{session}_run-{run:02d}"] = LabelledArray(clean[rows][:, order], labels)
    path = tmp_path_factory.mktemp("truth") / "sub-01_truth.h5"
    write_arrays(path, arrays)
    return path


def value_of(rows, measure, key="value", **place):
    found = [row for row in rows if row["measure"] == measure and all(row[k] == v for k, v in place.items())]
    assert len(found) == 1
    return found[0][key]


# Joins ----------------------------------------------------------------------------------------------------------------


def test_truth_is_joined_by_the_names_of_voxels_and_stimuli(truth_file, scanned, known):
    truth = read_truth(truth_file, scanned[0])
    for name, (_, repeats) in SETS.items():
        found = truth[name].responses.take(list(known[name].index)).values
        np.testing.assert_allclose(found, known[name].to_numpy())
        np.testing.assert_allclose(truth[name].ceiling - ceiling_of(NOISE, repeats), 1e-4 * np.arange(N_VOXELS))
        assert truth[name].repeats == repeats


def test_true_blocks_are_joined_by_run_and_block(truth_file, scanned):
    samples, clean = scanned
    np.testing.assert_allclose(true_blocks(truth_file, samples), clean)
    later = Samples(samples.data[::-1], samples.trials[::-1].reset_index(drop=True), samples.voxels)
    np.testing.assert_allclose(true_blocks(truth_file, later), clean[::-1])


def test_what_was_not_simulated_stops_with_its_name(truth_file, scanned):
    samples = scanned[0]
    elsewhere = samples.voxels.copy()
    elsewhere.loc[0, "voxel_i"] = 77
    with pytest.raises(LabelMismatchError, match="77-"):
        read_truth(truth_file, Samples(samples.data, samples.trials, elsewhere))
    trials = samples.trials.copy()
    trials["stimulus_set"] = "letters"
    with pytest.raises(DataError, match="letters"):
        read_truth(truth_file, Samples(samples.data, trials, samples.voxels))
    trials = samples.trials.copy()
    trials.loc[0, "block"] = 99
    with pytest.raises(LabelMismatchError, match="block-99"):
        true_blocks(truth_file, Samples(samples.data, trials, samples.voxels))


# Responses ------------------------------------------------------------------------------------------------------------


def test_correlation_is_that_of_numpy_and_nan_where_nothing_varies(rng):
    a, b = rng.standard_normal((2, 9, 4))
    b[:, 2] = 3.0
    r = responses.column_correlation(a, b)
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in (0, 1, 3)]
    np.testing.assert_allclose(r[[0, 1, 3]], expected)
    assert np.isnan(r[2])


def test_without_noise_all_is_recovered(known, voxels, truth_file):
    samples, clean = make_samples(known, voxels, np.random.default_rng(0), noise=0.0)
    rows = responses.response_rows(samples, read_truth(truth_file, samples), "train")
    assert [row["value"] for row in rows] == pytest.approx([1.0] * 8, abs=1e-6)
    assert {row["roi"] for row in rows} == {"V1", "VC"}
    # Of 3 + 0.5 × the true response, half the amplitude is left and nothing else is lost.
    halved = Samples((3 + 0.5 * clean).astype(np.float32), samples.trials, samples.voxels)
    rows = responses.roi_rows(halved, clean)
    for measure, expected in (("roi_correlation", 1.0), ("roi_amplitude", 0.5), ("roi_gain", 0.5)):
        assert value_of(rows, measure, roi="V1", stimulus_set="test") == pytest.approx(expected, abs=1e-5)


def test_noise_alone_leaves_what_the_ceiling_says(truth_file, scanned):
    samples, clean = scanned
    truth = read_truth(truth_file, samples)
    rows = responses.response_rows(samples, truth, "train")
    for name, (n, _) in SETS.items():
        for measure, count in (("voxel_correlation", N_VOXELS), ("pattern_correlation", n)):
            place = {"roi": "VC", "stimulus_set": name}
            assert value_of(rows, measure, "share_of_ceiling", **place) == pytest.approx(1, abs=0.08)
            assert value_of(rows, measure, "n", **place) == count
    assert value_of(rows, "voxel_correlation", roi="VC", stimulus_set="train") < 0.65
    # The slope does not see noise that is independent of the signal; the ratio of deviations does.
    rows = responses.roi_rows(samples, clean)
    assert value_of(rows, "roi_gain", roi="VC", stimulus_set="test") == pytest.approx(1, abs=0.35)
    assert value_of(rows, "roi_amplitude", roi="VC", stimulus_set="test") > 1.2


def test_a_voxel_without_signal_is_not_counted(truth_file, scanned):
    samples = Samples(scanned[0].data.copy(), scanned[0].trials, scanned[0].voxels)
    samples.data[:, 0] = 4.0
    rows = responses.response_rows(samples, read_truth(truth_file, samples), "train")
    assert value_of(rows, "voxel_correlation", "n", roi="VC", stimulus_set="test") == N_VOXELS - 1
    assert np.isfinite(value_of(rows, "pattern_correlation", roi="VC", stimulus_set="test"))


def test_expected_pattern_correlation_is_that_of_many_draws(rng):
    gain, ceiling = rng.uniform(0.1, 0.9, (2, 400))
    ceiling[:40] = 0  # voxels that show nothing but noise
    true = rng.standard_normal((5, 400)) + 0.5
    kept = np.where(ceiling > 0, gain, 0) * true
    noise = kept.std(axis=0) * np.sqrt(1 / np.maximum(ceiling, 0.1) ** 2 - 1)
    noise[:40] = 1
    drawn = [
        responses.column_correlation(true.T, (kept + noise * rng.standard_normal(kept.shape)).T) for _ in range(400)
    ]
    expected = responses.expected_pattern_correlation(true, gain, ceiling)
    np.testing.assert_allclose(expected, np.mean(drawn, axis=0), atol=0.01)


def test_a_subject_without_signal_is_expected_at_zero(rng):
    true = rng.standard_normal((5, 30))
    np.testing.assert_allclose(responses.expected_pattern_correlation(true, np.zeros(30), np.zeros(30)), 0)


def test_the_ceiling_of_single_blocks_comes_from_that_of_means():
    for noise, repeats in ((0.5, 3), (2.0, 8), (0.0, 4)):
        single = responses.single_block(ceiling_of(noise, repeats), repeats)
        np.testing.assert_allclose(single, ceiling_of(noise, 1))
    assert responses.single_block(np.zeros(1), 5) == 0


# Space ----------------------------------------------------------------------------------------------------------------


def test_distance_between_estimated_and_true_place(scanned):
    samples = scanned[0]
    pose = rigid_matrix(np.array([3, -2, 1, 0.05, 0, -0.03]), np.zeros(3))
    shifted = pose.copy()
    shifted[:3, 3] += [0.3, 0.0, 0.4]
    rows = space.coregistration_rows(samples, shifted, pose)
    assert value_of(rows, "mean_distance") == pytest.approx(0.5)
    assert value_of(rows, "largest_distance") == pytest.approx(0.5)
    # A turn by a small angle about z moves each voxel by its distance from the axis times the angle.
    turned = rigid_matrix(np.array([0, 0, 0, 0, 0, 0.01]), np.zeros(3)) @ pose
    radius = np.hypot(
        *(samples.voxels[["voxel_x", "voxel_y", "voxel_z"]].to_numpy() @ pose[:3, :3].T + pose[:3, 3]).T[:2]
    )
    rows = space.coregistration_rows(samples, turned, pose)
    assert value_of(rows, "mean_distance") == pytest.approx(0.01 * radius.mean(), rel=1e-3)
    assert value_of(rows, "largest_distance") == pytest.approx(0.01 * radius.max(), rel=1e-3)


def test_the_reference_is_the_first_kept_volume_of_the_first_run(tmp_path):
    poses = np.arange(10)[:, None, None] * np.ones((10, 4, 4))
    rows = [f"volume-{i:04d}" for i in range(10)]
    write_arrays(tmp_path / "truth.h5", {"pose_ses-b01_run-01": LabelledArray(poses, rows)})
    motion = pd.DataFrame({"session": ["b01", "a01"], "run": ["01", "01"], "n_volumes": [7, 9]})
    assert space.reference_pose(motion, tmp_path / "truth.h5")[0, 0] == 3


def test_runs_count_by_their_volumes():
    motion = pd.DataFrame({"n_volumes": [100, 300], "rms_translation": [2.0, 0.0], "rms_rotation": [0.0, 1.0]})
    rows = space.motion_rows(motion)
    assert value_of(rows, "translation_error") == pytest.approx(1.0)
    assert value_of(rows, "rotation_error") == pytest.approx(0.75**0.5)
    assert value_of(rows, "rotation_error", "n") == 400


# Predictions ----------------------------------------------------------------------------------------------------------

RIDGE = {"decoder": "ridge", "alpha": 0.1, "n_voxels": None}
TESTS = {"held-out": {"stimuli": "test", "training": "train"}}


def write_features(folder, known, make):
    files = {}
    for name, table_of_set in known.items():
        values = make(table_of_set.to_numpy())
        path = folder / name / "layer.h5"
        path.parent.mkdir()
        # Rows in another order than the responses.
        write_arrays(path, {"features": LabelledArray(values[::-1], list(table_of_set.index[::-1]))})
        files[name, "layer"] = path
    return files


@pytest.fixture
def noise_free(known):
    return {name: LabelledArray(t.to_numpy(), list(t.index)) for name, t in known.items()}


def test_linear_features_are_decoded_from_the_voxels_that_carry_them(noise_free, known, rng, tmp_path):
    weights = np.zeros((N_VOXELS, 2 * 3 * 3))
    weights[:20] = rng.standard_normal((20, 18))
    files = write_features(tmp_path, known, lambda x: (x @ weights).reshape(len(x), 2, 3, 3))
    first, last = np.arange(N_VOXELS) < 20, np.arange(N_VOXELS) >= 40
    settings = {"tests": TESTS, "layers": ["layer"], "decoder": RIDGE, "seed": 1}
    accuracy = predictions.noise_free_accuracy(noise_free, {"V1": first, "HVC": last}, files, settings)
    assert accuracy["V1", "held-out"] > 0.99
    assert abs(accuracy["HVC", "held-out"]) < 0.35


def test_a_null_subject_has_no_ceiling(noise_free, known, rng, tmp_path):
    files = write_features(tmp_path, known, lambda x: rng.standard_normal((len(x), 2, 3, 3)))
    silent = {name: LabelledArray(np.zeros_like(array.values), array.rows) for name, array in noise_free.items()}
    settings = {"tests": TESTS, "layers": ["layer"], "decoder": RIDGE, "seed": 1}
    accuracy = predictions.noise_free_accuracy(silent, {"VC": np.ones(N_VOXELS, dtype=bool)}, files, settings)
    assert np.isnan(accuracy["VC", "held-out"])


def test_the_ceiling_has_the_definition_of_the_accuracy_tables(noise_free, known, rng, tmp_path, monkeypatch):
    weights = rng.standard_normal((N_VOXELS, 18)) / 4
    made = {}

    def make(x):
        made[len(x)] = np.tanh(x @ weights) + 0.1 * rng.standard_normal((len(x), 18))
        made[len(x)][:, 4] = 2.0
        return made[len(x)].reshape(len(x), 2, 3, 3)

    files = write_features(tmp_path, known, make)
    settings = {"tests": TESTS, "layers": ["layer"], "decoder": RIDGE, "seed": 1}
    everywhere = {"VC": np.ones(N_VOXELS, dtype=bool)}
    seen = {}
    original = predictions.column_correlation
    monkeypatch.setattr(
        predictions, "column_correlation", lambda a, b: seen.update(decoded=a, true=b) or original(a, b)
    )
    found = predictions.noise_free_accuracy(noise_free, everywhere, files, settings)["VC", "held-out"]
    np.testing.assert_allclose(seen["true"], made[12])  # all units, in C order, rows joined by name
    accuracy = FeatureAccuracy(np.arange(12), 12)
    accuracy.add(seen["decoded"], made[12], np.zeros(18), np.ones(18))
    assert found == pytest.approx(float(accuracy.unit_correlation()))
    # A random choice of units stays near the mean over all of them.
    monkeypatch.setattr(predictions, "UNITS", 9)
    chosen = predictions.noise_free_accuracy(noise_free, everywhere, files, settings)["VC", "held-out"]
    assert seen["true"].shape == (12, 9)
    assert chosen == pytest.approx(found, abs=0.2)


def test_feature_rows_average_the_layers_of_a_test():
    accuracy = pd.DataFrame(
        {
            "roi": ["V1", "V1", "V1", "VC"],
            "test": "held-out",
            "stimulus_set": "test",
            "metric": ["unit_correlation", "unit_correlation", "pattern_correlation", "unit_correlation"],
            "value": [0.2, 0.4, 0.9, 0.5],
        }
    )
    rows = predictions.feature_rows(accuracy, {("V1", "held-out"): 0.6})
    assert value_of(rows, "unit_correlation", roi="V1") == pytest.approx(0.3)
    assert value_of(rows, "unit_correlation", "share_of_ceiling", roi="V1") == pytest.approx(0.5)
    assert value_of(rows, "unit_correlation", "n", roi="V1") == 2
    assert np.isnan(value_of(rows, "unit_correlation", "ceiling", roi="VC"))


def test_image_rows_count_identification_from_chance():
    keys = {"test": "test", "stimulus_set": "test"}
    scores = pd.DataFrame(
        [
            {**keys, "roi": roi, "metric": metric, "value": value}
            for roi, values in {"VC": (0.2, 0.4), "ceiling": (0.9, 0.7)}.items()
            for value in values
            for metric in ("pixel_correlation", "ssim")
        ]
    )
    permutations = pd.DataFrame(
        [
            {**keys, "roi": "VC", "metric": "pixel_identification", "value": 0.8, "chance": 0.5, "n_rows": 2},
            {**keys, "roi": "ceiling", "metric": "pixel_identification", "value": 1.0, "chance": 0.6, "n_rows": 2},
        ]
    )
    rows = predictions.image_rows(scores, permutations, "ceiling")
    assert value_of(rows, "pixel_correlation") == pytest.approx(0.3)
    assert value_of(rows, "pixel_correlation", "ceiling") == pytest.approx(0.8)
    assert value_of(rows, "pixel_correlation", "n") == 2
    assert value_of(rows, "pixel_identification", "share_of_ceiling") == pytest.approx(0.3 / 0.4)
    without = predictions.image_rows(
        scores[scores["roi"] == "VC"], permutations[permutations["roi"] == "VC"], "ceiling"
    )
    assert np.isnan(value_of(without, "pixel_correlation", "share_of_ceiling"))


# Table ----------------------------------------------------------------------------------------------------------------


def test_rows_become_a_table_with_every_column_described():
    rows = [table.recovery_row("voxel_correlation", 0.3, 5, roi="V1", stimulus_set="test", ceiling=0.6)]
    rows.append(table.recovery_row("voxel_correlation", 0.1, 5, roi="V1", stimulus_set="shapes", ceiling=0.0))
    made = table.recovery_table(rows, "phantom", "01", True)
    assert list(made) == list(table.RECOVERY_COLUMNS)
    assert made["share_of_ceiling"][0] == pytest.approx(0.5)
    assert np.isnan(made["share_of_ceiling"][1])  # a subject without signal has no ceiling to reach
    assert made["stage"][0] == "block responses"
    with pytest.raises(KeyError):
        table.recovery_row("unheard-of", 0.0, 1)
