"""Decoders kept beside the decoded features of a layer, when asked for: voxels and weights of every unit, never dense.

File ``<layer>_decoders.h5``; of training set i (``trainings`` names them):

=================== =========================== ===================================================================
array               shape                       content
=================== =========================== ===================================================================
``chosen_<i>``      (n_units, n_chosen)         voxels, -1 in places that are not used; absent where all are used
``weights_<i>``     (n_units, n_chosen)         on standardised voxels, for standardised units
``intercept_<i>``   (n_units,)                  on the scale of standardised units
``penalties_<i>``   (n_units, n_bands)          only of cross-validated decoders
``unit_scale_<i>``  (n_units, 2)                mean and SD of units; SD 0 where the mean is predicted
``voxel_scale_<i>`` (n_voxels, 2)               mean and SD of voxels; SD 0 where the voxel is not used
``voxels``          (n_voxels,)                 names of voxels, see `chosen.voxel_names`
=================== =========================== ===================================================================
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import open_h5, shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.decoders import Decoded
from fmri2image.decode.standardise import Scale

AT_ONCE = 16_000_000  # weights that are read at the same time
OPTIONAL = ("chosen", "penalties")


def kept_path(output: str | Path) -> Path:
    """Return the path of the kept decoders of a file of decoded features."""
    output = Path(output)
    return output.with_name(f"{output.stem}_decoders.h5")


def kept_arrays(decoded: Decoded, units: Scale, kind: str) -> dict[str, np.ndarray]:
    """Return what is kept of the decoders of a chunk of units.

    Raises
    ------
    ConfigError
        If the decoder has no weights of voxels.
    """
    if decoded.weights is None:
        raise ConfigError(f"keep: decoder '{kind}' has no weights of voxels that could be kept.")
    n = len(decoded.weights)
    intercept = np.zeros(n, dtype=np.float32) if decoded.intercept is None else decoded.intercept
    arrays = {
        "weights": decoded.weights.astype(np.float32, copy=False),
        "intercept": intercept.astype(np.float32, copy=False),
        "unit_scale": _columns(units),
    }
    if decoded.chosen is not None:
        arrays["chosen"] = decoded.chosen.astype(np.int32, copy=False)
    if decoded.penalties is not None:
        arrays["penalties"] = decoded.penalties.astype(np.float32, copy=False)
    return arrays


class KeptWriter:
    """Writes kept decoders chunk by chunk.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    shape : sequence of int
        Of the layer.
    trainings : sequence of str
    voxels : sequence of str
        Names of the voxels.
    attributes : mapping
    """

    def __init__(
        self,
        file: h5py.File,
        shape: Sequence[int],
        trainings: Sequence[str],
        voxels: Sequence[str],
        attributes: Mapping,
    ) -> None:
        self._file, self._n_units = file, int(np.prod(shape, dtype=int))
        file.attrs.update({**attributes, "shape": list(shape)})
        text = h5py.string_dtype()
        file.create_dataset("trainings", data=np.array(list(trainings), dtype=text))
        file.create_dataset("voxels", data=np.array(list(voxels), dtype=text))

    def add_training(self, number: int, voxels: Scale) -> None:
        """Add the scale of a training set's voxels."""
        self._file.create_dataset(f"voxel_scale_{number}", data=_columns(voxels))

    def add(self, number: int, start: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write what `kept_arrays` gave for the chunk of units that begins at `start`."""
        for name, values in arrays.items():
            if (key := f"{name}_{number}") not in self._file:
                shape = (self._n_units, *values.shape[1:])
                fill = -1 if name == "chosen" else 0
                most = (self._n_units, *(None for _ in values.shape[1:])) if name in ("chosen", "weights") else None
                chunks = (min(1024, len(values)), *values.shape[1:]) if most else None
                self._file.create_dataset(key, shape, values.dtype, maxshape=most, chunks=chunks, fillvalue=fill)
            dataset = self._file[key]
            if values.shape[1:] > dataset.shape[1:]:  # decoders that say only as many voxels as a chunk's largest has
                dataset.resize((self._n_units, *values.shape[1:]))
            dataset[(slice(start, start + len(values)), *(slice(0, n) for n in values.shape[1:]))] = values


def apply_kept(
    path: str | Path, responses: np.ndarray, training: str | None = None, voxels: Sequence[str] | None = None
) -> np.ndarray:
    """Predict features from new responses with kept decoders.

    Parameters
    ----------
    path : path
        Of ``<layer>_decoders.h5``.
    responses : array of shape (n_rows, n_voxels)
        In the units of the training responses.
    training : str, optional
        Name of the training set; can be left out where there is only one.
    voxels : sequence of str, length n_voxels, optional
        Names of the columns; they are brought into the order of the decoders. Without, the order must be the same.

    Returns
    -------
    decoded : float32 array of shape (n_rows, ...)
        The layer's shape, not corrected for size.

    Raises
    ------
    DataError
        If the training set or a voxel is not there.
    """
    with open_h5(path) as file:
        trainings = [name.decode() for name in file["trainings"][:]]
        if training is None and len(trainings) > 1:
            raise DataError(f"{path} holds decoders of {shorten(trainings)}; say which are to be applied.")
        if training is not None and training not in trainings:
            raise DataError(f"{path} holds no decoders of '{training}'; it holds those of {shorten(trainings)}.")
        number = 0 if training is None else trainings.index(training)
        z = _standardise(file, number, np.asarray(responses), voxels, path)
        weights, n_units = file[f"weights_{number}"], len(file[f"weights_{number}"])
        chosen = file.get(f"chosen_{number}")
        out = np.empty((len(z), n_units), dtype=np.float32)
        width = weights.shape[1] * (1 if chosen is None else max(1, len(z)))
        step = max(1, AT_ONCE // max(1, width))
        for start in range(0, n_units, step):
            part = slice(start, start + step)
            w = weights[part].astype(np.float64)
            if chosen is None:
                predicted = z @ w.T
            else:
                places = chosen[part]
                w[places < 0] = 0
                predicted = np.einsum("nuk,uk->nu", z[:, np.maximum(places, 0)], w)
            mean, sd = file[f"unit_scale_{number}"][part].T
            out[:, part] = (predicted + file[f"intercept_{number}"][part]) * sd + mean
        return out.reshape(len(z), *(int(size) for size in file.attrs["shape"]))


def _standardise(
    file: h5py.File, number: int, responses: np.ndarray, voxels: Sequence[str] | None, path: str | Path
) -> np.ndarray:
    known = [name.decode() for name in file["voxels"][:]]
    if voxels is not None:
        place = {name: column for column, name in enumerate(voxels)}
        missing = [name for name in known if name not in place]
        if missing:
            raise DataError(f"The responses lack voxels {shorten(missing)} of the decoders in {path}.")
        responses = responses[:, [place[name] for name in known]]
    if responses.shape[1:] != (len(known),):
        raise DataError(f"{path} has decoders for {len(known)} voxels; the responses have shape {responses.shape}.")
    mean, sd = file[f"voxel_scale_{number}"][:].T
    z = (responses.astype(np.float64) - mean) / np.where(sd > 0, sd, 1)
    return np.where(np.isfinite(z) & (sd > 0), z, 0.0)


def _columns(scale: Scale) -> np.ndarray:
    return np.stack([scale.mean, np.where(scale.usable, scale.sd, 0.0)], axis=1)
