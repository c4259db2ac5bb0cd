"""Gauss-Newton matching of smoothed volumes to a template, many volumes together (Friston et al. 1995).

The unknowns of a volume are six rigid parameters and one intensity scale. The derivatives belong to the template and are
computed once (the "inverse compositional" form of the same normal equations), so that one iteration is one reading of
splines and two matrix products for all volumes together. No volume's path depends on its neighbours.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.preprocess.bspline import inside, sample
from fmri2image.preprocess.smooth import apply_matrices, smoothing_matrices

FEWEST_POINTS = 100
COARSE_STRIDE = 8


@dataclass(frozen=True)
class Smoothed:
    """Smoothed volumes as B-splines.

    Parameters
    ----------
    coefficients : tensor of shape (T, X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    margin : float
        mm; points nearer to the border of the field of view do not count.
    degree : int
    """

    coefficients: torch.Tensor
    affine: np.ndarray
    margin: float
    degree: int

    def read(
        self, which: np.ndarray, poses: np.ndarray, homogeneous: torch.Tensor, gradient: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read volume ``which[a]`` (A,) at points moved by ``poses[a]`` (A, 4, 4).

        Parameters
        ----------
        which : int array of shape (A,)
        poses : array of shape (A, 4, 4)
        homogeneous : tensor of shape (4, N)
            World points, mm.
        gradient : bool
            Return derivatives too.

        Returns
        -------
        values : tensor of shape (A, N), or (4, A, N)
            With `gradient` the value and its derivatives per voxel.
        weight : tensor of shape (A, N)
            1 inside the field of view, 0 outside.
        """
        like = {"dtype": self.coefficients.dtype, "device": self.coefficients.device}
        to_voxels = torch.as_tensor((np.linalg.inv(self.affine) @ poses)[:, :3]).to(**like)
        coordinates = to_voxels @ homogeneous
        limits = field_of_view(self.coefficients.shape[1:], self.affine, self.margin)
        index = torch.as_tensor(which, device=like["device"])
        return sample(self.coefficients, index, coordinates, self.degree, gradient), inside(coordinates, limits)


def field_of_view(shape: tuple[int, ...], affine: np.ndarray, margin: float) -> list[tuple[float, float]]:
    """Return the lowest and highest voxel coordinate of each axis that is at least `margin` mm inside; 1.5 voxels at least."""
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    cut = [max(margin / zoom, 1.5) - 0.5 for zoom in zooms]
    return [(low, size - 1 - low) for low, size in zip(cut, shape, strict=True)]


class Smoother:
    """Smooths volumes of one grid and turns them into B-splines on a device."""

    def __init__(
        self,
        shape: tuple[int, ...],
        affine: np.ndarray,
        fwhm: float,
        margin: float,
        degree: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        self.affine, self.margin, self.degree = np.asarray(affine, dtype=float), margin, degree
        self.dtype, self.device = dtype, device
        if min(shape) < 2 * degree + 2:
            raise DataError(
                f"The BOLD volumes have {shape} voxels; realignment needs {2 * degree + 2} along every axis."
            )
        matrices = smoothing_matrices(shape, self.affine, fwhm, degree)
        self.matrices = [torch.as_tensor(matrix).to(device=device, dtype=dtype) for matrix in matrices]

    def __call__(self, volumes: np.ndarray, names: list[str]) -> Smoothed:
        """Smooth volumes (T, X, Y, Z) of any type and order in memory; `names` are for the error message."""
        # A NIfTI file has x fastest; the tensor then keeps that order, since reordering would cost more than smoothing.
        flip = volumes.strides[1] < volumes.strides[3]
        array = np.asarray(volumes.transpose(0, 3, 2, 1) if flip else volumes)
        if array.dtype.kind not in "iu" or not array.dtype.isnative or array.dtype.itemsize > 4:
            array = array.astype(np.float64 if self.dtype == torch.float64 else np.float32)
        elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
            array = array.astype(np.int64)
        chunk = torch.as_tensor(np.ascontiguousarray(array)).to(self.device).to(self.dtype)
        finite = torch.isfinite(chunk.flatten(1).sum(dim=1))
        if not bool(finite.all()):
            raise DataError(
                f"{names[int((~finite).nonzero()[0, 0])]} holds values that are not finite; check the BOLD file."
            )
        coefficients = apply_matrices(self.matrices[::-1] if flip else self.matrices, chunk)
        if flip:
            coefficients = coefficients.permute(0, 3, 2, 1)
        return Smoothed(coefficients, self.affine, self.margin, self.degree)


def lattice(shape: tuple[int, ...], affine: np.ndarray, separation: float, margin: float) -> np.ndarray:
    """Return world points (N, 3), mm, `separation` mm apart along the axes of a grid and inside its margin."""
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    axes = []
    for (low, high), zoom in zip(field_of_view(shape, affine, margin), zooms, strict=True):
        step = separation / zoom
        # A point exactly on the limit would be in or out by a rounding error.
        n_steps = int(max((high - low) / step - 0.01, 0))
        axes.append((low + high - n_steps * step) / 2 + step * np.arange(n_steps + 1))
    voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return voxels @ affine[:3, :3].T + affine[:3, 3]


class Template:
    """What volumes are matched to: points, their values and derivatives, and products for the normal equations.

    Parameters
    ----------
    points : array of shape (N, 3)
        World, mm.
    values : array of shape (N,)
    slopes : array of shape (N, 3)
        Gradient per mm of world space.
    centre : array of shape (3,)
        World point about which steps rotate, mm.
    n_points : int
        At most this many points are kept: the steepest ones.
    mask_threshold : float
        Points darker than this fraction of the 98th percentile are left out.
    name : str
        For the error message.
    dtype : torch dtype
    device : torch device
    """

    def __init__(
        self,
        points: np.ndarray,
        values: np.ndarray,
        slopes: np.ndarray,
        centre: np.ndarray,
        n_points: int,
        mask_threshold: float,
        name: str,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        steepness = np.linalg.norm(slopes, axis=1)
        usable = values > mask_threshold * np.percentile(values, 98) if len(values) else np.zeros(0, dtype=bool)
        n_usable = int(usable.sum())
        if n_usable < FEWEST_POINTS or not steepness[usable].any():
            raise DataError(
                f"{name} shows only {n_usable} bright points inside the margin; realignment needs {FEWEST_POINTS}. "
                "Check the BOLD file, or lower separation, margin or mask_threshold."
            )
        candidates = np.flatnonzero(usable)
        chosen = np.sort(candidates[np.argsort(-steepness[candidates], kind="stable")[:n_points]])
        self.points, self.centre = points[chosen], centre
        slopes, values = slopes[chosen], values[chosen]
        # A rotation by a small angle w moves x by w × (x - centre); g · (w × r) = w · (r × g).
        design = np.column_stack([slopes, np.cross(self.points - centre, slopes), values])
        self.scaling = 1 / np.sqrt((design**2).mean(axis=0))
        design = design * self.scaling
        self.upper = np.triu_indices(7)
        rows, columns = self.upper
        like = {"dtype": dtype, "device": device}
        self.homogeneous = (
            torch.as_tensor(np.column_stack([self.points, np.ones(len(chosen))]).T).to(**like).contiguous()
        )
        self.design = torch.as_tensor(design).to(**like)
        self.values = torch.as_tensor(values).to(**like)
        self.products = torch.as_tensor(design[:, rows] * design[:, columns]).to(**like)


@dataclass
class Match:
    """Poses (A, 4, 4) from template to volume, scale, correlation, converged, n_iterations (A,)."""

    poses: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray
    converged: np.ndarray
    n_iterations: np.ndarray

    @staticmethod
    def start(n: int) -> "Match":
        """Return n volumes that have not moved."""
        return Match(
            np.tile(np.eye(4), (n, 1, 1)), np.ones(n), np.ones(n), np.ones(n, dtype=bool), np.zeros(n, dtype=int)
        )

    def take(self, index: np.ndarray) -> "Match":
        """Return the entries at `index`."""
        return Match(*(getattr(self, field.name)[index] for field in fields(self)))

    def put(self, index: np.ndarray, other: "Match") -> None:
        """Replace the entries at `index` by those of another match."""
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(other, field.name)

    @staticmethod
    def join(parts: list["Match"]) -> "Match":
        """Return the matches of several batches as one."""
        return Match(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Match)))


def match(
    smoothed: Smoothed,
    which: np.ndarray,
    template: Template,
    start: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> Match:
    """Match volumes to a template by Gauss-Newton, first on every eighth point, then on all.

    Parameters
    ----------
    smoothed : Smoothed
    which : int array of shape (A,)
        Volumes of `smoothed`; one may occur often, with different starts.
    template : Template
    start : array of shape (A, 4, 4)
        Poses to begin with.
    tolerance : float
        A volume is done when one step moves no point 50 mm from the centre by more than this, mm.
    max_iterations : int
        Per level.

    Returns
    -------
    match : Match
        A volume that hardly overlaps the template, or whose steps run away, keeps its last pose with `converged` False
        and correlation 0.
    """
    n = len(which)
    poses = np.array(start, dtype=float)
    scale, correlation = np.ones(n), np.zeros(n)
    n_iterations = np.zeros(n, dtype=int)
    lost = np.zeros(n, dtype=bool)
    for stride, enough in ((COARSE_STRIDE, 10 * tolerance), (1, tolerance)):
        homogeneous, values = template.homogeneous[:, ::stride].contiguous(), template.values[::stride]
        design, products = template.design[::stride], template.products[::stride]
        converged = np.zeros(n, dtype=bool)
        for _ in range(max_iterations):
            active = np.flatnonzero(~converged & ~lost)
            if not len(active):
                break
            sampled, weight = smoothed.read(which[active], poses[active], homogeneous)
            sampled = sampled * weight
            count = weight.sum(dim=1).double().cpu().numpy()
            normal = np.zeros((len(active), 7, 7))
            normal[:, template.upper[0], template.upper[1]] = (weight @ products).double().cpu().numpy()
            normal += np.triu(normal, 1).transpose(0, 2, 1)
            right = (sampled @ design).double().cpu().numpy()
            few = count < FEWEST_POINTS / stride
            normal[few] = np.eye(7)
            # Too little to see in one direction leaves that direction alone instead of stopping the run.
            normal += 1e-9 * np.eye(7) * count[:, None, None]
            solution = np.linalg.solve(normal, right[..., None])[..., 0] * template.scaling
            bad = few | (solution[:, 6] <= 0) | ~np.isfinite(solution).all(axis=1)
            if stride == 1:
                correlation[active] = np.where(few, 0, _correlation(sampled, values, weight))
            lost[active[bad]] = True
            active, solution = active[~bad], solution[~bad]
            # volume ≈ scale · template moved by `step`: undo that step in front of the pose.
            step = solution[:, :6] / solution[:, 6:]
            poses[active] = poses[active] @ np.linalg.inv(rigid_matrix(step, template.centre))
            scale[active] = solution[:, 6]
            n_iterations[active] += 1
            length = np.linalg.norm(step[:, :3], axis=1) + 50 * np.linalg.norm(step[:, 3:], axis=1)
            converged[active] = length < enough
    correlation[lost] = 0
    return Match(poses, scale, correlation, converged & ~lost, n_iterations)


def _correlation(sampled: torch.Tensor, values: torch.Tensor, weight: torch.Tensor) -> np.ndarray:
    """Correlate sampled (A, N), 0 where weight is 0, with values (N,) over the points of weight 1."""
    count = weight.sum(dim=1, keepdim=True).clamp_min(1)
    a = (sampled - sampled.sum(dim=1, keepdim=True) / count) * weight
    b = (values - (values * weight).sum(dim=1, keepdim=True) / count) * weight
    return ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-30)).double().cpu().numpy()
