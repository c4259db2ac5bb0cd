"""Simulated echo-planar imaging: a static image, a response, noise and motion become volumes, slice by slice.

Settings used: ``repetition_time`` (s), ``slice_timing`` (``multiband``, the number of slices taken at once, and
``order``; null takes all slices of a volume at its start) and those of `noise`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from fmri2image.acquire.phantom.active import ActiveTissue
from fmri2image.acquire.phantom.anatomy import Head, apply_affine, functional_grid, grid_points
from fmri2image.acquire.phantom.noise import fluctuation, noise_levels
from fmri2image.core.errors import ConfigError

# Signal of grey matter in the stored integers.
GREY_LEVEL = 1000.0
# How strongly tissue pulsates with the heart where there is no fluid near it, relative to pure fluid.
PULSATION_OF_TISSUE = 0.2
# Millimetres (standard deviation) over which the pulsation of fluid and of the vessels in it reaches into tissue.
PULSATION_REACH = 3.0
CHUNK = 16


@dataclass(frozen=True)
class StaticImage:
    """What the scanner sees of a head at rest, in brain space.

    Parameters
    ----------
    values : array of shape (x, y, z)
        EPI contrast on a fine grid, already blurred by the voxel's point-spread function.
    affine : array of shape (4, 4)
        Of the fine grid.
    pulsation, grey : arrays of the functional grid's shape
        How strongly tissue pulsates with the heart (pure fluid = 1), and the fraction of grey matter.
    """

    values: np.ndarray
    affine: np.ndarray
    pulsation: np.ndarray
    grey: np.ndarray


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
    tissue = head.tissue(grid_points(shape, affine))
    # Fluid lies in the ventricles and around the brain, where the large vessels run.
    fluid = gaussian_filter(tissue["csf"], PULSATION_REACH / zoom, mode="nearest")
    pulsation = PULSATION_OF_TISSUE + (1 - PULSATION_OF_TISSUE) * fluid
    return StaticImage(np.maximum(fine, 0) * GREY_LEVEL, fine_affine, pulsation, tissue["gm"])


def slice_times(n_slices: int, settings: Mapping) -> np.ndarray:
    """Return when each slice is taken, (n_slices,) seconds from the start of its volume.

    The slices are shared between shots that follow each other at equal distance through the repetition time; a shot
    takes every n-th slice, as multiband imaging does. ``order: interleaved`` takes every other shot first.

    Raises
    ------
    ConfigError
        If the order is unknown.
    """
    timing = settings["slice_timing"]
    if timing is None:
        return np.zeros(n_slices)
    n_shots = int(np.ceil(n_slices / timing["multiband"]))
    orders = {"ascending": np.arange(n_shots), "interleaved": np.r_[0:n_shots:2, 1:n_shots:2]}
    if timing["order"] not in orders:
        raise ConfigError(
            f"simulate: slice_timing: order is '{timing['order']}', which is unknown; use {' or '.join(orders)}."
        )
    rank = np.argsort(orders[timing["order"]])
    return rank[np.arange(n_slices) % n_shots] * settings["repetition_time"] / n_shots


def shot_times(settings: Mapping) -> np.ndarray:
    """Return the times of the shots of a volume, ascending, (n_shots,) seconds from its start."""
    return np.unique(slice_times(functional_grid(settings)[0][2], settings))


def mid_volume(settings: Mapping) -> float:
    """Return the middle of a volume's acquisition, halfway between its first and last shot, in seconds from its start."""
    times = shot_times(settings)
    return float(times[0] + times[-1]) / 2


def acquire_run(
    static: StaticImage,
    receive: np.ndarray,
    poses: np.ndarray,
    signal: np.ndarray,
    active: ActiveTissue,
    settings: Mapping,
    rng: np.random.Generator,
) -> np.ndarray:
    """Acquire the volumes of one run.

    Parameters
    ----------
    static : StaticImage
    receive : array of the functional grid's shape
        Sensitivity of the coil, fixed in scanner space: the head moves beneath it.
    poses : array of shape (n_volumes, n_shots, 4, 4)
        Brain-space points to scanner points at the time of each shot (`shot_times`).
    signal : array of shape (n_volumes + 1, n_voxels)
        Signal change as a fraction at the start of every volume and the end of the last. A straight line leads from one
        to the next: the haemodynamic response is too slow to bend much within a repetition time.
    active : ActiveTissue
        Where in brain space that change is.
    settings : mapping
    rng : Generator

    Returns
    -------
    volumes : int16 array of shape (*grid, n_volumes)
    """
    shape, affine = functional_grid(settings)
    n_volumes = len(poses)
    times, shot = np.unique(slice_times(shape[2], settings), return_inverse=True)
    members = [np.flatnonzero(shot == number) for number in range(len(times))]
    points = np.insert(grid_points(shape, affine), 3, 1, axis=-1)
    points = [torch.from_numpy(points[:, :, slices].reshape(-1, 4)).float() for slices in members]
    sensitivity = torch.from_numpy(receive)
    physiology = torch.from_numpy(_physiology(static, poses, times[shot], settings, rng))
    thermal = float(noise_levels(settings)[0] * GREY_LEVEL)
    image = torch.from_numpy(static.values)[None, None]
    back = np.linalg.inv(poses)
    to_fine, to_active = np.linalg.inv(static.affine) @ back, np.linalg.inv(active.affine) @ back
    volumes = np.empty((*shape, n_volumes), dtype=np.int16, order="F")
    for start in range(0, n_volumes, CHUNK):
        chunk = slice(start, min(start + CHUNK, n_volumes))
        count = chunk.stop - start
        brain = torch.empty((count, *shape))
        frames = active.volumes(signal[start : chunk.stop + 1])
        for number, slices in enumerate(members):
            moved = _sampling_grid(to_fine[chunk, number], points[number], static.values.shape)
            seen = _interpolate(image, moved.reshape(1, -1, shape[1], len(slices), 3))
            passed = float(times[number]) / settings["repetition_time"]
            change = torch.lerp(frames[:-1], frames[1:], passed)[:, None]
            moved = _sampling_grid(to_active[chunk, number], points[number], active.shape)
            change = _interpolate(change, moved.reshape(count, *shape[:2], len(slices), 3))[:, 0]
            brain[..., slices] = seen.reshape(count, *shape[:2], len(slices)) * (1 + change)
        brain *= sensitivity * (1 + physiology[chunk])
        real, imaginary = thermal * torch.from_numpy(rng.standard_normal((2, *brain.shape), dtype=np.float32))
        # A magnitude image: noise in both channels, hence Rician.
        magnitude = torch.hypot(brain + real, imaginary).round()
        volumes[..., chunk] = np.moveaxis(magnitude.numpy(), 0, -1).astype(np.int16)
    return volumes


def _physiology(
    static: StaticImage, poses: np.ndarray, times: np.ndarray, settings: Mapping, rng: np.random.Generator
) -> np.ndarray:
    """Draw the run's `fluctuation`, the tissue maps taken at the pose in the middle of the run."""
    shape, affine = functional_grid(settings)
    n_volumes, n_shots = poses.shape[:2]
    pose = poses[n_volumes // 2, n_shots // 2]
    index = np.moveaxis(apply_affine(np.linalg.inv(pose @ affine), grid_points(shape, affine)), -1, 0)
    pulsation, grey = (
        map_coordinates(tissue, index, order=1, mode="nearest") for tissue in (static.pulsation, static.grey)
    )
    starts = np.arange(n_volumes)[:, None] * settings["repetition_time"]
    return fluctuation(starts + times, pulsation, grey, settings, rng)


def _sampling_grid(matrices: np.ndarray, points: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Turn points (n, 4) by each matrix into the normalised coordinates of grid_sample, (n_matrices, n, 3)."""
    extent = np.array(shape) - 1.0
    normalised = 2 * matrices[:, :3] / extent[:, None]
    normalised[:, :, 3] -= 1
    # grid_sample wants the last axis first.
    return points @ torch.from_numpy(np.ascontiguousarray(normalised[:, ::-1].transpose(0, 2, 1))).float()


def _interpolate(image: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
