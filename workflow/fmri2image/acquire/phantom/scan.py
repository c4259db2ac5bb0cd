"""The simulated scanner: block responses become volumes that move, drift and hiss.

A volume is the static EPI contrast times one plus the per cent signal, read at the pose of the head. The static contrast
is prepared on a finer grid and blurred by the voxel's point-spread function, so that reading it between grid points by
linear interpolation adds next to no error of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.stats import gamma

from fmri2image.acquire.phantom.anatomy import Head, bias_field, grid_points
from fmri2image.core.geometry import grid_centre, rigid_matrix

FINE = 1.5  # mm
MARGIN = 15.0  # mm around the slab that motion may bring into view
GREY = 1000.0  # intensity of grey matter


@dataclass(frozen=True)
class Volume:
    """A map in space.

    Parameters
    ----------
    values : array of shape (x, y, z)
    affine : array of shape (4, 4)
    """

    values: np.ndarray
    affine: np.ndarray


def static_contrast(head: Head, shape: tuple[int, ...], affine: np.ndarray, rng: np.random.Generator) -> Volume:
    """Return the EPI contrast of a head in brain space around a slab, on a grid of `FINE` mm.

    Parameters
    ----------
    head : Head
    shape, affine
        Grid of the slab.
    rng : numpy Generator
        Draws the receive field.
    """
    size = np.linalg.norm(affine[:3, :3], axis=0)
    pad = np.ceil(MARGIN / FINE)
    fine_shape = tuple(int(n) for n in np.ceil(np.array(shape) * size / FINE) + 2 * pad)
    fine = np.eye(4)
    fine[:3, :3] = affine[:3, :3] / size * FINE
    centre = grid_centre(shape, affine)
    fine[:3, 3] = centre - fine[:3, :3] @ ((np.array(fine_shape) - 1) / 2)
    points = grid_points(fine_shape, fine)
    values = GREY * head.contrast("epi", points) * bias_field(points, rng)
    # A voxel integrates over its volume: a Gaussian whose FWHM is the voxel's size.
    return Volume(gaussian_filter(values, size / 2.355 / FINE).astype(np.float32), fine)


def haemodynamic_response(duration: float, repetition_time: float, n_volumes: int) -> np.ndarray:
    """Return the response (n_volumes,) to a block of `duration` seconds that begins with volume 0, its plateau at one.

    Double gamma with peak at 6 s and undershoot at 16 s (SPM's canonical shape); volume t is read at its middle.
    """
    step = 0.1
    time = np.arange(0, 32, step)
    response = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
    block = np.ones(max(1, round(duration / step)))
    fine = np.convolve(block, response / response.sum())
    at = (np.arange(n_volumes) + 0.5) * repetition_time
    return np.interp(at, np.arange(len(fine)) * step, fine, right=0.0)


def signal_time_course(
    onsets: np.ndarray, durations: np.ndarray, responses: np.ndarray, n_volumes: int, repetition_time: float
) -> np.ndarray:
    """Return the per cent signal (n_volumes, n_voxels) of blocks that add up.

    Parameters
    ----------
    onsets, durations : arrays of shape (n_blocks,)
        Seconds; onsets are whole volumes.
    responses : array of shape (n_blocks, n_voxels)
        Per cent signal change.
    """
    design = np.zeros((n_volumes, len(onsets)))
    shapes = {d: haemodynamic_response(d, repetition_time, n_volumes) for d in set(durations)}
    for block, (onset, duration) in enumerate(zip(onsets, durations, strict=True)):
        first = round(onset / repetition_time)
        design[first:, block] = shapes[duration][: n_volumes - first]
    return (design @ responses).astype(np.float32)


def head_motion(n_volumes: int, settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Return six parameters (n_volumes, 6) of motion within a run: a slow walk and a few small jumps; mm and radians."""
    walk = gaussian_filter1d(np.cumsum(rng.standard_normal((n_volumes, 6)), axis=0), 4, axis=0)
    walk -= walk.mean(axis=0)
    walk /= np.maximum(walk.std(axis=0), 1e-6)
    for _ in range(rng.poisson(settings["jumps_per_run"])):
        walk[rng.integers(0, n_volumes) :] += rng.normal(0, 1, 6)
    scale = np.array([settings["translation_mm"]] * 3 + [np.deg2rad(settings["rotation_degrees"])] * 3)
    return walk * scale * rng.uniform(0.5, 1.5)


def session_offset(settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Return the six parameters (6,) by which a session's head position differs from the anatomy's."""
    scale = np.array([settings["session_mm"]] * 3 + [np.deg2rad(settings["session_degrees"])] * 3)
    return rng.normal(0, 1, 6) * scale


def poses(parameters: np.ndarray, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return poses (n, 4, 4), brain to scanner, that turn about the middle of the slab."""
    return rigid_matrix(parameters, grid_centre(shape, affine))


class Scanner:
    """Reads the moving head on the grid of the slab.

    Parameters
    ----------
    static : Volume
    shape, affine
        Grid of the slab, in scanner space and (for activity) in brain space.
    voxels : integer array of shape (n_voxels, 3)
        Voxels of the brain-space grid that respond.
    settings : mapping
        ``thermal_noise``, ``physiological_noise``, ``drift`` (per cent of the signal, SD).
    batch : int
        Volumes read together.
    """

    def __init__(
        self, static: Volume, shape: tuple[int, ...], affine: np.ndarray, voxels: np.ndarray, settings: Mapping, batch: int = 32
    ) -> None:
        self.shape, self.affine, self.settings, self.batch = shape, affine, settings, batch
        self._static = torch.as_tensor(static.values)[None, None]
        self._to_fine = np.linalg.inv(static.affine)
        self._to_slab = np.linalg.inv(affine)
        self._index = tuple(voxels.T)
        self._points = np.concatenate([grid_points(shape, affine).reshape(-1, 3), np.ones((int(np.prod(shape)), 1))], 1)

    def scan(self, signal: np.ndarray, where: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield the volumes (batch, x, y, z), int16, of a run.

        Parameters
        ----------
        signal : array of shape (n_volumes, n_voxels)
            Per cent signal change.
        where : array of shape (n_volumes, 4, 4)
            Poses, brain to scanner.
        rng : numpy Generator
            Draws the noise.
        """
        n_volumes = len(signal)
        drift = self._drift(n_volumes, rng)
        slow = np.zeros(self.shape, dtype=np.float32)
        for start in range(0, n_volumes, self.batch):
            stop = min(start + self.batch, n_volumes)
            activity = np.zeros((stop - start, *self.shape), dtype=np.float32)
            activity[(slice(None), *self._index)] = signal[start:stop]
            back = np.linalg.inv(where[start:stop])
            still = self._read(self._static.expand(stop - start, -1, -1, -1, -1), self._to_fine @ back)
            moved = self._read(torch.as_tensor(activity)[:, None], self._to_slab @ back)
            noise = np.empty_like(activity)
            for i in range(stop - start):
                slow = 0.7 * slow + 0.71 * self._smooth(rng)
                noise[i] = self.settings["physiological_noise"] * slow
            wave = drift[0][start:stop, None, None, None] * drift[1] + drift[2][start:stop, None, None, None] * drift[3]
            percent = moved + noise + wave
            volumes = still * (1 + percent / 100)
            volumes += GREY * self.settings["thermal_noise"] / 100 * rng.standard_normal(still.shape, dtype=np.float32)
            yield np.clip(np.rint(volumes), 0, 32767).astype(np.int16)

    def _read(self, maps: torch.Tensor, to_index: np.ndarray) -> np.ndarray:
        """Read maps (n, 1, x, y, z) at the slab's scanner points, led to map indices by matrices (n, 4, 4)."""
        index = torch.as_tensor(np.matmul(self._points, np.swapaxes(to_index, 1, 2))[..., :3], dtype=torch.float32)
        size = torch.tensor(maps.shape[2:], dtype=torch.float32)
        grid = (2 * index / (size - 1) - 1).flip(-1).reshape(len(maps), *self.shape, 3)
        read = torch.nn.functional.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return read[:, 0].numpy()

    def _smooth(self, rng: np.random.Generator) -> np.ndarray:
        """Return one spatially smooth map of unit variance, drawn on a grid three times coarser."""
        coarse = [int(np.ceil(n / 3)) + 1 for n in self.shape]
        field = torch.as_tensor(rng.standard_normal((1, 1, *coarse), dtype=np.float32))
        fine = torch.nn.functional.interpolate(field, size=self.shape, mode="trilinear", align_corners=True)[0, 0]
        return (fine / 0.6).numpy()

    def _drift(self, n_volumes: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        time = np.linspace(-1, 1, n_volumes, dtype=np.float32)
        wave = np.sin(np.pi * time * rng.uniform(0.3, 0.8) + rng.uniform(0, 6.28)).astype(np.float32)
        size = self.settings["drift"]
        return time, size * self._smooth(rng), wave, 0.4 * size * self._smooth(rng)
