"""Correction of slice timing: every slice's time course is shifted to one moment within the repetition time.

As in SPM and AFNI's 3dTshift the shift is a change of phase of every frequency, which is exact for signals below the
Nyquist frequency. What a Fourier series cannot hold is taken care of first: a straight line is fitted, shifted by itself
and added again, and both ends are continued by reflection in their last point, so that nothing jumps there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from fmri2image.core.errors import ConfigError, DataError

LONGEST_CONTINUATION = 64  # volumes; beyond, the kernel of a shift has died away
BATCH = 4096  # time courses shifted together
AXES = {"i": 0, "j": 1, "k": 2}


@dataclass(frozen=True)
class SliceTimes:
    """When each slice of a volume is acquired.

    Parameters
    ----------
    seconds : array of shape (n_slices,)
        From the start of the volume; slices acquired together (multiband) have the same time.
    axis : int
        Axis of the voxel array along which the slices lie.
    """

    seconds: np.ndarray
    axis: int


def slice_times(sidecar: Mapping, shape: tuple[int, ...], repetition_time: float, path: str | Path) -> SliceTimes:
    """Return the slice times that a BIDS sidecar gives for volumes of `shape`.

    ``SliceEncodingDirection`` names the axis, k if it is absent; with a minus sign the times count from the last slice
    of the array (BIDS, MRI metadata, timing parameters).

    Parameters
    ----------
    sidecar : mapping
        Metadata of the run.
    shape : tuple of at least 3 int
    repetition_time : float
        Seconds.
    path : path
        The BOLD file, for messages.

    Raises
    ------
    DataError
        If the sidecar gives no usable times.
    """
    given = sidecar.get("SliceTiming")
    if given is None:
        raise DataError(
            f"The sidecar of {path} gives no SliceTiming; add it in seconds, one per slice, or set "
            "preprocess.slice_timing to null."
        )
    direction = sidecar.get("SliceEncodingDirection", "k")
    if direction not in {*AXES, *(f"{axis}-" for axis in AXES)}:
        raise DataError(
            f"The sidecar of {path} has SliceEncodingDirection '{direction}'; BIDS knows i, j, k, i-, j-, k-."
        )
    axis = AXES[direction[0]]
    try:
        seconds = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"SliceTiming in the sidecar of {path} is not a list of numbers; correct it.") from error
    if seconds.shape != (shape[axis],):
        raise DataError(
            f"SliceTiming in the sidecar of {path} has {seconds.size} entries, but the volumes have {shape[axis]} slices "
            f"along {direction[0]}; correct it or SliceEncodingDirection."
        )
    if not np.isfinite(seconds).all() or seconds.min() < 0 or seconds.max() >= repetition_time:
        raise DataError(
            f"SliceTiming in the sidecar of {path} runs from {seconds.min():g} to {seconds.max():g} s, outside the "
            f"repetition time of {repetition_time:g} s; it must be in seconds from the start of the volume."
        )
    return SliceTimes(seconds[::-1] if direction.endswith("-") else seconds, axis)


def shift_courses(courses: np.ndarray, shift: float) -> np.ndarray:
    """Return what sampling `shift` volumes later would have given.

    Parameters
    ----------
    courses : array of shape (T, V)
    shift : float
        In volumes, between -1 and 1.

    Returns
    -------
    shifted : array of shape (T, V), float32
        Equal to the courses where `shift` is 0.
    """
    n_volumes = len(courses)
    if shift == 0 or n_volumes < 2:
        return np.asarray(courses, dtype=np.float32)
    time = np.arange(n_volumes) - (n_volumes - 1) / 2
    margin = min(n_volumes - 1, LONGEST_CONTINUATION)
    period = 2 * (n_volumes + 2 * margin - 1)
    turn = np.exp(2j * np.pi * shift * np.arange(period // 2 + 1) / period).astype(np.complex64)
    shifted = np.empty(courses.shape, dtype=np.float32)
    for start in range(0, courses.shape[1], BATCH):
        # Voxels × volumes, so that each time course is contiguous.
        part = np.ascontiguousarray(courses[:, start : start + BATCH].T, dtype=np.float32)
        level = part.mean(axis=1, keepdims=True)
        slope = ((part - level) @ time / (time @ time)).astype(np.float32)[:, None]
        residual = part - level - slope * time.astype(np.float32)
        spectrum = fft.rfft(_periodic(residual, margin), axis=1, overwrite_x=True)
        spectrum *= turn
        moved = fft.irfft(spectrum, n=period, axis=1, overwrite_x=True)[:, margin : margin + n_volumes]
        shifted[:, start : start + BATCH] = (moved + level + slope * (time + shift).astype(np.float32)).T
    return shifted


def correct_volumes(volumes: np.ndarray, times: SliceTimes, repetition_time: float, moment: float) -> np.ndarray:
    """Shift every slice of a run that is not realigned yet.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
    times : SliceTimes
    repetition_time : float
        Seconds.
    moment : float
        Moment to which the slices are shifted, as a share of the repetition time.

    Returns
    -------
    corrected : array of shape (T, X, Y, Z), float32
    """
    corrected = np.empty(volumes.shape, dtype=np.float32)
    given, wanted = (np.moveaxis(array, times.axis + 1, 0) for array in (volumes, corrected))
    for shift, slices in _together(times, repetition_time, moment):
        for slice_ in slices:
            courses = given[slice_].reshape(len(volumes), -1)
            wanted[slice_] = shift_courses(courses, shift).reshape(given[slice_].shape)
    return corrected


def correct_voxels(
    signal: np.ndarray, position: np.ndarray, times: SliceTimes, repetition_time: float, moment: float
) -> None:
    """Shift, in place, the time courses of voxels of a realigned run, each by the time of the slice it comes from.

    Parameters
    ----------
    signal : array of shape (T, V), float32
    position : array of shape (V,)
        Voxel coordinate along the slice axis of the raw volumes; the nearest slice counts.
    times, repetition_time, moment
        As in `correct_volumes`.
    """
    nearest = np.clip(np.rint(position), 0, len(times.seconds) - 1).astype(int)
    for shift, slices in _together(times, repetition_time, moment):
        chosen = np.flatnonzero(np.isin(nearest, slices))
        for start in range(0, len(chosen) if shift else 0, BATCH):
            part = chosen[start : start + BATCH]
            signal[:, part] = shift_courses(signal[:, part], shift)


def check_moment(moment: float) -> None:
    """Refuse a moment outside the repetition time.

    Raises
    ------
    ConfigError
        If it is not a share between 0 and 1.
    """
    if not 0 <= moment <= 1:
        raise ConfigError(
            f"preprocess.slice_timing_reference is {moment}; it is a share of the repetition time, 0 to 1."
        )


def _together(times: SliceTimes, repetition_time: float, moment: float) -> Iterator[tuple[float, np.ndarray]]:
    """Yield shifts in volumes and the slices that they belong to."""
    check_moment(moment)
    for seconds in np.unique(times.seconds):
        yield float(moment - seconds / repetition_time), np.flatnonzero(times.seconds == seconds)


def _periodic(courses: np.ndarray, margin: int) -> np.ndarray:
    """Continue courses (V, T) at both ends by point reflection, and mirror the whole into one smooth period."""
    first, last = courses[:, :1], courses[:, -1:]
    before = 2 * first - courses[:, margin:0:-1]
    after = 2 * last - courses[:, -2 : -margin - 2 : -1]
    return np.concatenate([before, courses, after, after[:, -2::-1], courses[:, ::-1], before[:, :0:-1]], axis=1)
