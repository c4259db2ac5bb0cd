"""Simulated echo-planar imaging: a static image, a response, noise and motion become volumes.

Settings used: ``repetition_time`` (s) and, under ``noise``: ``temporal_snr`` (mean over standard deviation of grey
matter at rest, drift and motion aside), ``physiological_fraction`` (of that variance; the rest is thermal),
``autocorrelation`` (of physiological noise from volume to volume), ``smoothness`` (mm, full width at half maximum, of
physiological noise and drift) and ``drift`` (per cent, standard deviation).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from nilearn.glm.first_level import spm_hrf
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.signal import lfilter

from fmri2image.acquire.phantom.anatomy import Head, apply_affine, functional_grid, grid_points

# Signal of grey matter in the stored integers.
GREY_LEVEL = 1000.0
HRF_STEP = 0.1
# Slowest drift is a half cosine over the run; the fastest has this period.
SHORTEST_DRIFT = 128.0
CHUNK = 16


@dataclass(frozen=True)
class StaticImage:
    """The EPI contrast in brain space on a fine grid, already blurred by the voxel's point-spread function."""

    values: np.ndarray
    affine: np.ndarray


def static_image(head: Head, settings: Mapping, margin: float = 15.0) -> StaticImage:
    """Prepare the EPI contrast of a head, so fine that sampling it between grid points adds no visible error."""
    zoom = settings["voxel_size"]
    shape, affine = functional_grid(settings)
    coarse_affine = affine.copy()
    coarse_affine[:3, :3] /= 2
    start = -np.full(3, np.ceil(margin / zoom) + 0.5) + 0.25
    coarse_affine[:3, 3] = apply_affine(affine, start)
    coarse_shape = tuple(int(2 * (n + 2 * np.ceil(margin / zoom) + 1)) for n in shape)
    coarse = head.contrast("epi", grid_points(coarse_shape, coarse_affine))
    # The point-spread function of a voxel: a Gaussian a little wider than a box of the voxel's size.
    coarse = gaussian_filter(coarse, 0.4 * zoom / (zoom / 2))
    fine_affine = coarse_affine.copy()
    fine_affine[:3, :3] /= 2
    axes = [np.arange(2 * n - 1) / 2 for n in coarse_shape]
    fine = map_coordinates(coarse, np.stack(np.meshgrid(*axes, indexing="ij")), order=3, output=np.float32)
    return StaticImage(np.maximum(fine, 0) * GREY_LEVEL, fine_affine)


def block_design(onsets: np.ndarray, durations: np.ndarray, n_volumes: int, repetition_time: float) -> np.ndarray:
    """Return the haemodynamic response of every block at the time of every volume, (n_volumes, n_blocks).

    SPM's canonical function with unit area, so that an endless block would reach 1. All slices of a volume are taken at
    its start.
    """
    hrf = spm_hrf(HRF_STEP, oversampling=1)
    # Step response: what a block that never ends has reached after each step.
    step = np.concatenate([[0.0], np.cumsum(hrf)]) / hrf.sum()
    times = np.arange(len(step)) * HRF_STEP
    since = np.arange(n_volumes)[:, None] * repetition_time - np.asarray(onsets)[None]
    return np.interp(since, times, step) - np.interp(since - np.asarray(durations)[None], times, step)


def noise_levels(settings: Mapping) -> tuple[float, float]:
    """Return the standard deviations of thermal and physiological noise, relative to the signal of grey matter."""
    noise = settings["noise"]
    fraction = noise["physiological_fraction"]
    return np.sqrt(1 - fraction) / noise["temporal_snr"], np.sqrt(fraction) / noise["temporal_snr"]


def block_noise(settings: Mapping, n_averaged: int) -> tuple[float, float]:
    """Return what thermal and physiological noise leave in the mean of `n_averaged` neighbouring volumes."""
    thermal, physiological = noise_levels(settings)
    lag = np.abs(np.subtract.outer(np.arange(n_averaged), np.arange(n_averaged)))
    return thermal / np.sqrt(n_averaged), physiological * np.sqrt((settings["noise"]["autocorrelation"] ** lag).mean())


def acquire_run(
    static: StaticImage,
    receive: np.ndarray,
    poses: np.ndarray,
    signal: np.ndarray,
    voxel_index: np.ndarray,
    settings: Mapping,
    rng: np.random.Generator,
) -> np.ndarray:
    """Acquire the volumes of one run.

    Parameters
    ----------
    static : StaticImage
    receive : array of the functional grid's shape
        Sensitivity of the coil, fixed in scanner space: the head moves beneath it.
    poses : array of shape (n_volumes, 4, 4)
        Brain-space points to scanner points at the time of each volume.
    signal : array of shape (n_volumes, n_voxels)
        Signal change as a fraction, in voxels of the functional grid in brain space; trilinear between them.
    voxel_index : integer array of shape (n_voxels, 3)
        Their places on that grid.
    settings : mapping
    rng : Generator

    Returns
    -------
    volumes : int16 array of shape (*grid, n_volumes)
    """
    shape, affine = functional_grid(settings)
    n_volumes = len(poses)
    points = grid_points(shape, affine)
    sensitivity = torch.from_numpy(receive)
    points = torch.from_numpy(np.insert(points.reshape(-1, 3), 3, 1, axis=1)).float()
    fluctuation = torch.from_numpy(_fluctuation(shape, n_volumes, settings, rng))
    thermal = float(noise_levels(settings)[0] * GREY_LEVEL)
    image = torch.from_numpy(static.values)[None, None]
    to_fine, to_mask = np.linalg.inv(static.affine), np.linalg.inv(affine)
    back = np.linalg.inv(poses)
    flat_index = np.ravel_multi_index(voxel_index.T, shape)
    volumes = np.empty((*shape, n_volumes), dtype=np.int16, order="F")
    for start in range(0, n_volumes, CHUNK):
        chunk = slice(start, min(start + CHUNK, n_volumes))
        count = chunk.stop - start
        moved = _sampling_grid(to_fine @ back[chunk], points, static.values.shape).reshape(1, -1, *shape[1:], 3)
        brain = _interpolate(image, moved).reshape(count, *shape)
        change = np.zeros((count, np.prod(shape)), dtype=np.float32)
        change[:, flat_index] = signal[chunk]
        moved = _sampling_grid(to_mask @ back[chunk], points, shape).reshape(count, *shape, 3)
        active = _interpolate(torch.from_numpy(change.reshape(count, 1, *shape)), moved)[:, 0]
        brain = brain * sensitivity * (1 + active) * (1 + fluctuation[chunk])
        real, imaginary = thermal * torch.from_numpy(rng.standard_normal((2, *brain.shape), dtype=np.float32))
        # A magnitude image: noise in both channels, hence Rician.
        magnitude = torch.hypot(brain + real, imaginary).round()
        volumes[..., chunk] = np.moveaxis(magnitude.numpy(), 0, -1).astype(np.int16)
    return volumes


def _sampling_grid(matrices: np.ndarray, points: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Turn points (n, 4) by each matrix into the normalised coordinates of grid_sample, (n_matrices, n, 3)."""
    extent = np.array(shape) - 1.0
    normalised = 2 * matrices[:, :3] / extent[:, None]
    normalised[:, :, 3] -= 1
    # grid_sample wants the last axis first.
    return points @ torch.from_numpy(np.ascontiguousarray(normalised[:, ::-1].transpose(0, 2, 1))).float()


def _interpolate(image: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _fluctuation(shape: tuple[int, ...], n_volumes: int, settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Draw physiological noise and drift as a fraction of the signal, (n_volumes, *shape), smooth in space."""
    noise = settings["noise"]
    spread = [_spread(n, settings["voxel_size"], noise["smoothness"]) for n in shape]
    nodes = tuple(matrix.shape[1] for matrix in spread)
    persistence = noise["autocorrelation"]
    white = rng.standard_normal((n_volumes, *nodes)) * np.sqrt(1 - persistence**2)
    white[0] /= np.sqrt(1 - persistence**2)
    field = noise_levels(settings)[1] * lfilter([1], [1, -persistence], white, axis=0)
    seconds = n_volumes * settings["repetition_time"]
    order = np.arange(1, max(1, int(2 * seconds / SHORTEST_DRIFT)) + 1)
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    waves = np.cos(np.pi * times[:, None] * order) / order
    waves *= noise["drift"] / 100 / np.sqrt((waves**2).mean(0).sum())
    field += np.tensordot(waves, rng.standard_normal((len(order), *nodes)), axes=1)
    for axis, matrix in enumerate(spread, start=1):
        field = np.moveaxis(np.tensordot(field, matrix, axes=(axis, 1)), -1, axis)
    return field.astype(np.float32)


def _spread(n: int, zoom: float, smoothness: float) -> np.ndarray:
    """Return weights (n, n_nodes) that turn unit white noise on nodes into smooth noise of unit variance."""
    # A field is as smooth as its kernel, whose autocorrelation is √2 wider.
    width = smoothness / 2.355 / np.sqrt(2)
    nodes = np.arange(-2 * width, n * zoom + 3 * width, 1.5 * width)
    weights = np.exp(-((np.arange(n)[:, None] * zoom - nodes) ** 2) / (2 * width**2))
    return weights / np.sqrt((weights**2).sum(1, keepdims=True))
