"""The order of the cleaning steps, and the choice of confounds."""

import itertools

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.samples.cleaning import check_freedom, choose_confounds, clean_signal, design_regressors
from fmri2image.samples.settings import ORDER, SampleSettings

N_VOLUMES, SECONDS = 80, 2.0
REST = np.arange(N_VOLUMES) < 12
ORDERS = [order for n in range(4) for order in itertools.permutations(ORDER, n)]


@pytest.fixture
def run():
    """Return a run with a trend, motion and spikes: signal (T, V), motion (T, 6) and the task's response (T,)."""
    rng = np.random.default_rng(7)
    motion = np.cumsum(rng.normal(0, [0.1] * 3 + [0.002] * 3, (N_VOLUMES, 6)), axis=0)
    signal = (
        600 + rng.normal(0, 6, (N_VOLUMES, 8)) + 0.4 * np.arange(N_VOLUMES)[:, None] + motion @ rng.normal(0, 9, (6, 8))
    )
    signal[[20, 41], [2, 5]] += 300, -250
    return signal.astype(np.float32), motion, (np.arange(N_VOLUMES) % 20 > 10).astype(float)


def reference(signal, motion, order, normalise):
    """Clean with plain numpy: least squares with an intercept, per cent of rest or z-score, bounds of two SD."""
    signal = signal.astype(float)
    for step in order:
        mean, deviation = signal.mean(axis=0), signal.std(axis=0)
        if step == "regress":
            design = np.column_stack([np.ones(N_VOLUMES), np.arange(N_VOLUMES), motion])
            signal = signal - design @ np.linalg.lstsq(design, signal, rcond=None)[0] + mean
        elif step == "normalise" and normalise == "percent_signal":
            signal = 100 * (signal / signal[REST].mean(axis=0) - 1)
        elif step == "normalise" and normalise == "zscore":
            signal = (signal - mean) / deviation
        elif step == "despike":
            signal = np.minimum(np.maximum(signal, mean - 2 * deviation), mean + 2 * deviation)
    return signal


@pytest.mark.parametrize("normalise", ["percent_signal", "zscore", "none"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_every_order_matches_plain_numpy(run, order, normalise):
    signal, motion, response = run
    settings = SampleSettings(order=order, normalise=normalise, despike_threshold=2.0)
    found = clean_signal(signal, motion, REST, response, SECONDS, settings)
    np.testing.assert_allclose(found, reference(signal, motion, order, normalise), atol=3e-4)


def test_the_order_makes_a_difference(run):
    signal, motion, response = run
    results = [
        clean_signal(signal, motion, REST, response, SECONDS, SampleSettings(order=order, despike_threshold=2.0))
        for order in itertools.permutations(ORDER)
    ]
    for one, other in itertools.combinations(results, 2):
        assert np.abs(one - other).max() > 1e-3


def test_the_baseline_can_be_the_run_or_the_model(run):
    signal, motion, response = run
    exact = signal.astype(float)
    of_run = clean_signal(signal, motion, None, response, SECONDS, SampleSettings(order=["normalise"], baseline="run"))
    np.testing.assert_allclose(of_run, 100 * (exact / exact.mean(axis=0) - 1), atol=1e-3)
    modelled = clean_signal(
        signal, motion, None, response, SECONDS, SampleSettings(order=["normalise"], baseline="model")
    )
    level = np.linalg.lstsq(np.column_stack([response, np.ones(N_VOLUMES)]), exact, rcond=None)[0][1]
    np.testing.assert_allclose(modelled, 100 * (exact / level - 1), atol=1e-3)


def test_nothing_is_regressed_out_before_a_general_linear_model(run):
    signal, motion, response = run
    settings = SampleSettings(responses="glm", despike_threshold=2.0)
    found = clean_signal(signal, motion, REST, response, SECONDS, settings)
    expected = reference(signal, motion, ["normalise", "despike"], "percent_signal")
    np.testing.assert_allclose(found, expected, atol=3e-4)
    confounds = pd.DataFrame(motion, columns=list(PARAMETERS))
    assert list(design_regressors(confounds, settings)) == [*PARAMETERS, "linear_trend"]
    np.testing.assert_allclose(np.diff(design_regressors(confounds, settings)["linear_trend"]), 2 / (N_VOLUMES - 1))
    assert list(design_regressors(confounds, SampleSettings(responses="glm", linear_trend=False))) == list(PARAMETERS)


@pytest.fixture
def table(run):
    """Return a table with columns as fMRIPrep writes them."""
    columns = dict(zip(PARAMETERS, run[1].T, strict=True))
    for name in ("csf", "a_comp_cor_00", "a_comp_cor_01", "white_matter"):
        columns[name] = np.arange(N_VOLUMES) + float(len(name))
    columns["trans_x_derivative1"] = np.concatenate([[np.nan], np.diff(run[1][:, 0])])
    return pd.DataFrame(columns)


def test_confounds_are_chosen_by_name_and_pattern(table):
    settings = SampleSettings(confounds=["a_comp_cor_*", "trans_x*", "csf"])
    chosen = choose_confounds(table, settings, "confounds.tsv")
    assert list(chosen) == [*PARAMETERS, "a_comp_cor_00", "a_comp_cor_01", "trans_x_derivative1", "csf"]
    assert chosen["trans_x_derivative1"].iloc[0] == 0
    np.testing.assert_array_equal(chosen.iloc[1:], table[list(chosen)].iloc[1:])
    only = SampleSettings(confounds=["csf"], motion_regression=False)
    assert list(choose_confounds(table, only, "confounds.tsv")) == ["csf"]
    assert choose_confounds(table, SampleSettings(order=["normalise"]), "confounds.tsv").shape == (N_VOLUMES, 0)


def test_chosen_confounds_are_regressed_out(run, table):
    signal, _, response = run
    settings = SampleSettings(order=["regress"], motion_regression=False, confounds=["csf", "trans_x_derivative1"])
    table["csf"] = np.sin(np.arange(N_VOLUMES))
    chosen = choose_confounds(table, settings, "confounds.tsv")
    found = clean_signal(signal, chosen.to_numpy(), None, response, SECONDS, settings)
    assert np.abs(chosen["csf"].to_numpy() @ (found - found.mean(axis=0))).max() < 1e-6


def test_confounds_that_cannot_be_used_are_named(table):
    def refused(settings, changed=table):
        with pytest.raises(DataError) as caught:
            choose_confounds(changed, settings, "confounds.tsv")
        return str(caught.value)

    assert "no column 'acompcor*'" in refused(SampleSettings(confounds=["acompcor*"]))
    assert "it lacks rot_z" in refused(SampleSettings(), table.drop(columns="rot_z"))
    holed = table.copy()
    holed.loc[5, "csf"] = np.nan
    assert "confounds.tsv, line 7: a value is missing in column 'csf'" in refused(
        SampleSettings(confounds=["csf"]), holed
    )
    named = table.assign(state="still")
    assert "holds text in column 'state'" in refused(SampleSettings(confounds=["state"]), named)


def test_as_many_regressors_as_volumes_are_refused():
    settings = SampleSettings(high_pass=20.0)
    names = [f"a_comp_cor_{number:02}" for number in range(64)]
    with pytest.raises(DataError, match="confounds.tsv: 82 regressors for 80 volumes"):
        check_freedom(N_VOLUMES, names, settings, SECONDS, "confounds.tsv")
    check_freedom(N_VOLUMES, names[:61], settings, SECONDS, "confounds.tsv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": ["regress", "smooth"]}, "order is 'smooth'; it can be regress, normalise, despike"),
        ({"order": ["regress", "regress"]}, "order names a step twice"),
        ({"normalise": "percent"}, "normalise is 'percent'"),
        ({"baseline": "rest"}, "baseline is 'rest'"),
        ({"responses": "betas"}, "responses is 'betas'"),
        ({"incomplete_trials": "keep"}, "incomplete_trials is 'keep'"),
        ({"motion_limit": {"runs": "stop"}}, "motion_limit: runs is 'stop'"),
        ({"motion_limit": {"trials": "flag"}}, "motion_limit: trials is 'flag'"),
        ({"responses": "glm", "high_pass": 128.0}, "use samples: glm: high_pass"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SampleSettings(**settings)
