"""The engine ANTs: settings and transforms here, registrations in an environment of their own beside our estimate."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.preprocess.ants import AntsSettings, fit_run, from_itk
from fmri2image.preprocess.realign import fit_run as fit_ours

ROOT = Path(__file__).resolve().parents[3]
REAL = "epi_motion_bids/sub-01/func/sub-01_task-rest_run-01_bold.nii.gz"
SHAPE = (48, 40, 30)
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from fmri2image.preprocess.ants import AntsSettings, fit_run
file = np.load(sys.argv[2])
fits = {}
for transform in ("Rigid", "BOLDRigid"):
    arguments = (file["volumes"], file["affine"], file["reference"], file["reference_affine"])
    fit = fit_run(*arguments, AntsSettings(transform), threads=1)
    fits |= {transform: fit.parameters, transform + "_correlation": fit.correlation}
    fits |= {transform + "_converged": fit.converged, transform + "_scale": fit.scale}
np.savez(sys.argv[3], torch="torch" in sys.modules, **fits)
"""


def test_without_antspyx_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ants", None)
    volume = np.ones((1, 8, 8, 8))
    with pytest.raises(ConfigError, match=r"antspyx.*envs/ants\.yaml"):
        fit_run(volume, np.eye(4), volume[0], np.eye(4))


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match="SyN"):
        AntsSettings(transform="SyN")
    with pytest.raises(ConfigError, match="seed"):
        AntsSettings(seed=0)


def test_itk_transforms_become_poses():
    pose = rigid_matrix(np.array([3.0, -2.0, 1.0, 0.1, -0.2, 0.3]), np.array([10.0, 20.0, -5.0]))
    flip = np.diag([-1.0, -1.0, 1.0])
    centre = np.array([4.0, 5.0, 6.0])
    linear = flip @ pose[:3, :3] @ flip
    translation = flip @ pose[:3, 3] - centre + linear @ centre
    np.testing.assert_allclose(from_itk(np.concatenate([linear.ravel(), translation]), centre), pose, atol=1e-12)


def run_ants(folder: Path, **arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameters and correlation of both kinds of registration, made in an environment with antspyx."""
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    from ants_environment import ants_python

    python = ants_python(folder.parent / "ants")
    np.savez(folder / "in.npz", **arrays)
    command = [python, "-c", RUN, ROOT / "workflow", folder / "in.npz", folder / "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "out.npz") as file:
        return dict(file)


@pytest.mark.slow
def test_known_motion_is_recovered_and_ours_is_at_least_as_accurate(head, tmp_path):
    from head import acquire, motion_errors, slab_affine

    from fmri2image.core.geometry import grid_centre

    rng = np.random.default_rng(0)
    affine, reference_affine = slab_affine(SHAPE), slab_affine(SHAPE, oblique=-0.05)
    truth = rng.uniform(-1, 1, (4, 6)) * [1.5, 1.5, 1.5, 0.02, 0.02, 0.02]
    poses = rigid_matrix(truth, grid_centre(SHAPE, reference_affine))
    volumes = np.stack([acquire(*head, pose, SHAPE, affine) for pose in poses])
    volumes = (1.1 * volumes + 50 + rng.normal(0, 700 / 60, volumes.shape)).astype(np.float32)
    reference = (acquire(*head, np.eye(4), SHAPE, reference_affine) + 50 + rng.normal(0, 2, SHAPE)).astype(np.float32)
    arrays = {"volumes": volumes, "affine": affine, "reference": reference, "reference_affine": reference_affine}
    found = run_ants(tmp_path, **arrays)
    ours = motion_errors(fit_ours(*arrays.values()).parameters, truth)
    assert not found["torch"]
    for transform in ("Rigid", "BOLDRigid"):
        theirs = motion_errors(found[transform], truth)
        print(json.dumps({"transform": transform, "ants": theirs, "ours": ours}))
        assert theirs[0] < 0.15
        assert theirs[1] < 0.15
        assert found[transform + "_converged"].all()
        assert (found[transform + "_correlation"] > 0.9).all()
        np.testing.assert_allclose(found[transform + "_scale"], 1.1, rtol=0.03)
        assert ours[0] <= 1.1 * theirs[0]
        assert ours[1] <= 1.1 * theirs[1]


@pytest.mark.slow
def test_small_moves_of_a_real_run_agree_with_ours(tmp_path):
    from fmri2image.preprocess.images import read_bold

    folder = os.environ.get("FMRI2IMAGE_SHARED_DATA") or ROOT.parent / "shared" / "data"
    path = Path(folder) / REAL
    if not path.is_file():
        pytest.skip(f"no {REAL} in FMRI2IMAGE_SHARED_DATA or ../shared/data")
    volumes, affine = read_bold(path)
    fit = fit_ours(volumes, affine, volumes[0], affine)
    small = [0, 1, 5, 9]
    found = run_ants(tmp_path, volumes=volumes[small], affine=affine, reference=volumes[0], reference_affine=affine)
    difference = fit.parameters[small] - found["BOLDRigid"]
    print(np.round(difference * [1, 1, 1, 57.3, 57.3, 57.3], 3))
    assert np.sqrt((difference[:, :3] ** 2).mean()) < 0.15
    assert np.degrees(np.sqrt((difference[:, 3:] ** 2).mean())) < 0.15
