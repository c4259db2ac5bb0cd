"""Motion correction by ANTs (Avants et al. 2011, NeuroImage 54:2033), through antspyx, as an alternative engine.

Every volume is registered to the reference on its own. antspyx pins older numpy and scipy than the other packages, so
this module is imported in an environment of its own, without torch.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy import ndimage

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_parameters
from fmri2image.preprocess.motion import MotionFit

TRANSFORMS = ("Rigid", "BOLDRigid")
# World of ITK (left, posterior, superior) from that of NIfTI (right, anterior, superior).
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
BRIGHT = 0.2


@dataclass(frozen=True)
class AntsSettings:
    """Settings of the registration with ANTs.

    Parameters
    ----------
    transform : str
        ``Rigid`` (four resolutions, 6 to 1) or ``BOLDRigid`` (two, 2 and 1), the names of `ants.registration`.
    seed : int
        Of the random sampling of voxels; with one thread it makes the result repeatable.
    """

    transform: str = "Rigid"
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.transform not in TRANSFORMS:
            raise ConfigError(
                f"preprocess: ants: transform '{self.transform}' is unknown; use {' or '.join(TRANSFORMS)}."
            )
        if self.seed < 1:
            raise ConfigError(f"preprocess: ants: seed must be 1 or more; got {self.seed}.")


def fit_run(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: AntsSettings | None = None,
    threads: int = 1,
) -> MotionFit:
    """Estimate how each volume of a run is displaced from the reference.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world (RAS, mm) of the volumes.
    reference : array of shape (X', Y', Z')
    reference_affine : array of shape (4, 4)
    settings : AntsSettings, optional
    threads : int
        Threads of ITK; heeded if this is the first use of ANTs in the process.

    Returns
    -------
    fit : MotionFit
        ANTs does not say whether it converged: `converged` is False where the volume correlates less with the reference
        after alignment than before it, and `n_iterations` is 0.

    Raises
    ------
    ConfigError
        If antspyx is not installed.
    DataError
        If the grid is sheared, a volume holds values that are not finite, or the registration fails.
    """
    settings = settings or AntsSettings()
    if not len(volumes):
        raise DataError("There is no volume to realign; were all of them dropped?")
    ants = _ants(threads, settings.seed)
    reference = _finite(reference, "The reference volume")
    fixed = to_ants(ants, reference, reference_affine)
    chosen = reference > BRIGHT * np.percentile(reference, 98)
    at = np.argwhere(chosen) @ reference_affine[:3, :3].T + reference_affine[:3, 3]
    poses, scale, correlation, before = [], [], [], []
    for t, volume in enumerate(volumes):
        volume = _finite(volume, f"Volume {t} (counted from 0 after the dropped ones)")
        poses.append(_register(ants, fixed, to_ants(ants, volume, affine), settings, t))
        for pose, into in ((np.eye(4), before), (poses[-1], correlation)):
            into.append(_compare(volume, affine, reference[chosen], at, pose))
        scale.append(correlation[-1][1])
    found = np.array([value for value, _ in correlation])
    parameters = rigid_parameters(np.stack(poses), grid_centre(reference.shape, reference_affine))
    converged = (found > 0) & (found >= np.array([value for value, _ in before]) - 0.01)
    return MotionFit(parameters, np.array(scale), found, converged, np.zeros(len(found), dtype=int))


def _ants(threads: int, seed: int) -> ModuleType:
    """Import antspyx with its number of threads and seed."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    try:
        import ants  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "preprocess: engine: ants needs the package antspyx, which is not in this environment; run with "
            "'--sdm conda' (its environment is envs/ants.yaml), or pip install antspyx in an environment of its own."
        ) from error
    # This also sets one thread; ANTs takes 0 for "no seed".
    ants.config.set_ants_deterministic(True, seed_value=seed)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    return ants


def _finite(volume: np.ndarray, name: str) -> np.ndarray:
    volume = np.ascontiguousarray(volume, dtype=np.float32)
    if not np.isfinite(volume).all():
        raise DataError(f"{name} holds values that are not finite; check the BOLD file.")
    return volume


def to_ants(ants: ModuleType, volume: np.ndarray, affine: np.ndarray) -> object:
    """Return a volume (X, Y, Z) and its affine as an image of ANTs."""
    lps = FLIP @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-3):
        raise DataError("The voxel grid of the BOLD file is sheared, which ANTs cannot represent; use engine: realign.")
    # The nearest orthonormal directions: headers in single precision are off by 1e-7, which ITK refuses.
    left, _, right = np.linalg.svd(direction)
    return ants.from_numpy(volume, list(lps[:3, 3]), list(spacing), left @ right)


def _register(ants: ModuleType, fixed: object, moving: object, settings: AntsSettings, t: int) -> np.ndarray:
    """Return the pose (4, 4), RAS mm, that moves points of the reference to points of a volume."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = ants.registration(
                fixed, moving, type_of_transform=settings.transform, outprefix=str(Path(folder) / "volume_")
            )
            return read_pose(ants, result["fwdtransforms"][0])
        except (RuntimeError, IndexError) as error:
            raise DataError(
                f"ANTs could not register volume {t} (counted from 0): {error}; look at the run."
            ) from error


def read_pose(ants: ModuleType, path: str) -> np.ndarray:
    """Read a transform file of ANTs as the pose (4, 4), RAS mm, that moves points of the fixed to the moving image."""
    transform = ants.read_transform(path)
    return from_itk(np.asarray(transform.parameters), np.asarray(transform.fixed_parameters))


def from_itk(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turn ITK's affine transform into a pose in NIfTI's world.

    Parameters
    ----------
    parameters : array of shape (12,)
        A row by row, then the translation t, of ``y = A (x - centre) + centre + t`` in LPS mm, from fixed (reference) to
        moving (volume) points: the direction in which ITK resamples.
    centre : array of shape (3,)
        LPS mm.

    Returns
    -------
    pose : array of shape (4, 4)
        RAS mm, from reference points to volume points; a rotation and a shift, rounding errors of single precision
        removed.
    """
    linear = np.asarray(parameters, dtype=float)[:9].reshape(3, 3)
    left, _, right = np.linalg.svd(linear)
    pose = np.eye(4)
    pose[:3, :3] = left @ right
    pose[:3, 3] = np.asarray(parameters, dtype=float)[9:] + centre - linear @ centre
    return FLIP @ pose @ FLIP


def _compare(
    volume: np.ndarray, affine: np.ndarray, values: np.ndarray, points: np.ndarray, pose: np.ndarray
) -> tuple[float, float]:
    """Return correlation and intensity ratio of a volume and reference values (N,) at points (N, 3), RAS mm."""
    to_voxels = np.linalg.inv(affine) @ pose
    at = to_voxels[:3, :3] @ points.T + to_voxels[:3, 3:]
    limits = np.array(volume.shape)[:, None] - 1
    seen = np.all((at >= 0) & (at <= limits), axis=0)
    if seen.sum() < 2:
        return 0.0, 1.0
    found = ndimage.map_coordinates(volume, at[:, seen], order=1)
    expected = values[seen].astype(float)
    if found.std() == 0 or expected.std() == 0:
        return 0.0, 1.0
    return float(np.corrcoef(found, expected)[0, 1]), float((found @ expected) / (expected @ expected))
