"""Which voxels decoders chose, as maps in the subject's functional space and as shares per area.

The counts come with the decoded features (`layer_file`). A map holds, for every voxel of the area, the share of a layer's
units whose decoder chose it. Voxels carry their place on the grid (``voxel_i/j/k``) and in the scanner (``voxel_x/y/z``), so
that the affine can be found again from the samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5, row_index, shorten
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.decode.chosen import POSITION, voxel_names

WORLD = ("voxel_x", "voxel_y", "voxel_z")
EXACT_MM = 0.01  # coordinates in the files are rounded by less
KINDS = ("chosen", "kept")
COLUMNS = {
    "dataset": "Study.",
    "decoder": "Named decoder of the configuration.",
    "network": "Network whose units are decoded.",
    "subject": "Subject.",
    "roi": "Area whose voxels the decoders could choose from.",
    "layer": "Layer of the network.",
    "training": "Training set of the decoders.",
    "area": "Area for which the row counts; areas can overlap.",
    "n_voxels": "Voxels of the decoders' area that lie in this area.",
    "voxel_share": "n_voxels as a share of all voxels of the decoders' area: what a choice at random would give.",
    "chosen_share": "Share of all choices (units times voxels per unit) that lie in this area.",
    "kept_share": "Share of all weights that are not zero; differs from chosen_share for decoders that prune.",
    "weight_share": "Share of the sum of absolute weights.",
    "n_units": "Units that were counted: neither constant nor damaged in training.",
    "simulated": "Whether the data are simulated.",
}


@dataclass(frozen=True)
class Choice:
    """What the decoders of one layer and training set chose.

    Parameters
    ----------
    training : str
    voxels : list of str
        Names of the voxels (`chosen.voxel_names`).
    counts : float64 array of shape (3, n_voxels)
        Units that chose a voxel, units that kept it, sum of absolute weights.
    n_units : int
        Units that were counted.
    """

    training: str
    voxels: list[str]
    counts: np.ndarray
    n_units: int


def read_choice(path: str | Path, training: str | None = None) -> Choice:
    """Read what the decoders of a layer chose, by default for the first training set.

    Raises
    ------
    DataError
        If the file has no counts (published features, or a decoder without weights of voxels) or no such training set.
    """
    with open_h5(path) as file:
        if "voxels_chosen" not in file:
            raise DataError(f"{path} says of no voxel how often it was chosen; its decoder has no weights of voxels.")
        names = [name.decode() for name in file["voxels_chosen_rows"][:]]
        place = 0 if training is None else int(row_index(names, [training], f"A map of {path}")[0])
        counts = np.stack([file[f"voxels_{kind}"][place] for kind in (*KINDS, "weight_sum")])
        unused = file.attrs["constant_units"][place] + file.attrs["damaged_units"][place]
        voxels = [name.decode() for name in file["voxels"][:]]
        return Choice(names[place], voxels, counts, int(file.attrs["n_units"] - unused))


def find_affine(voxels: pd.DataFrame) -> np.ndarray:
    """Return the affine (4, 4) from places on the grid to millimetres that the voxel table implies.

    Parameters
    ----------
    voxels : DataFrame
        With ``voxel_i/j/k`` and ``voxel_x/y/z``.

    Raises
    ------
    DataError
        If coordinates are missing, lie in one plane, or follow from no affine.
    """
    missing = [name for name in (*POSITION, *WORLD) if name not in voxels or not np.isfinite(voxels[name]).all()]
    if missing:
        raise DataError(f"The samples tell no {', '.join(missing)} for their voxels, so there is no map of them.")
    places = np.column_stack([voxels[list(POSITION)].to_numpy(dtype=float), np.ones(len(voxels))])
    world = voxels[list(WORLD)].to_numpy(dtype=float)
    if np.linalg.matrix_rank(places) < 4:
        raise DataError("The voxels of the samples lie in one plane of the grid, from which no affine follows.")
    found = np.linalg.lstsq(places, world, rcond=None)[0]
    off = float(np.abs(places @ found - world).max())
    if off > EXACT_MM:
        raise DataError(
            f"The coordinates of the voxels (voxel_x/y/z) are up to {off:.2g} mm from any affine of their places on the "
            "grid (voxel_i/j/k), so there is no map of them."
        )
    affine = np.eye(4)
    affine[:3] = np.round(found.T, 6) + 0.0  # no -0
    return affine


def write_map(
    path: str | Path,
    values: np.ndarray,
    voxels: pd.DataFrame,
    affine: np.ndarray,
    shape: Sequence[int] | None = None,
    description: str = "",
) -> None:
    """Write values (n_voxels,) of an area as a NIfTI image, float32, NaN outside the area.

    Parameters
    ----------
    path : path
    values : array of shape (n_voxels,)
    voxels : DataFrame
        With ``voxel_i/j/k``.
    affine : array of shape (4, 4)
    shape : sequence of int, optional
        Of the grid; by default just large enough.
    description : str
        At most 79 characters that stay in the file's header.

    Raises
    ------
    DataError
        If a voxel lies outside the grid, or two lie at the same place.
    """
    places = voxels[list(POSITION)].to_numpy(dtype=float).astype(int)
    shape = tuple(int(size) for size in (places.max(axis=0) + 1 if shape is None else shape))
    if (places < 0).any() or (places >= shape).any():
        raise DataError(f"Voxels of the samples lie outside a grid of {' × '.join(map(str, shape))} voxels.")
    if len(np.unique(places, axis=0)) < len(places):
        raise DataError("Two voxels of the samples lie at the same place on the grid.")
    image = np.full(shape, np.nan, dtype=np.float32)
    image[tuple(places.T)] = values
    nifti = nib.Nifti1Image(image, affine)
    nifti.header.set_xyzt_units("mm")
    nifti.header["descrip"] = description.encode("ascii", "replace")[:79]
    with replacing(path) as partial:
        nib.save(nifti, partial)


def reference_grid(path: str | Path, affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Return shape and affine of a reference image of the grid.

    Raises
    ------
    DataError
        If its affine is not that of the samples.
    """
    image = nib.load(path)
    if not np.allclose(image.affine, affine, atol=EXACT_MM):
        raise DataError(f"{path} does not lie on the grid of the samples: its affine differs.")
    return tuple(image.shape[:3]), image.affine


def order_choice(choice: Choice, voxels: pd.DataFrame, path: str | Path) -> np.ndarray:
    """Return the counts (3, n_voxels) in the order of a voxel table, joined by the voxels' names.

    Raises
    ------
    DataError
        If the decoders had other voxels than the table.
    """
    names = voxel_names(voxels)
    if set(names) != set(choice.voxels):
        other = sorted(set(names) ^ set(choice.voxels))
        raise DataError(
            f"{path} and the samples do not hold the same voxels: {shorten(other)} are in one of them only."
        )
    return choice.counts[:, row_index(choice.voxels, names)]


def area_shares(counts: np.ndarray, voxels: pd.DataFrame, areas: Sequence[str]) -> pd.DataFrame:
    """Return which share of all choices lies in each area.

    Parameters
    ----------
    counts : array of shape (3, n_voxels)
        Of `order_choice`.
    voxels : DataFrame
        With ``ROI_<area>`` columns.
    areas : sequence of str

    Returns
    -------
    shares : DataFrame
        Columns ``area``, ``n_voxels``, ``voxel_share``, ``chosen_share``, ``kept_share``, ``weight_share``.
    """
    total, rows = counts.sum(axis=1), []
    for area in areas:
        inside = voxels[f"ROI_{area}"].to_numpy() == 1
        part = np.divide(counts[:, inside].sum(axis=1), total, out=np.full(3, np.nan), where=total > 0)
        rows.append([area, int(inside.sum()), inside.mean(), *part])
    columns = ["area", "n_voxels", "voxel_share", "chosen_share", "kept_share", "weight_share"]
    return pd.DataFrame(rows, columns=columns)


def prunes(counts: np.ndarray) -> bool:
    """Tell whether some unit gave up a voxel that it had chosen."""
    return bool(np.isfinite(counts[1]).all() and (counts[1] != counts[0]).any())
