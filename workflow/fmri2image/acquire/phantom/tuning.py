"""How simulated voxels respond to images: receptive fields over Gabor energy and colour, not the decoder's network.

Early areas pool local channels (Gabor energy at four orientations and three scales; luminance, red-green and blue-yellow
contrast with their sign) through Gaussian population receptive fields that grow from V1 to V4. Higher areas have large
fields and answer to products of such channels. Positions follow the anatomy: the left hemisphere sees the right visual
field, dorsal areas the lower one, eccentricity falls towards the occipital pole.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

MAP = 32  # channels are kept on a MAP × MAP grid
PERIODS = (0.09, 0.18, 0.36)  # of the image's width
ORIENTATIONS = (0.0, 0.25, 0.5, 0.75)  # of half a turn
N_ENERGY = len(PERIODS) * len(ORIENTATIONS)
FIELD_OF_VIEW = 1.25  # largest eccentricity, in half widths of the image: the corners are seen too
AREA_ORDER = ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "LOC", "FFA", "PPA", "HVC")
# Receptive field SD at the fovea and its growth with eccentricity, in half widths of the image.
FIELD = {"V1": (0.05, 0.06), "V2": (0.07, 0.09), "V3": (0.10, 0.13), "hV4": (0.18, 0.18)}
HIGH_FIELD = {"LOC": 0.45, "FFA": 0.6, "PPA": 0.7, "HVC": 0.55}
N_PRODUCTS = 6


@dataclass(frozen=True)
class Tuning:
    """Receptive fields and channel weights of the voxels of one subject.

    Parameters
    ----------
    area : list of str, one per voxel
    centre : array of shape (n_voxels, 2)
        x (right) and y (up) in half widths of the image.
    spread : array of shape (n_voxels,)
        SD of the Gaussian field, same unit.
    weights : array of shape (n_voxels, n_channels)
    pairs : array of shape (n_voxels, N_PRODUCTS, 2, n_channels)
        Weights of the two factors of every product; zero in early areas.
    amplitude : array of shape (n_voxels,)
        Per cent signal change per SD of the training responses, relative to other voxels (mean one).
    """

    area: list[str]
    centre: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    pairs: np.ndarray
    amplitude: np.ndarray


def channels(images: np.ndarray) -> np.ndarray:
    """Return the channels of images.

    Parameters
    ----------
    images : array of shape (n, size, size, 3), uint8

    Returns
    -------
    maps : array of shape (n, n_channels, MAP, MAP), float32
        Gabor energies (period outer, orientation inner), luminance, red-green, blue-yellow.
    """
    rgb = images.astype(np.float32) / 255
    size = rgb.shape[1]
    luminance = rgb.mean(axis=3)
    opponent = [luminance - 0.5, rgb[..., 0] - rgb[..., 1], rgb[..., 2] - rgb[..., :2].mean(axis=3)]
    spectrum = np.fft.fft2(luminance - luminance.mean(axis=(1, 2), keepdims=True))
    fy, fx = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    energies = []
    for period in PERIODS:
        frequency = 1 / (period * size)
        for orientation in ORIENTATIONS:
            angle = np.pi * orientation
            along, across = fx * np.cos(angle) + fy * np.sin(angle), -fx * np.sin(angle) + fy * np.cos(angle)
            # One-sided in frequency: the response is complex and its modulus is the quadrature energy.
            gabor = np.exp(-((along - frequency) ** 2 + across**2) / (2 * (0.4 * frequency) ** 2))
            energies.append(np.abs(np.fft.ifft2(spectrum * gabor)))
    maps = np.stack([*energies, *opponent], axis=1)
    scale = MAP / size
    if scale < 1:
        maps = ndimage.gaussian_filter(maps, (0, 0, 0.4 / scale, 0.4 / scale), mode="nearest")
    maps = ndimage.zoom(maps, (1, 1, scale, scale), order=1, mode="nearest", grid_mode=True)
    return maps.astype(np.float32)


def draw_tuning(area: list[str], hemisphere: list[str], template: np.ndarray, generator: np.random.Generator) -> Tuning:
    """Draw the tuning of a subject's voxels.

    Parameters
    ----------
    area : list of str
        One of `AREA_ORDER` per voxel (the most specific one that holds it).
    hemisphere : list of {"LH", "RH"}
    template : array of shape (n_voxels, 3)
        Template coordinates in mm.
    generator : numpy Generator

    Returns
    -------
    Tuning
    """
    n, n_channels = len(area), N_ENERGY + 3
    areas, left = np.array(area), np.array(hemisphere) == "LH"
    centre, spread = np.zeros((n, 2)), np.zeros(n)
    for name in sorted(set(area)):
        mine = areas == name
        rank = _rank(template[mine, 1] + generator.normal(0, 3, mine.sum()))  # 0 = most posterior = fovea
        eccentricity = FIELD_OF_VIEW * rank**0.75
        early = name.rstrip("dv") if name != "hV4" else name
        if early in FIELD:
            angle = _polar_angle(name, template[mine, 2], generator)
            foveal, growth = FIELD[early]
            spread[mine] = (foveal + growth * eccentricity) * generator.uniform(0.8, 1.25, mine.sum())
        else:
            angle = generator.uniform(-np.pi / 2, np.pi / 2, mine.sum())
            eccentricity = 0.5 * eccentricity
            spread[mine] = HIGH_FIELD[name] * generator.uniform(0.8, 1.25, mine.sum())
        side = np.where(left[mine], 1, -1)
        centre[mine] = np.stack([side * eccentricity * np.cos(angle), eccentricity * np.sin(angle)], axis=1)
    high = np.isin(areas, list(HIGH_FIELD))
    weights = np.zeros((n, n_channels))
    # An early voxel prefers one orientation and scale, or one colour axis: sign included, for energy alone loses it.
    preferred = generator.integers(0, N_ENERGY, n)
    weights[np.arange(n), preferred] = np.abs(generator.normal(1, 0.3, n))
    weights[:, :N_ENERGY] += 0.25 * np.abs(generator.normal(0, 1, (n, N_ENERGY)))
    colour = generator.normal(0, 1, (n, 3)) * np.array([1.4, 1.0, 1.0])
    weights[:, N_ENERGY:] = colour
    weights[:, :N_ENERGY] *= generator.uniform(0.2, 1.0, (n, 1))
    pairs = generator.normal(0, 1, (n, N_PRODUCTS, 2, n_channels)) * high[:, None, None, None]
    weights[high] *= 0.4
    amplitude = generator.lognormal(-0.08, 0.4, n)
    return Tuning(list(area), centre, spread, weights, pairs, amplitude / amplitude.mean())


@dataclass(frozen=True)
class ResponseModel:
    """A subject's tuning with the statistics of the training images that standardise it.

    Parameters
    ----------
    tuning : Tuning
    channel_mean, channel_scale : arrays of shape (n_channels,)
    pooled_scale : array of shape (n_voxels, n_channels)
        SD of each channel behind each receptive field.
    mean, scale : arrays of shape (n_voxels,)
    """

    tuning: Tuning
    channel_mean: np.ndarray
    channel_scale: np.ndarray
    pooled_scale: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def responses(self, images: np.ndarray) -> np.ndarray:
        """Return responses (n_images, n_voxels) in SD of the training responses to images (n, size, size, 3), uint8."""
        maps = (channels(images) - _wide(self.channel_mean)) / _wide(self.channel_scale)
        raw = _combine(self.tuning, _pool(self.tuning, maps) / self.pooled_scale)
        return ((raw - self.mean) / self.scale).astype(np.float32)


def response_model(tuning: Tuning, training_images: np.ndarray) -> ResponseModel:
    """Standardise a tuning by the training images (n, size, size, 3), uint8."""
    maps = channels(training_images)
    mean, scale = maps.mean(axis=(0, 2, 3)), maps.std(axis=(0, 2, 3))
    pooled = _pool(tuning, (maps - _wide(mean)) / _wide(scale))
    # Each channel varies alike behind every field size, so that large fields do not answer to colour alone.
    pooled_scale = np.maximum(pooled.std(axis=0), 1e-6)
    raw = _combine(tuning, pooled / pooled_scale)
    return ResponseModel(tuning, mean, scale, pooled_scale, raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-6))


def _pool(tuning: Tuning, maps: np.ndarray) -> np.ndarray:
    return np.einsum("ncp,vp->nvc", maps.reshape(*maps.shape[:2], -1), _fields(tuning), optimize=True)


def _combine(tuning: Tuning, pooled: np.ndarray) -> np.ndarray:
    linear = np.einsum("nvc,vc->nv", pooled, tuning.weights)
    high = np.flatnonzero(np.abs(tuning.pairs).sum(axis=(1, 2, 3)) > 0)
    if len(high):
        factors = np.einsum("nvc,vkfc->nvkf", pooled[:, high], tuning.pairs[high], optimize=True)
        factors = factors / np.sqrt(pooled.shape[2])
        linear[:, high] += np.tanh(factors[..., 0] * factors[..., 1]).sum(axis=2)
    return linear


def _fields(tuning: Tuning) -> np.ndarray:
    axis = (np.arange(MAP) + 0.5) / MAP * 2 - 1
    x, y = np.meshgrid(axis, -axis)  # rows run downwards, y upwards
    square = (x.ravel() - tuning.centre[:, :1]) ** 2 + (y.ravel() - tuning.centre[:, 1:]) ** 2
    fields = np.exp(-square / (2 * np.maximum(tuning.spread, 1 / MAP)[:, None] ** 2))
    return fields / np.maximum(fields.sum(axis=1, keepdims=True), 1e-3)


def _polar_angle(name: str, height: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return polar angles in the right hemifield: ventral sees up, dorsal down; the map reverses at every border."""
    if name == "hV4":
        return (_rank(height) * 2 - 1) * np.pi / 2
    upper = name.endswith("v")
    away = _rank(-height if upper else height)  # 0 = next to the calcarine
    fraction = away if name[:2] in ("V1", "V3") else 1 - away
    angle = np.clip(fraction + generator.normal(0, 0.05, len(height)), 0, 1) * np.pi / 2
    return angle if upper else -angle


def _rank(values: np.ndarray) -> np.ndarray:
    order = np.argsort(np.argsort(values))
    return order / max(len(values) - 1, 1)


def _wide(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]
