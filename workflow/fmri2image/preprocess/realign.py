"""Rigid motion correction by Gauss-Newton on the mean squared difference (Friston et al. 1995).

Hum. Brain Mapp. 3:165-189. Every volume is matched to one reference. Both are smoothed; the reference is looked at only
where its gradient is steep. The unknowns are six rigid parameters and one intensity scale per volume, as in SPM's
realignment. The derivatives belong to the reference and are computed once (the "inverse compositional" form of the same
normal equations), so that one iteration is one interpolation and two matrix products for all volumes together.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters
from fmri2image.preprocess.reslice import reslice
from fmri2image.preprocess.smooth import sample_linear, smooth_volumes, smoothing_matrices

FEWEST_POINTS = 100


@dataclass(frozen=True)
class RealignSettings:
    """Settings of the motion estimate; lengths in mm.

    Parameters
    ----------
    fwhm : float
        Smoothing of reference and volumes before they are compared; along an axis never less than 1.5 voxels.
    upsampling : int
        The smoothed volumes are kept on a grid this many times finer than the voxels and read by linear interpolation;
        2 makes the interpolation error negligible.
    n_points : int
        Number of reference voxels that are compared: those with the steepest gradient.
    mask_threshold : float
        Reference voxels darker than this fraction of the 98th percentile take no part.
    margin : float
        Points nearer than this to the border of the field of view, in the reference or in the volume, take no part,
        because there the smoothing sees only half of the head; never less than one voxel.
    tolerance : float
        A volume is done when one step moves no point 50 mm from the centre by more than this.
    max_iterations : int
        Most steps per level; there is one level with every eighth point and one with all of them.
    batch : int
        Number of volumes worked on at once; few of them stay in the processor's cache, a GPU likes many.
    dtype : str
        ``float32`` or ``float64``; the normal equations are always solved in float64.
    """

    fwhm: float = 5.0
    upsampling: int = 2
    n_points: int = 6000
    mask_threshold: float = 0.2
    margin: float = 5.0
    tolerance: float = 0.002
    max_iterations: int = 30
    batch: int = 8
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.dtype not in ("float32", "float64"):
            raise ConfigError(f"Realignment dtype '{self.dtype}' is unknown; use 'float32' or 'float64'.")
        if self.upsampling < 1 or self.fwhm <= 0 or self.n_points < FEWEST_POINTS:
            raise ConfigError(
                f"Realignment needs upsampling ≥ 1, fwhm > 0 and n_points ≥ {FEWEST_POINTS}; got {self.upsampling}, "
                f"{self.fwhm} and {self.n_points}."
            )


@dataclass(frozen=True)
class MotionFit:
    """Motion of T volumes relative to a reference.

    Parameters
    ----------
    parameters : array of shape (T, 6)
        mm and radians, see `fmri2image.core.geometry.rigid_matrix`; they move reference points to volume points.
    scale : array of shape (T,)
        Intensity of the volume relative to the reference.
    correlation : array of shape (T,)
        Correlation of volume and reference over the compared points after alignment.
    converged : bool array of shape (T,)
    n_iterations : int array of shape (T,)
    """

    parameters: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray
    converged: np.ndarray
    n_iterations: np.ndarray


def estimate_motion(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RealignSettings | None = None,
) -> np.ndarray:
    """Return the motion parameters (T, 6) of `fit_motion`, without its diagnostics."""
    return fit_motion(volumes, affine, reference, reference_affine, settings).parameters


def fit_motion(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RealignSettings | None = None,
    device: torch.device | str = "cpu",
) -> MotionFit:
    """Estimate how each volume is displaced from the reference.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world (RAS, mm) of the volumes.
    reference : array of shape (X', Y', Z')
    reference_affine : array of shape (4, 4)
    settings : RealignSettings, optional
    device : torch device

    Returns
    -------
    fit : MotionFit
        Rotations turn about the centre of the reference grid. A volume's estimate does not depend on its neighbours.

    Raises
    ------
    DataError
        If the reference shows no head, or a volume and the reference hardly overlap.
    """
    settings = settings or RealignSettings()
    dtype = getattr(torch, settings.dtype)
    target = _Target(reference, reference_affine, settings, dtype, device)
    smoothing = [
        matrix.to(device=device, dtype=dtype)
        for matrix in smoothing_matrices(volumes.shape[1:], affine, settings.fwhm, settings.upsampling)
    ]
    parts = []
    for start in range(0, len(volumes), settings.batch):
        chunk = torch.as_tensor(np.array(volumes[start : start + settings.batch]), dtype=dtype)
        finite = torch.isfinite(chunk).flatten(1).all(dim=1)
        if not bool(finite.all()):
            bad = start + int((~finite).nonzero()[0, 0])
            raise DataError(f"Volume {bad} (counted from 0 after the dropped ones) holds values that are not finite.")
        smooth = smooth_volumes(smoothing, chunk.to(device))
        parts.append(_fit(smooth, affine, volumes.shape[1:], target, settings, first=start))
    if not parts:
        raise DataError("There is no volume to realign; were all of them dropped?")
    poses, scale, correlation, converged, n_iterations = (np.concatenate(column) for column in zip(*parts, strict=True))
    return MotionFit(rigid_parameters(poses, target.centre), scale, correlation, converged, n_iterations)


def make_reference(
    volumes: np.ndarray, affine: np.ndarray, settings: RealignSettings | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average a run after realignment to its first volume.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
        Kept volumes of one run.
    affine : array of shape (4, 4)
    settings : RealignSettings, optional

    Returns
    -------
    reference : array of shape (X, Y, Z), float32
        Mean volume, on the grid and in the position of the first volume. Where the head left the field of view for a
        while, the mean is over the volumes that saw it.
    parameters : array of shape (T, 6)
        Motion relative to the first volume.
    """
    shape = volumes.shape[1:]
    parameters = estimate_motion(volumes, affine, volumes[0], affine, settings)
    matrices = rigid_matrix(parameters, grid_centre(shape, affine))
    total, count = np.zeros(shape), np.zeros(shape)
    for volume, matrix in zip(volumes, matrices, strict=True):
        moved, covered = reslice(volume[None], affine, matrix[None], shape, affine)
        total += moved[0]
        count += covered
    return (total / np.maximum(count, 1)).astype(np.float32), parameters


class _Target:
    """Reference points, their values and derivatives, and the products that the normal equations need."""

    def __init__(
        self,
        reference: np.ndarray,
        affine: np.ndarray,
        settings: RealignSettings,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        affine = np.asarray(affine, dtype=float)
        matrices = smoothing_matrices(reference.shape, affine, settings.fwhm, 1)
        smooth = smooth_volumes(matrices, torch.as_tensor(np.asarray(reference, dtype=float))[None])[0].numpy()
        if not np.isfinite(smooth).all():
            raise DataError("The reference volume holds values that are not finite; check the BOLD file.")
        # Rows of the inverse affine turn a gradient per voxel into one per mm of world space.
        gradient = np.stack(np.gradient(smooth), axis=-1) @ np.linalg.inv(affine[:3, :3])
        steepness = np.linalg.norm(gradient, axis=-1)
        usable = smooth > settings.mask_threshold * np.percentile(smooth, 98)
        zooms = np.linalg.norm(affine[:3, :3], axis=0)
        index = np.indices(reference.shape)
        for axis, size in enumerate(reference.shape):
            inside = _margin(settings, zooms[axis])
            usable &= (index[axis] >= inside) & (index[axis] <= size - 1 - inside)
        n_usable = int(usable.sum())
        if n_usable < FEWEST_POINTS or not steepness[usable].any():
            raise DataError(
                f"The reference volume of {reference.shape} voxels shows only {n_usable} bright voxels inside the "
                f"margin; realignment needs {FEWEST_POINTS}. Check the BOLD file, or lower margin and mask_threshold."
            )
        candidates = np.flatnonzero(usable)
        order = np.argsort(-steepness.ravel()[candidates], kind="stable")[: settings.n_points]
        chosen = np.sort(candidates[order])
        voxels = index.reshape(3, -1)[:, chosen].T
        self.centre = grid_centre(reference.shape, affine)
        self.points = voxels @ affine[:3, :3].T + affine[:3, 3]
        slope = gradient.reshape(-1, 3)[chosen]
        # A rotation by a small angle w moves x by w × (x - centre); g · (w × r) = w · (r × g).
        turn = np.cross(self.points - self.centre, slope)
        values = smooth.ravel()[chosen]
        design = np.column_stack([slope, turn, values])
        self.scaling = 1 / np.sqrt((design**2).mean(axis=0))
        design = design * self.scaling
        rows, columns = np.triu_indices(7)
        self.design = torch.as_tensor(design).to(device=device, dtype=dtype)
        self.values = torch.as_tensor(values).to(device=device, dtype=dtype)
        self.products = torch.as_tensor(design[:, rows] * design[:, columns]).to(device=device, dtype=dtype)
        self.upper = (rows, columns)


def _fit(
    smooth: torch.Tensor,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target: _Target,
    settings: RealignSettings,
    first: int,
) -> tuple[np.ndarray, ...]:
    """Run Gauss-Newton on a batch of smoothed volumes; return poses, scale, correlation, converged, n_iterations."""
    n = len(smooth)
    fine = np.diag([1 / settings.upsampling] * 3 + [1.0])
    to_fine = np.linalg.inv(np.asarray(affine, dtype=float) @ fine)
    zooms = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    margins = [_margin(settings, zoom) * settings.upsampling for zoom in zooms]
    limits = [(m, (size - 1) * settings.upsampling - m) for m, size in zip(margins, shape, strict=True)]
    poses = np.tile(np.eye(4), (n, 1, 1))
    scale, correlation = np.ones(n), np.zeros(n)
    n_iterations = np.zeros(n, dtype=int)
    converged = np.zeros(n, dtype=bool)
    for stride, tolerance in ((8, 10 * settings.tolerance), (1, settings.tolerance)):
        points = target.points[::stride]
        homogeneous = np.column_stack([points, np.ones(len(points))]).T
        design, products, values = target.design[::stride], target.products[::stride], target.values[::stride]
        converged[:] = False
        for _ in range(settings.max_iterations):
            active = np.flatnonzero(~converged)
            if not len(active):
                break
            coordinates = (to_fine @ poses[active])[:, :3] @ homogeneous
            sampled, weight = sample_linear(smooth, active, coordinates, limits)
            count = weight.sum(dim=1)
            if bool((count < FEWEST_POINTS / stride).any()):
                lost = first + int(active[int(count.argmin())])
                raise DataError(
                    f"Volume {lost} (counted from 0 after the dropped ones) hardly overlaps the reference; "
                    "look at the run, and leave it out if the head moved out of the field of view."
                )
            sampled = sampled * weight
            normal = np.zeros((len(active), 7, 7))
            normal[:, target.upper[0], target.upper[1]] = (weight @ products).double().cpu().numpy()
            normal += np.triu(normal, 1).transpose(0, 2, 1)
            right = (sampled @ design).double().cpu().numpy()
            solution = np.linalg.solve(normal, right[..., None])[..., 0] * target.scaling
            # volume ≈ scale · reference moved by `step`: undo that step in front of the pose.
            step = solution[:, :6] / solution[:, 6:]
            update = rigid_matrix(step, target.centre)
            poses[active] = poses[active] @ np.linalg.inv(update)
            scale[active] = solution[:, 6]
            n_iterations[active] += 1
            length = np.linalg.norm(step[:, :3], axis=1) + 50 * np.linalg.norm(step[:, 3:], axis=1)
            converged[active] = length < tolerance
            if stride == 1:
                correlation[active] = _correlation(sampled, values, weight)
    return poses, scale, correlation, converged, n_iterations


def _correlation(sampled: torch.Tensor, values: torch.Tensor, weight: torch.Tensor) -> np.ndarray:
    """Correlate sampled (A, N) with values (N,) over the points of weight 1."""
    count = weight.sum(dim=1, keepdim=True)
    a = (sampled - sampled.sum(dim=1, keepdim=True) / count) * weight
    b = (values - (values * weight).sum(dim=1, keepdim=True) / count) * weight
    return ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-30)).double().cpu().numpy()


def _margin(settings: RealignSettings, zoom: float) -> float:
    """Return the margin in voxels from the centre of the outermost voxel."""
    return max(settings.margin / zoom, 1.0) - 0.5
