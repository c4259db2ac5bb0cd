"""Small files of numbers that come with published features: sizes of layers, bounds of a generator, the mean colour.

KamitaniLab/DeepImageReconstruction (``data/``) and KamitaniLab/brain-decoding-cookbook-public (``reconstruction/``).
"""

import math
import re
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.matlab import read_mat
from fmri2image.features.mat_collection import MatCollection


def read_feature_std(path: str | Path) -> dict[str, float]:
    """Read how large the true features of each layer are: SD over positions, averaged over channels and images.

    Parameters
    ----------
    path : path
        ``estimated_vgg19_cnn_feat_std.mat`` (one number per layer), ``estimated_cnn_feat_std_…_chwise_dof1.mat`` (one per
        channel, which are averaged as the cookbook does), or a zip archive that holds exactly one such file.

    Returns
    -------
    sd : dict from layer to SD
        With the degrees of freedom that `ddof_of` tells.

    Raises
    ------
    DataError
        If the file is another one, or a layer's numbers are not positive.
    """
    with MatCollection([path]) as collection:
        members = collection.members
        if len(members) > 1:
            members = [member for member in members if "feat_std" in member.stem]
        if len(members) != 1:
            raise DataError(f"{path} should hold one file of feature SDs (*feat_std*.mat); it holds {len(members)}.")
        content, name = collection.content(members[0]), str(members[0])
        layers = collection.variables(members[0])
    if not layers:
        raise DataError(f"{name} holds no variables, but one SD per layer was expected.")
    found = {}
    for layer in layers:
        values = read_mat(content, layer, what=name)
        good = isinstance(values, np.ndarray) and values.dtype.kind in "fiu" and values.size
        if not good or not (np.isfinite(values) | np.isnan(values)).all() or not (np.nan_to_num(values) >= 0).all():
            raise DataError(f"{name}: the SDs of layer '{layer}' are not positive numbers.")
        mean = float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
        if not mean > 0:
            raise DataError(f"{name}: the SD of layer '{layer}' is {mean:g}, but it must be positive.")
        found[layer] = mean
    return found


def ddof_of(path: str | Path) -> int:
    """Return the degrees of freedom lost in a file of feature SDs, which only its name tells: ``dof1``, else 0."""
    return 1 if re.search(r"d?dof_?1(?!\d)", Path(path).name) else 0


def feature_sd(path: str | Path, layer: str, shape: tuple[int, ...]) -> float:
    """Return the SD of one layer, always with ddof 0, as `fmri2image.decode.norm` takes the SD of decoded features.

    Parameters
    ----------
    path : path
        See `read_feature_std`.
    layer : str
    shape : tuple of int
        (channels, height, width) or (units,).

    Raises
    ------
    DataError
        If the file does not hold the layer.
    """
    sds = read_feature_std(path)
    if layer not in sds:
        raise DataError(f"{path} holds no SD of layer '{layer}'; it holds {shorten(list(sds), 30)}.")
    positions = math.prod(shape[1:]) if len(shape) > 1 else shape[0]
    return sds[layer] * math.sqrt((positions - ddof_of(path)) / positions)


def read_act_range(path: str | Path, n_units: int | None = None) -> np.ndarray:
    """Read the upper bounds of a generator's latent (``act_range/3x/fc7.txt``; Nguyen et al. 2016).

    Parameters
    ----------
    path : path
        Numbers separated by white space, on one line or several.
    n_units : int, optional
        Length of the latent, if it is known.

    Returns
    -------
    bounds : array of shape (n_units,)

    Raises
    ------
    DataError
        If these are not `n_units` numbers from 0 on, some of them above 0.
    """
    try:
        words = Path(path).read_text(encoding="ascii").replace(",", " ").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a text file of bounds ({error}).") from error
    try:
        bounds = np.array([float(word) for word in words])
    except ValueError as error:
        raise DataError(f"{path} should hold numbers only: {error}.") from error
    if n_units is not None and len(bounds) != n_units:
        raise DataError(f"{path} holds {len(bounds)} bounds, but the generator's latent has {n_units} units.")
    if not len(bounds) or not np.isfinite(bounds).all() or bounds.min() < 0 or not bounds.any():
        raise DataError(
            f"{path}: bounds must be finite, at least 0 and not all 0; they reach from {min(bounds, default=0):g} on."
        )
    return bounds


def read_channel_means(path: str | Path) -> tuple[float, float, float]:
    """Read the mean colour of training images, blue first, from ``ilsvrc_2012_mean.npy`` (3, height, width).

    Raises
    ------
    DataError
        If it is no array of three channels with intensities from 0 to 255.
    """
    try:
        image = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a NumPy array ({error}).") from error
    if image.dtype.kind not in "fiu" or image.ndim not in (1, 3) or image.shape[0] != 3:
        raise DataError(f"{path} has the shape {image.shape}, but (3, height, width), blue first, was expected.")
    means = tuple(float(channel.mean(dtype=np.float64)) for channel in image)
    if not all(1 < mean < 255 for mean in means):
        raise DataError(f"{path}: the channel means are {means}, but intensities from 0 to 255 were expected.")
    return means
