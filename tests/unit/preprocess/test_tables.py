"""Tables of motion and other confounds."""

import json

import numpy as np
import pytest
from scipy.signal import lfilter

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess import tables
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.tables import (
    confounds_table,
    dvars,
    framewise_displacement,
    read_confounds,
    read_motion,
    write_confounds,
)


@pytest.fixture
def fit():
    """Five volumes."""
    rng = np.random.default_rng(0)
    parameters = rng.normal(0, [1] * 3 + [0.01] * 3, (5, 6))
    return MotionFit(parameters, np.ones(5), np.full(5, 0.99), np.array([1, 1, 1, 1, 0], dtype=bool), np.full(5, 4))


def test_framewise_displacement_by_hand():
    parameters = np.zeros((3, 6))
    parameters[1] = [0.1, -0.2, 0.3, 0.001, -0.002, 0.003]
    displacement = framewise_displacement(parameters)
    assert np.isnan(displacement[0])
    np.testing.assert_allclose(displacement[1:], 0.6 + 50 * 0.006)


def brain(n_volumes, n_voxels, memory, seed=0):
    """Return AR(1) signals of unlike levels and deviations."""
    rng = np.random.default_rng(seed)
    noise = lfilter([1], [1, -memory], rng.standard_normal((n_volumes + 50, n_voxels)), axis=0)[50:]
    return rng.uniform(300, 900, n_voxels) + noise * rng.uniform(2, 30, n_voxels)


def test_dvars_equal_the_definition_voxel_by_voxel(monkeypatch):
    signal = brain(60, 41, 0.4)
    signal[:, 5] = 7  # constant: takes no part
    signal[:, 6] = np.nan  # out of view
    expected_change, changes, kept = [], [], []
    for series in np.delete(signal, [5, 6], axis=1).T:
        ordered = np.sort(series)
        # Quartiles rounded down: position floor(0.25 * 59) and floor(0.75 * 59).
        deviation = (ordered[44] - ordered[14]) / 1.349
        deviations = series - series.mean()
        lag = (deviations[1:] @ deviations[:-1]) / (deviations @ deviations)
        expected_change.append(np.sqrt(2 * (1 - lag)) * deviation)
        changes.append(np.diff(series))
        kept.append(series)
    change = np.sqrt(np.mean(np.square(changes), axis=0))
    monkeypatch.setattr(tables, "BATCH", 7)
    plain, standardised = dvars(signal.astype(np.float32))
    np.testing.assert_allclose(plain[1:], change * 1000 / np.median(kept), rtol=1e-5)
    np.testing.assert_allclose(standardised[1:], change / np.mean(expected_change), rtol=1e-5)
    assert np.isnan([plain[0], standardised[0]]).all()


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_standardised_dvars_are_one_without_artefacts_and_show_a_spike(memory):
    signal = brain(200, 400, memory)
    signal[90] += 60
    _, standardised = dvars(signal)
    assert abs(np.median(standardised[1:]) - 1) < 0.15
    assert standardised[90] > 1.5
    assert standardised[91] > 1.5
    assert np.delete(standardised, [0, 90, 91]).max() < 1.5


def test_dvars_of_nothing_are_missing():
    assert np.isnan(dvars(np.full((4, 3), 5.0))).all()
    assert np.isnan(dvars(np.zeros((4, 0)))).all()


def test_round_trip(tmp_path, fit):
    path = tmp_path / "sub-01_run-01_desc-confounds_timeseries.tsv"
    signal = brain(5, 30, 0)
    write_confounds(path, confounds_table(fit, signal), {"Simulated": True})
    table = read_motion(path)
    np.testing.assert_allclose(table[list(PARAMETERS)], fit.parameters, rtol=1e-6)
    assert path.read_text().splitlines()[1].split("\t")[6:9] == ["n/a"] * 3
    np.testing.assert_allclose(table["std_dvars"], dvars(signal)[1], rtol=1e-6)
    assert list(table["converged"]) == [1, 1, 1, 1, 0]
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["Simulated"] is True
    assert set(table.columns) <= set(sidecar)
    assert sidecar["rot_x"]["Units"] == "rad"


def test_confounds_need_no_motion(tmp_path, fit):
    path = tmp_path / "confounds.tsv"
    table = confounds_table(fit).drop(columns=list(PARAMETERS))
    table["a_comp_cor_00"] = np.arange(5.0)
    described = {"a_comp_cor_00": {"Method": "aCompCor"}, "framewise_displacement": {"Description": "theirs"}}
    write_confounds(path, table, described)
    read = read_confounds(path)
    assert list(read) == ["framewise_displacement", "correlation", "converged", "a_comp_cor_00"]
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["a_comp_cor_00"] == {"Method": "aCompCor"}
    assert sidecar["framewise_displacement"] == {"Description": "theirs"}
    with pytest.raises(DataError, match="lacks the motion column"):
        read_motion(path)


def test_bad_tables_are_named(tmp_path, fit):
    path = tmp_path / "motion.tsv"
    for read in (read_motion, read_confounds):
        with pytest.raises(DataError, match=r"motion\.tsv does not exist"):
            read(path)
    confounds_table(fit).drop(columns="rot_z").to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="lacks the motion column.*rot_z"):
        read_motion(path)
    table = confounds_table(fit).astype({"trans_x": object})
    table.loc[2, "trans_x"] = "oops"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="trans_x"):
        read_motion(path)
    path.write_text("")
    with pytest.raises(DataError, match="tab-separated"):
        read_motion(path)
