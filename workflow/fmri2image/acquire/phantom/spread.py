"""Spread of the haemodynamic response over neighbouring voxels.

What a voxel shows is not the activity of its own tissue alone: at 3 T the response of a point of cortex spreads with a
full width at half maximum of about 3.9 mm (Parkes et al. 2005, Magn. Reson. Med. 54:1465). Neighbours are therefore
alike, and a response survives being sampled between voxels, as it must when the head has moved.
"""

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

FWHM_PER_SD = 2.3548
# Beyond so many standard deviations a weight counts as 0.
REACH = 3.0


def spread_weights(points: np.ndarray, fwhm: float) -> csr_array:
    """Return the weights by which voxels take part in each other's response.

    Parameters
    ----------
    points : array of shape (n_voxels, 3)
        Brain space, mm.
    fwhm : float
        Full width at half maximum of the spread, mm; 0 leaves every voxel alone.

    Returns
    -------
    weights : sparse array of shape (n_voxels, n_voxels)
        Gaussian of the distance; the squares of a row sum to 1, so that independent noise keeps its variance.
    """
    sd = max(fwhm / FWHM_PER_SD, 1e-6)
    tree = cKDTree(points)
    pairs = tree.sparse_distance_matrix(tree, REACH * sd, output_type="coo_matrix")
    weights = csr_array((np.exp(-(pairs.data**2) / (2 * sd**2)), (pairs.row, pairs.col)), shape=pairs.shape)
    size = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    return csr_array(weights.multiply(1 / size[:, None]))


def spread_responses(
    values: Mapping[str, np.ndarray], weights: csr_array, reference: str = "train"
) -> dict[str, np.ndarray]:
    """Spread responses over neighbours and express them again in standard deviations over the reference set.

    Parameters
    ----------
    values : dict from stimulus set to array of shape (n_images, n_voxels)
    weights : sparse array of shape (n_voxels, n_voxels)
        From `spread_weights`.
    reference : str
        The set whose mean and standard deviation give the unit.

    Returns
    -------
    responses : dict from stimulus set to float32 array of shape (n_images, n_voxels)
    """
    spread = {name: (weights @ array.T).T for name, array in values.items()}
    mean, sd = spread[reference].mean(axis=0), np.maximum(spread[reference].std(axis=0), 1e-6)
    return {name: ((array - mean) / sd).astype(np.float32) for name, array in spread.items()}
