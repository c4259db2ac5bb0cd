"""Where the signal change is between and around the responding voxels.

A head that has moved is sampled between its voxels, so the change must be defined everywhere: it goes on smoothly
between voxels (cubic splines, on a grid twice as fine) and fades over the tissue around the visual cortex as the
haemodynamic response spreads (`spread`). A change that stopped at the border of the masks would lose most of its signal
to the smallest motion.
"""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from fmri2image.acquire.phantom.anatomy import apply_affine, functional_grid, grid_points
from fmri2image.acquire.phantom.spread import FWHM_PER_SD, REACH


class ActiveTissue:
    """Turns the signal changes of voxels into changes on a fine grid in brain space.

    Parameters
    ----------
    voxel_index : integer array of shape (n_voxels, 3)
        Places of the responding voxels on the functional grid.
    settings : mapping
        ``voxel_size``, ``slab``, ``slab_tilt``, ``response: spread`` (mm).

    Attributes
    ----------
    shape : tuple
        Of the fine grid.
    affine : array of shape (4, 4)
        Fine grid to brain space, mm.
    """

    def __init__(self, voxel_index: np.ndarray, settings: Mapping) -> None:
        coarse, affine = functional_grid(settings)
        self._coarse = coarse
        self.shape = tuple(2 * n - 1 for n in coarse)
        self.affine = affine.copy()
        self.affine[:3, :3] /= 2
        self._steps = [torch.from_numpy(_spline_steps(n)) for n in coarse]
        around, weights = _surroundings(voxel_index, settings)
        self._index = np.concatenate([np.ravel_multi_index(voxel_index.T, coarse), around])
        self._weights = weights

    def volumes(self, change: np.ndarray) -> torch.Tensor:
        """Return the change on the fine grid.

        Parameters
        ----------
        change : array of shape (n, n_voxels)

        Returns
        -------
        volumes : float32 tensor of shape (n, *shape)
        """
        grid = np.zeros((len(change), int(np.prod(self._coarse))), dtype=np.float32)
        grid[:, self._index] = np.hstack([change, (self._weights @ change.T).T])
        values = torch.from_numpy(grid.reshape(len(change), *self._coarse))
        for axis, steps in enumerate(self._steps, start=1):
            values = torch.movedim(torch.movedim(values, axis, -1) @ steps.T, -1, axis)
        return values.contiguous()


def _surroundings(voxel_index: np.ndarray, settings: Mapping) -> tuple[np.ndarray, csr_array]:
    """Return the places (flat index) around the responding voxels and what of each voxel's change reaches them."""
    shape, affine = functional_grid(settings)
    voxel_size, sd = settings["voxel_size"], settings["response"]["spread"] / FWHM_PER_SD
    mine = np.zeros(shape, dtype=bool)
    mine[tuple(voxel_index.T)] = True
    places, others = apply_affine(affine, voxel_index), grid_points(shape, affine)[~mine]
    if sd == 0:
        return np.empty(0, dtype=int), csr_array((0, len(voxel_index)))
    pairs = cKDTree(others).sparse_distance_matrix(cKDTree(places), REACH * sd, output_type="coo_matrix")
    weights = csr_array((np.exp(-(pairs.data**2) / (2 * sd**2)), (pairs.row, pairs.col)), shape=pairs.shape)
    # Of the whole kernel, had all its voxels responded: where few do, little arrives.
    reach = int(np.ceil(REACH * sd / voxel_size))
    offsets = voxel_size * np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(offsets, axis=1)
    distances = distances[distances <= REACH * sd]
    whole = np.exp(-(distances**2) / (2 * sd**2)).sum() - 1
    near = np.flatnonzero(np.diff(weights.indptr))
    return np.flatnonzero(~mine.ravel())[near], csr_array(weights[near] / max(whole, 1e-6))


def _spline_steps(n: int) -> np.ndarray:
    """Return the weights (2n - 1, n) that turn n samples into samples at half steps, cubic between them."""
    degree = min(3, n - 1)
    return make_interp_spline(np.arange(n), np.eye(n), k=degree)(np.arange(2 * n - 1) / 2).astype(np.float32)
