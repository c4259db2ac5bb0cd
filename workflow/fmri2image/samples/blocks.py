"""Averaging of volumes within stimulus blocks."""

import numpy as np

from fmri2image.core.errors import DataError


def block_volumes(
    onsets: np.ndarray, windows: np.ndarray, repetition_time: float, shift_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first volume of each block's average and the one after its last, both (B,), inside the run or not.

    Parameters
    ----------
    onsets, windows : arrays of shape (B,)
        Seconds; onsets count from the first volume, a window is what is averaged from the shifted onset on.
    repetition_time, shift_seconds : float
        Seconds.
    """
    onsets, windows = np.asarray(onsets, dtype=float), np.asarray(windows, dtype=float)
    first = np.round((onsets + shift_seconds) / repetition_time).astype(int)
    return first, first + np.maximum(np.round(windows / repetition_time).astype(int), 1)


def average_blocks(
    signal: np.ndarray,
    onsets: np.ndarray,
    windows: np.ndarray,
    repetition_time: float,
    shift_seconds: float = 4.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Average the volumes of each block, later by the haemodynamic delay (Shen et al. 2019, "MRI data preprocessing").

    Parameters
    ----------
    signal : array of shape (T, V)
    onsets, windows : arrays of shape (B,)
        Seconds; onsets count from the first volume of `signal`, a window is what is averaged from the shifted onset on.
    repetition_time : float
        Seconds.
    shift_seconds : float
        Delay added to every onset.

    Returns
    -------
    means : array of shape (B, V)
    n_volumes : int array of shape (B,)
        Number of volumes averaged; fewer than the window holds where the run ends earlier.

    Raises
    ------
    DataError
        If a block holds no volume of the run.
    """
    onsets, windows = np.asarray(onsets, dtype=float), np.asarray(windows, dtype=float)
    first, last = block_volumes(onsets, windows, repetition_time, shift_seconds)
    first, last = np.maximum(first, 0), np.minimum(last, len(signal))
    if np.any(last <= first):
        block = int(np.flatnonzero(last <= first)[0])
        raise DataError(
            f"The block at {onsets[block]:g} s, averaged {shift_seconds:g} s later, lies outside the run, which has "
            f"{len(signal)} kept volumes of {repetition_time:g} s."
        )
    means = (
        np.stack([signal[a:b].mean(axis=0) for a, b in zip(first, last, strict=True)])
        if len(onsets)
        else (np.empty((0, signal.shape[1])))
    )
    return means, last - first
