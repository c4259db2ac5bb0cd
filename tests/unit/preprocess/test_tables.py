"""Motion tables."""

import json

import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.realign import MotionFit
from fmri2image.preprocess.tables import framewise_displacement, motion_table, read_motion, write_motion


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


def test_round_trip(tmp_path, fit):
    path = tmp_path / "sub-01_run-01_desc-confounds_timeseries.tsv"
    write_motion(path, motion_table(fit), {"Simulated": True})
    table = read_motion(path)
    np.testing.assert_allclose(table[list(PARAMETERS)], fit.parameters, rtol=1e-6)
    assert path.read_text().splitlines()[1].split("\t")[6] == "n/a"
    assert list(table["converged"]) == [1, 1, 1, 1, 0]
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["Simulated"] is True
    assert set(table.columns) <= set(sidecar)
    assert sidecar["rot_x"]["Units"] == "rad"


def test_bad_tables_are_named(tmp_path, fit):
    path = tmp_path / "motion.tsv"
    with pytest.raises(DataError, match=r"motion\.tsv does not exist"):
        read_motion(path)
    motion_table(fit).drop(columns="rot_z").to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="lacks the motion column.*rot_z"):
        read_motion(path)
    table = motion_table(fit).astype({"trans_x": object})
    table.loc[2, "trans_x"] = "oops"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(DataError, match="trans_x"):
        read_motion(path)
    path.write_text("")
    with pytest.raises(DataError, match="tab-separated"):
        read_motion(path)
