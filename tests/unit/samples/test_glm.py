"""General linear model of a run against nilearn, statsmodels, scikit-learn and known responses."""

import logging

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix
from scipy.signal import lfilter
from sklearn.linear_model import Ridge

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.design import block_design
from fmri2image.samples.events import stimulus_blocks
from fmri2image.samples.glm import GlmSettings, block_betas

SECONDS, DISCARDED = 2.0, 4
NAMES = ["a", "b", "b", "c", "a", "d", "e", "c"]  # the second b is a one-back repetition
EXACT = GlmSettings(noise_model="ols", high_pass=None)


def make_events(names, gap, duration=8.0):
    """Return the events of a run: stimuli every `duration` + `gap` s, equal neighbours are one-back repetitions."""
    onsets = 24 + (duration + gap) * np.arange(len(names))
    again = [at > 0 and names[at - 1] == name for at, name in enumerate(names)]
    kinds = ["repetition" if repeated else "stimulus" for repeated in again]
    return pd.DataFrame({"event": kinds, "onset": onsets, "duration": duration, "stimulus_name": names})


def make_times(events, after=24.0):
    """Return the moments of the kept volumes."""
    end = float((events["onset"] + events["duration"]).max()) + after
    return np.arange(DISCARDED, int(end / SECONDS)) * SECONDS


def respond(events, times, amplitudes):
    """Return the signal (T, V) that events of the given amplitudes (n_events, V) evoke, by nilearn."""
    apart = events[["onset", "duration"]].assign(trial_type=[f"e{at:03d}" for at in range(len(events))])
    design = make_first_level_design_matrix(times, apart, "spm", drift_model=None).iloc[:, : len(events)]
    return design.to_numpy() @ amplitudes


def noise(rng, n_volumes, n_voxels, rho):
    """Return autoregressive noise (T, V) of standard deviation 1."""
    drawn = rng.standard_normal((n_volumes + 50, n_voxels)) * np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], drawn, axis=0)[50:]


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_betas_are_those_of_nilearns_first_level_model(noise_model):
    rng = np.random.default_rng(0)
    events = make_events(NAMES, gap=8)
    times = make_times(events)
    motion = rng.normal(0, 0.1, (len(times), 6)).cumsum(axis=0)
    signal = 100 + respond(events, times, rng.normal(2, 1, (len(NAMES), 12)))
    signal = signal + noise(rng, len(times), 12, 0.4) + motion @ rng.normal(0, 1, (6, 12))
    blocks = stimulus_blocks(events)
    ours = block_betas(signal, blocks, events, times, motion, GlmSettings(noise_model=noise_model, high_pass=100))

    image = nib.Nifti1Image(signal.T.reshape(3, 2, 2, -1), np.eye(4))
    mask = nib.Nifti1Image(np.ones((3, 2, 2), dtype=np.uint8), np.eye(4))
    model = FirstLevelModel(
        t_r=SECONDS, hrf_model="spm", noise_model=noise_model, high_pass=0.01, mask_img=mask, signal_scaling=False,
        minimize_memory=False, standardize=False, smoothing_fwhm=None,
    )  # fmt: skip
    kinds = [f"t{at}" if kind == "stimulus" else kind for at, kind in enumerate(events["event"])]
    design = make_first_level_design_matrix(
        times, events[["onset", "duration"]].assign(trial_type=kinds), "spm", "cosine", 0.01, add_regs=motion
    )
    model.fit(image, design_matrices=design)
    for row, at in enumerate(np.flatnonzero(events["event"] == "stimulus")):
        effect = model.compute_contrast(f"t{at}", output_type="effect_size").get_fdata().ravel()
        # The autoregressive coefficient is cut to hundredths on both sides; a voxel may fall into the neighbouring bin.
        np.testing.assert_allclose(ours.betas[row], effect, atol=1e-6 if noise_model == "ols" else 5e-3)


def test_known_responses_come_back_under_autoregressive_noise():
    rng = np.random.default_rng(1)
    names = [f"s{at:02d}" for at in range(20)]
    events = make_events(names, gap=10)
    times = make_times(events)
    true = rng.normal(1, 1, (20, 200))
    signal = 500 + respond(events, times, true) + noise(rng, len(times), 200, 0.6)
    blocks = stimulus_blocks(events)
    error = {}
    for model in ("ols", "ar1"):
        betas = block_betas(signal, blocks, events, times, None, GlmSettings(noise_model=model, high_pass=None)).betas
        error[model] = np.sqrt(np.square(betas - true).mean())
        assert abs((betas - true).mean()) < 0.05
        assert np.polyfit(true.ravel(), betas.ravel(), 1)[0] == pytest.approx(1, abs=0.05)
    assert error["ar1"] < 1.0
    assert error["ar1"] < 1.02 * error["ols"]


def test_repetitions_and_left_out_stimuli_have_regressors_of_their_own():
    events = make_events(NAMES, gap=0)
    times = make_times(events)
    amplitudes = np.arange(1.0, 9)[:, None] * [[1.0, -2.0]]
    signal = 50 + respond(events, times, amplitudes)
    blocks = stimulus_blocks(events)
    ours = block_betas(signal, blocks, events, times, None, EXACT)
    np.testing.assert_allclose(ours.betas, amplitudes[[0, 1, 3, 4, 5, 6, 7]], atol=1e-6)
    kept = blocks.drop(index=3).reset_index(drop=True)
    np.testing.assert_allclose(
        block_betas(signal, kept, events, times, None, EXACT).betas, amplitudes[[0, 1, 3, 5, 6, 7]], atol=1e-6
    )
    # Without the repetition among the events its response goes to its neighbours.
    blind = block_betas(signal, blocks, events[events["event"] == "stimulus"], times, None, EXACT)
    assert np.abs(blind.betas - ours.betas).max() > 0.5


def test_presentations_of_a_stimulus_share_a_row():
    events = make_events(NAMES, gap=6)
    times = make_times(events)
    amplitude = {"a": 1.0, "b": 2.0, "c": -1.0, "d": 4.0, "e": 0.5}
    signal = respond(events, times, np.array([[amplitude[name]] for name in NAMES])) + 9
    blocks = stimulus_blocks(events)
    together = block_betas(
        signal, blocks, events, times, None, GlmSettings("stimulus", high_pass=None, noise_model="ols")
    )
    assert together.row_of_block.tolist() == [0, 1, 2, 0, 3, 4, 2]
    assert together.first_blocks.tolist() == [0, 1, 2, 4, 5]
    assert together.n_blocks.tolist() == [2, 1, 2, 1, 1]
    np.testing.assert_allclose(together.betas[:, 0], [1, 2, -1, 4, 0.5], atol=1e-6)
    apart = block_betas(signal, blocks, events, times, None, EXACT)
    assert apart.row_of_block.tolist() == list(range(7))
    np.testing.assert_allclose(apart.betas[:, 0], [1, 2, -1, 1, 4, 0.5, -1], atol=1e-6)


def test_imagery_is_the_event_and_cues_are_modelled_beside_it():
    rows, amplitudes = [], []
    for at, (name, amplitude) in enumerate([("x", 1.0), ("y", -2.0), ("x", 1.5)]):
        for kind, start, seconds, height in (
            ("cue", 0, 4, 5.0),
            ("imagery", 4, 8, amplitude),
            ("evaluation", 12, 3, -3.0),
        ):
            rows.append((kind, 32 + 20 * at + start, seconds, name))
            amplitudes.append([height])
    events = pd.DataFrame(rows, columns=["event", "onset", "duration", "stimulus_name"])
    times = make_times(events)
    signal = respond(events, times, np.array(amplitudes))
    blocks = stimulus_blocks(events, start="cue")
    ours = block_betas(signal, blocks, events, times, None, EXACT)
    np.testing.assert_allclose(ours.betas[:, 0], [1, -2, 1.5], atol=1e-6)
    shared = block_betas(
        signal, blocks, events, times, None, GlmSettings("stimulus", noise_model="ols", high_pass=None)
    )
    assert shared.row_of_block.tolist() == [0, 1, 0]


def test_separate_models_are_those_of_statsmodels():
    rng = np.random.default_rng(2)
    events = make_events(NAMES, gap=2)
    times = make_times(events)
    motion = rng.standard_normal((len(times), 3))
    signal = 10 + respond(events, times, rng.normal(1, 1, (8, 5))) + rng.standard_normal((len(times), 5))
    blocks = stimulus_blocks(events)
    settings = GlmSettings(noise_model="ols", separate=True)
    ours = block_betas(signal, blocks, events, times, motion, settings).betas
    repeated = events["event"] == "repetition"
    for row, onset in enumerate(blocks["onset"]):
        kinds = np.where(events["onset"] == onset, "this", np.where(repeated, "repetition", "others"))
        shown = events[["onset", "duration"]].assign(trial_type=kinds)
        design = make_first_level_design_matrix(times, shown, "spm", "cosine", 1 / 128, add_regs=motion)
        expected = [sm.OLS(voxel, design).fit().params["this"] for voxel in signal.T]
        np.testing.assert_allclose(ours[row], expected, rtol=1e-6, atol=1e-8)
    # Under autoregressive noise: close to the truth too, and not the same.
    prewhitened = block_betas(signal, blocks, events, times, motion, GlmSettings(separate=True)).betas
    assert 1e-6 < np.abs(prewhitened - ours).max() < 1


def test_ridge_is_that_of_scikit_learn_and_shrinks_lone_blocks_as_said():
    rng = np.random.default_rng(3)
    events = make_events(["a", "b", "c"], gap=40)
    times = make_times(events, after=60)
    signal = respond(events, times, rng.uniform(2, 4, (3, 4))) + 0.1 * rng.standard_normal((len(times), 4))
    blocks = stimulus_blocks(events)
    settings = GlmSettings(noise_model="ols", high_pass=None, ridge=1.0)
    ours = block_betas(signal, blocks, events, times, None, settings).betas
    rows = block_design(blocks, events, times, None, settings).rows
    centred = rows - rows.mean(axis=0)
    penalty = np.square(centred).sum() / 3
    expected = Ridge(alpha=penalty).fit(centred, signal - signal.mean(axis=0)).coef_.T
    np.testing.assert_allclose(ours, expected, atol=1e-8)
    # Blocks far from each other, but for the common mean: about one half.
    plain = block_betas(signal, blocks, events, times, None, EXACT).betas
    np.testing.assert_allclose(ours / plain, 0.5, atol=0.15)


def test_ridge_finds_its_strength_and_helps_where_blocks_follow_each_other():
    rng = np.random.default_rng(4)
    names = [f"s{at:02d}" for at in range(30)]
    events = make_events(names, gap=0)
    times = make_times(events, after=8)
    true = rng.normal(1, 1, (30, 150))
    clean, errors = 100 + respond(events, times, true), noise(rng, len(times), 150, 0.3)
    blocks = stimulus_blocks(events)

    def correlate(betas):
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(betas.T, true.T, strict=True)])

    settings = GlmSettings(ridge="auto")
    auto = block_betas(clean + 2 * errors, blocks, events, times, None, settings).betas
    plain = block_betas(clean + 2 * errors, blocks, events, times, None, GlmSettings()).betas
    assert correlate(auto) > correlate(plain) + 0.1
    assert auto.std() < plain.std()
    # Little noise, little shrinkage.
    quiet = block_betas(
        clean + 0.02 * errors, blocks, events, times, None, GlmSettings(ridge="auto", high_pass=None)
    ).betas
    assert correlate(quiet) > 0.95
    # Names play no part.
    renamed = blocks.assign(stimulus_name=rng.permutation(blocks["stimulus_name"]))
    np.testing.assert_array_equal(block_betas(clean + 2 * errors, renamed, events, times, None, settings).betas, auto)


def test_a_design_that_does_not_determine_the_betas_stops_and_ridge_survives_it():
    events = make_events([f"s{at}" for at in range(40)], gap=0, duration=1.5)
    times = make_times(events, after=6)
    blocks = stimulus_blocks(events)
    signal = np.random.default_rng(5).standard_normal((len(times), 3)) + 50
    with pytest.raises(DataError, match="40 betas of 40 blocks beside .* other columns for 41 volumes"):
        block_betas(signal, blocks, events, times, None)
    assert np.isfinite(block_betas(signal, blocks, events, times, None, GlmSettings(ridge="auto")).betas).all()


def test_a_block_after_the_last_volume_stops():
    events = make_events(["a", "b", "c"], gap=4)
    times = make_times(events)
    blocks = stimulus_blocks(events)
    signal = np.ones((len(times), 2))
    late = times < events["onset"].iloc[2]
    with pytest.raises(DataError, match="The block at 48 s evokes nothing in the volumes"):
        block_betas(signal[late], blocks, events, times[late], None)


def test_confounds_that_are_constant_or_repeat_each_other_do_no_harm():
    rng = np.random.default_rng(6)
    events = make_events(NAMES, gap=6)
    times = make_times(events)
    signal = respond(events, times, rng.normal(2, 1, (8, 4))) + rng.standard_normal((len(times), 4))
    blocks = stimulus_blocks(events)
    motion = rng.standard_normal((len(times), 2))
    poor = np.column_stack([motion, motion[:, :1] * 1e-4 + 3, np.zeros(len(times)), np.ones(len(times))])
    expected = block_betas(signal, blocks, events, times, motion).betas
    np.testing.assert_allclose(block_betas(signal, blocks, events, times, poor).betas, expected, atol=1e-6)
    none = block_betas(signal, blocks, events, times, np.empty((len(times), 0))).betas
    np.testing.assert_allclose(none, block_betas(signal, blocks, events, times, None).betas)


def test_blocks_without_rest_and_a_high_pass_filter_are_warned_of(caplog):
    names = [f"s{at:02d}" for at in range(50)]
    for gap, high_pass, warned in ((0, 128, True), (12, 128, False), (0, None, False)):
        events = make_events(names, gap=gap)
        times = make_times(events, after=6)
        signal = np.random.default_rng(7).standard_normal((len(times), 2))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            settings = GlmSettings(high_pass=high_pass)
            block_betas(signal, stimulus_blocks(events), events, times, None, settings, name="run-07")
        assert ("run-07: noise in the betas of its 50 rows has" in caplog.text) == warned


def test_the_inflation_is_the_variance_of_the_betas():
    rng = np.random.default_rng(8)
    events = make_events([f"s{at}" for at in range(6)], gap=0)
    times = make_times(events)
    design = block_design(stimulus_blocks(events), events, times, None, EXACT)
    signal = rng.standard_normal((len(times), 4000))
    measured = block_betas(signal, stimulus_blocks(events), events, times, None, EXACT).betas.var(axis=1)
    alone = 1 / np.square(design.rows - design.rows.mean(axis=0)).sum(axis=0)
    np.testing.assert_allclose(measured / alone, design.inflation, rtol=0.15)


def test_voxels_without_signal():
    rng = np.random.default_rng(9)
    events = make_events(NAMES, gap=6)
    times = make_times(events)
    signal = rng.standard_normal((len(times), 4))
    signal[3, 1], signal[:, 2] = np.nan, 7
    blocks = stimulus_blocks(events)
    for settings in (GlmSettings(), GlmSettings(separate=True), GlmSettings(ridge="auto")):
        betas = block_betas(signal, blocks, events, times, None, settings).betas
        assert np.isnan(betas[:, 1]).all()
        assert (betas[:, 2] == 0).all()
        alone = block_betas(signal[:, [0, 3]], blocks, events, times, None, settings).betas
        np.testing.assert_allclose(betas[:, [0, 3]], alone)


def test_a_derivative_takes_up_a_delay():
    events = make_events([f"s{at}" for at in range(8)], gap=12, duration=2)
    times = make_times(events)
    late = respond(events.assign(onset=events["onset"] + 0.7), times, np.full((8, 1), 3.0))
    blocks = stimulus_blocks(events)
    plain = block_betas(late, blocks, events, times, None, EXACT).betas
    both = block_betas(late, blocks, events, times, None, GlmSettings("trial", "spm + derivative", "ols", None)).betas
    assert both.shape == plain.shape
    design = make_first_level_design_matrix(
        times,
        events[["onset", "duration"]].assign(trial_type=events["stimulus_name"]),
        "spm + derivative",
        drift_model=None,
    )
    expected = np.linalg.lstsq(design.to_numpy(), late, rcond=None)[0][
        [design.columns.get_loc(f"s{at}") for at in range(8)]
    ]
    np.testing.assert_allclose(both, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows": "image"}, "rows is 'image'; it can be trial, stimulus"),
        ({"hrf": "fir"}, "hrf is 'fir'"),
        ({"noise_model": "ar2"}, "noise_model is 'ar2'"),
        ({"high_pass": 0}, "high_pass is 0"),
        ({"ridge": -1}, "ridge is '-1'"),
        ({"ridge": "best"}, "ridge is 'best'"),
        ({"ridge": "auto", "separate": True}, "choose one of them"),
        ({"separate": True, "hrf": "spm + derivative"}, "need an hrf without derivative"),
    ],
)
def test_settings_that_mean_nothing(settings, message):
    with pytest.raises(ConfigError, match=message):
        GlmSettings(**settings)


def test_a_block_that_other_events_take_up_wholly_stops():
    events = make_events(NAMES, gap=8)
    twin = events.iloc[[4]].assign(event="repetition")  # shown at the same time as a block of its own
    events = pd.concat([events[events["event"] == "stimulus"], twin]).sort_values("onset").reset_index(drop=True)
    blocks, times = stimulus_blocks(events), make_times(events)
    with pytest.raises(DataError, match="betas of"):
        block_betas(np.ones((len(times), 2)), blocks, events, times, None, EXACT)
