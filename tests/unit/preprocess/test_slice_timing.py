"""Slice timing: signals sampled at the times of the slices are brought back to one moment."""

import numpy as np
import pytest
from scipy import signal as scipy_signal

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.slice_timing import (
    SliceTimes,
    correct_volumes,
    correct_voxels,
    shift_courses,
    slice_times,
)

TR = 2.0
# Interleaved, two slices at a time.
SECONDS = np.array([0.0, 1.0, 0.5, 1.5, 0.0, 1.0, 0.5, 1.5])


def response(seconds):
    """Return a level, a trend and slow waves, all below 0.15 Hz, at any time."""
    waves = sum(
        (3 + k) * np.sin(2 * np.pi * frequency * seconds + k)
        for k, frequency in enumerate((0.011, 0.037, 0.06, 0.094, 0.13))
    )
    return 600 + 0.1 * seconds + waves


def acquired(axis, n_volumes=120):
    """Return volumes (T, X, Y, Z) whose slices are sampled at their times, a gain per voxel within the slice."""
    starts = np.arange(n_volumes) * TR
    gain = np.random.default_rng(0).uniform(0.5, 1.5, (3, 2))
    sampled = response(starts[:, None] + SECONDS)
    return np.moveaxis(gain * sampled[:, :, None, None], 1, axis + 1), gain, starts


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("moment", [0.0, 0.5])
def test_slow_signals_are_recovered_at_the_chosen_moment(axis, moment):
    volumes, gain, starts = acquired(axis)
    corrected = np.moveaxis(correct_volumes(volumes, SliceTimes(SECONDS, axis), TR, moment), axis + 1, 1)
    truth = gain * response(starts + moment * TR)[:, None, None]
    before = np.abs(np.moveaxis(volumes, axis + 1, 1) - truth[:, None])
    error = np.abs(corrected - truth[:, None])
    assert before.max() > 8
    assert error[10:-10].max() < 0.1
    # At the ends half of the neighbours are unknown; a moment before the first or after the last sample most of all.
    assert error[1:-1].max() < 2
    assert error.max() < before.max()


def test_voxels_are_shifted_by_the_slice_that_they_come_from():
    volumes, _, starts = acquired(2)
    position = np.array([0.2, 2.6, 3.4, 6.9, -0.4, 8.3])  # nearest slices 0, 3, 3, 7, 0, 7
    signal = np.stack([volumes[:, 1, 1, slice_] for slice_ in (0, 3, 3, 7, 0, 7)], axis=1).astype(np.float32)
    original = signal.copy()
    correct_voxels(signal, position, SliceTimes(SECONDS, 2), TR, 0.75)
    expected = correct_volumes(volumes, SliceTimes(SECONDS, 2), TR, 0.75)[:, 1, 1]
    np.testing.assert_allclose(signal, expected[:, [0, 3, 3, 7, 0, 7]], rtol=1e-6)
    # Slices 3 and 7 are taken at 1.5 s of 2 s: nothing to shift.
    np.testing.assert_array_equal(signal[:, [1, 2, 3, 5]], original[:, [1, 2, 3, 5]])
    assert np.abs(signal[:, 0] - original[:, 0]).max() > 5


def test_constants_lines_and_unshifted_courses_stay():
    rng = np.random.default_rng(1)
    courses = rng.normal(500, 20, (41, 3)).astype(np.float32)
    np.testing.assert_array_equal(shift_courses(courses, 0.0), courses)
    line = 700 + 3 * np.arange(41.0)[:, None]
    for shift in (-0.7, 0.3):
        np.testing.assert_allclose(shift_courses(np.full((41, 2), 512.0), shift), 512, rtol=1e-6)
        np.testing.assert_allclose(shift_courses(line, shift), line + 3 * shift, rtol=1e-5)


def test_a_shift_equals_scipys_resampling_of_a_periodic_signal():
    n, factor = 100, 5
    wave = 100 + sum(np.cos(2 * np.pi * k * np.arange(n) / n + k) for k in (1, 5, 17, 30))
    fine = scipy_signal.resample(wave, n * factor)
    shifted = shift_courses(wave[:, None], 2 / factor)[:, 0]
    np.testing.assert_allclose(shifted[15:-15], fine[2::factor][15:-15], atol=2e-2)


def test_there_and_back_changes_little_and_ends_do_not_ring():
    step = np.where(np.arange(80) < 40, 100.0, 110.0)[:, None]
    ramp = np.concatenate([np.zeros(10), np.linspace(0, 30, 70)])[:, None] + 500
    for course in (step, ramp):
        shifted = shift_courses(course, 0.4)
        ends = np.r_[0:8, 72:80]
        expected = np.interp(ends + 0.4, np.arange(-2, 82), np.pad(course[:, 0], 2, "reflect", reflect_type="odd"))
        assert np.abs(shifted[ends, 0] - expected).max() < 0.4
        assert shifted.min() > course.min() - 2
        assert shifted.max() < course.max() + 2
        np.testing.assert_allclose(shift_courses(shifted, -0.4)[5:-5], course[5:-5], atol=0.8)


def test_short_runs_and_missing_signals_pass():
    assert shift_courses(np.full((1, 2), 5.0), 0.5).tolist() == [[5.0, 5.0]]
    np.testing.assert_allclose(shift_courses(np.array([[1.0], [3.0]]), 0.5), [[2.0], [4.0]], rtol=1e-6)
    courses = np.full((9, 2), 4.0)
    courses[:, 1] = np.nan
    shifted = shift_courses(courses, 0.5)
    np.testing.assert_allclose(shifted[:, 0], 4)
    assert np.isnan(shifted[:, 1]).all()


def test_sidecars_name_axis_and_direction():
    times = [0.0, 0.5, 1.0]
    assert slice_times({"SliceTiming": times}, (5, 4, 3, 9), TR, "bold.nii.gz").axis == 2
    turned = slice_times({"SliceTiming": times, "SliceEncodingDirection": "j-"}, (5, 3, 4), TR, "bold.nii.gz")
    assert turned.axis == 1
    assert turned.seconds.tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("sidecar", "sentence"),
    [
        ({}, r"run\.nii\.gz gives no SliceTiming; add it"),
        ({"SliceTiming": [0.0, 1.0]}, r"has 2 entries, but the volumes have 3 slices along k"),
        ({"SliceTiming": [0.0, 1.0, 2.0]}, r"runs from 0 to 2 s, outside the repetition time of 2 s"),
        ({"SliceTiming": [0.0, -0.1, 1.0]}, r"runs from -0\.1 to 1 s"),
        ({"SliceTiming": [0.0, None, 1.0]}, r"outside the repetition time"),
        ({"SliceTiming": ["a", "b", "c"]}, r"is not a list of numbers"),
        ({"SliceTiming": [0.0, 0.5, 1.0], "SliceEncodingDirection": "z"}, r"SliceEncodingDirection 'z'"),
    ],
)
def test_unusable_sidecars_are_one_sentence(sidecar, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        slice_times(sidecar, (5, 4, 3), TR, "run.nii.gz")
    assert "run.nii.gz" in str(caught.value)
    with pytest.raises(ConfigError, match="slice_timing_reference"):
        correct_volumes(np.zeros((4, 1, 1, 2)), SliceTimes(np.array([0.0, 1.0]), 2), TR, 1.5)
