"""Accuracy of raw against absolute features, of all units and filter by filter (Shen et al. 2019, PLOS CB, Fig. 5).

fMRI hardly tells light on dark from dark on light; the sign of a filter of the first layer is just that. Decoders of absolute
features can be better than decoders of raw ones, and the filters that gain most are those of luminance contrast.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5
from fmri2image.core.errors import DataError
from fmri2image.evaluate.feature_columns import FLAG_COLUMNS, KEY_COLUMNS

ALL = "all"
FILTER_COLUMNS = {
    **{key: KEY_COLUMNS[key] for key in ("dataset", "subject", "roi", "layer", "test", "stimulus_set")},
    "filter": "Filter of the layer, from 0; all: every unit of the layer",
    "raw_decoder": "Decoder of the features as they are",
    "absolute_decoder": "Decoder of their absolute values",
    "raw": "Mean over units of r over stimuli, features as they are",
    "absolute": "The same of absolute values, decoded and true",
    "n_units": "Units of the filter that vary over the stimuli in both cases; only these enter the means",
    "n_rows": "Stimuli (or trials) over which r is taken",
    **FLAG_COLUMNS,
}
SAME = ("dataset", "subject", "roi", "layer", "test", "stimulus_set", "n_rows")


def compare_filters(raw: str | Path, absolute: str | Path, layer: str, test: str) -> pd.DataFrame:
    """Compare the unit accuracies of a decoder of raw features with those of a decoder of absolute ones.

    Parameters
    ----------
    raw, absolute : path
        Unit files of `score_layer`, of one subject and area.
    layer, test : str

    Returns
    -------
    table : DataFrame with `FILTER_COLUMNS`
        First all units, then one row per filter, in the order of the layer.

    Raises
    ------
    DataError
        If the layer has no filters, a file does not hold it, or the two do not belong together.
    """
    with open_h5(raw) as first, open_h5(absolute) as second:
        ours, theirs = _units(first, raw, layer, test, "raw"), _units(second, absolute, layer, test, "absolute")
        different = [key for key in SAME if ours.attrs[key] != theirs.attrs[key]]
        if different or ours.shape != theirs.shape:
            raise DataError(
                f"{raw} and {absolute} cannot be compared: they differ in {', '.join(different) or 'shape'}."
            )
        if ours.ndim < 2:
            raise DataError(
                f"Layer {layer} has no filters; compare raw and absolute features of a convolutional layer."
            )
        sums = np.array([_sums(ours[number], theirs[number]) for number in range(ours.shape[0])])
        labels = {key: ours.attrs[key] for key in SAME}
        flags = {
            "transductive": any(str(one.attrs["transductive"]) == "True" for one in (ours, theirs)),
            "simulated": bool(ours.attrs["simulated"]),
        }
        decoders = {"raw_decoder": ours.attrs["decoder"], "absolute_decoder": theirs.attrs["decoder"]}
    sums = np.vstack([sums.sum(axis=0), sums])
    with np.errstate(invalid="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    names = [ALL, *(str(number) for number in range(len(sums) - 1))]
    columns = {"filter": names, "raw": means[:, 0], "absolute": means[:, 1], "n_units": sums[:, 0].astype(int)}
    return pd.DataFrame({**labels, **decoders, **columns, **flags})[list(FILTER_COLUMNS)]


def _units(file: h5py.File, path: str | Path, layer: str, test: str, transform: str) -> h5py.Dataset:
    name = f"{layer}/{test}"
    if name not in file:
        raise DataError(f"{path} holds no accuracies of the units of layer {layer}, test {test}.")
    found = file[name].attrs["transform"]
    if found != transform:
        raise DataError(f"{path} scores features of transform '{found}'; the comparison needs '{transform}' there.")
    return file[name]


def _sums(raw: np.ndarray, absolute: np.ndarray) -> tuple[float, float, float]:
    both = np.isfinite(raw) & np.isfinite(absolute)
    return float(both.sum()), float(raw[both].sum(dtype=np.float64)), float(absolute[both].sum(dtype=np.float64))
