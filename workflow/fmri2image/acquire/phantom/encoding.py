"""What the simulated voxels respond to: filters and opponent colours pooled by receptive fields, no neural network.

Images are taken apart into luminance and opponent colours, ON and OFF contrast, and the energy of oriented filters with
divisive normalisation. A voxel pools these maps with a Gaussian population receptive field whose size grows along the
hierarchy, luminance and colour against a wide suppressive surround. Its tuning mixes the pooled maps linearly and, more
and more towards the higher areas, as second-order products. In early areas the place of the receptive field follows the
place of the voxel: the left hemisphere sees the right visual field, dorsal areas see the lower field, and eccentricity
grows from the occipital pole forward.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from fmri2image.acquire.phantom.areas import BANDS, calcarine_coordinates

# Oriented filters: cycles per image, and orientations.
FREQUENCIES = (3.0, 6.0, 12.0, 22.0)
N_ORIENTATIONS = 4
# Centres of the ON and OFF fields, as a fraction of the image's side.
CONTRAST_SIZES = (1.5 / 64, 4 / 64)
MAP_SIZE = 32
# Luminance and colour are seen against a surround so many times as wide as the receptive field, which is subtracted:
# early visual cortex hardly responds to uniform fields (difference-of-Gaussians model of population receptive fields,
# Zuiderbaan et al. 2012, J. Vis. 12:10). Contrast and energy have no mean to subtract.
SURROUND = 3.0
SURROUNDED = ("luminance", "colour")
GROUPS = ("luminance", "colour", "contrast", "energy")
N_PRODUCTS = 4


@dataclass(frozen=True)
class AreaTuning:
    """How an area sees: receptive field (half image widths) at the fovea, its growth, and the weight of each part."""

    field: float
    growth: float
    luminance: float
    colour: float
    contrast: float
    energy: float
    products: float


# Sizes for an image of 12 degrees after Dumoulin & Wandell 2008 (NeuroImage 39:647, figure 7): half an image width is 6
# degrees, V1 has 0.3 degrees at the fovea and 0.9 at the edge of the image.
TUNING = {
    "V1": AreaTuning(0.05, 0.10, 1.6, 1.0, 0.8, 0.5, 0.0),
    "V2": AreaTuning(0.07, 0.15, 1.6, 1.0, 0.8, 0.5, 0.3),
    "V3": AreaTuning(0.10, 0.20, 1.6, 0.8, 0.8, 0.5, 0.4),
    "hV4": AreaTuning(0.18, 0.25, 0.5, 1.2, 0.3, 0.6, 0.7),
    "LOC": AreaTuning(0.45, 0.0, 0.3, 0.4, 0.4, 0.8, 1.2),
    "FFA": AreaTuning(0.40, 0.0, 0.3, 0.5, 0.4, 0.6, 1.3),
    "PPA": AreaTuning(0.70, 0.0, 0.4, 0.4, 0.2, 1.0, 1.2),
    "HVC": AreaTuning(0.50, 0.0, 0.3, 0.5, 0.3, 0.8, 1.2),
}


def feature_maps(images: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Take images apart.

    Parameters
    ----------
    images : uint8 array of shape (n, size, size, 3)

    Returns
    -------
    maps : float32 array of shape (n, n_maps, MAP_SIZE, MAP_SIZE)
    groups : list of str
        The member of `GROUPS` that each map belongs to; energy maps last, by frequency and then orientation.
    """
    rgb = images.astype(np.float32) / 255
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luminance = rgb.mean(-1) - 0.5
    maps = [luminance, red - green, blue - (red + green) / 2]
    groups = ["luminance", "colour", "colour"]
    size = images.shape[1]
    for fraction in CONTRAST_SIZES:
        width = fraction * size
        centre = gaussian_filter(luminance, (0, width, width))
        difference = centre - gaussian_filter(luminance, (0, 2 * width, 2 * width))
        maps += [np.maximum(difference, 0), np.maximum(-difference, 0)]
        groups += ["contrast", "contrast"]
    energies = oriented_energy(luminance)
    maps += list(np.moveaxis(energies, 1, 0))
    groups += ["energy"] * energies.shape[1]
    return np.stack([_shrink(part) for part in maps], axis=1), groups


def oriented_energy(luminance: np.ndarray) -> np.ndarray:
    """Return normalised amplitudes of quadrature pairs (log-Gabor filters), (n, n_filters, size, size).

    A one-sided filter in the frequency domain gives both members of the pair at once; amplitudes are divided by the
    local mean over orientations (divisive normalisation) plus a constant.
    """
    size = luminance.shape[1]
    padded = size + 2 * (size // 4)
    spectrum = fft.fft2(np.pad(luminance, ((0, 0), (size // 4,) * 2, (size // 4,) * 2)).astype(np.complex64))
    v, u = np.meshgrid(fft.fftfreq(padded) * size, fft.fftfreq(padded) * size, indexing="ij")
    radius = np.maximum(np.hypot(u, v), 1e-6)
    angle = np.arctan2(v, u)
    inside = slice(size // 4, size // 4 + size)
    energies = []
    for frequency in FREQUENCIES:
        radial = np.exp(-(np.log(radius / frequency) ** 2) / (2 * np.log(1.6) ** 2))
        amplitudes = []
        for orientation in range(N_ORIENTATIONS):
            turn = np.angle(np.exp(1j * (angle - np.pi * orientation / N_ORIENTATIONS)))
            gain = (2 * radial * np.exp(-(turn**2) / (2 * 0.45**2))).astype(np.float32)
            amplitudes.append(np.abs(fft.ifft2(spectrum * gain))[:, inside, inside])
        amplitudes = np.stack(amplitudes, axis=1)
        width = size / frequency
        pool = gaussian_filter(amplitudes.mean(1), (0, width, width))
        energies.append(amplitudes / (0.06 + pool[:, None]))
    return np.concatenate(energies, axis=1)


@dataclass(frozen=True)
class Voxels:
    """Where voxels are and what they see.

    Parameters
    ----------
    area : array of str, shape (n_voxels,)
        A key of `TUNING`.
    centre : array of shape (n_voxels, 2)
        Receptive field, right and up, in half image widths from the middle.
    width : array of shape (n_voxels,)
        Its standard deviation, half image widths.
    """

    area: np.ndarray
    centre: np.ndarray
    width: np.ndarray


def receptive_fields(area: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> Voxels:
    """Place the receptive fields of voxels.

    Parameters
    ----------
    area : array of str, shape (n_voxels,)
        ``V1d``, ``V1v``, …, ``hV4``, ``LOC``, ``FFA``, ``PPA``, ``HVC``.
    points : array of shape (n_voxels, 3)
        Template space, mm.
    rng : Generator
    """
    line = calcarine_coordinates(points)
    family = np.array([name.rstrip("dv") if name[:2] in ("V1", "V2", "V3") else name for name in area], dtype=object)
    eccentricity = 0.03 + 1.25 * line["forward"] ** 1.2
    # Angle above the horizontal meridian in degrees. The horizontal meridian is at the calcarine line and at the border
    # of V2 and V3, the vertical one at the border of V1 and V2 and at the far border of V3.
    edges = [0.0, BANDS["V1"], BANDS["V2"], BANDS["V3"]]
    elevation = np.interp(line["distance"], edges, [0.0, 90.0, 0.0, 90.0])
    elevation *= np.where(line["height"] < 0, 1, -1)
    hemifield = np.where(points[:, 0] < 0, 1.0, -1.0)
    ventral = family == "hV4"
    elevation = np.where(ventral, np.clip(9 * (np.abs(points[:, 0]) - 25), -90, 90), elevation)
    radians = np.deg2rad(elevation)
    centre = eccentricity[:, None] * np.stack([hemifield * np.cos(radians), np.sin(radians)], axis=1)
    high = ~np.isin(family.astype(str), ["V1", "V2", "V3", "hV4"])
    wide = rng.normal(0, 0.25, centre.shape) + np.stack([0.15 * hemifield, np.zeros(len(points))], axis=1)
    centre = np.where(high[:, None], wide, centre + rng.normal(0, 0.05, centre.shape))
    growth = np.array([TUNING[name].growth for name in family])
    field = np.array([TUNING[name].field for name in family])
    width = (field + growth * eccentricity) * np.exp(rng.normal(0, 0.2, len(points)))
    return Voxels(family, np.clip(centre, -0.95, 0.95), width)


def responses(
    images: dict[str, np.ndarray], voxels: Voxels, rng: np.random.Generator, reference: str = "train"
) -> dict[str, np.ndarray]:
    """Compute the responses of voxels to images.

    Parameters
    ----------
    images : dict from stimulus set to uint8 array (n, size, size, 3)
    voxels : Voxels
    rng : Generator
        Draws the tuning.
    reference : str
        The set whose mean and standard deviation give the unit.

    Returns
    -------
    responses : dict from stimulus set to float32 array of shape (n, n_voxels)
        In standard deviations of the responses to `reference`.
    """
    names = list(images)
    maps, groups = feature_maps(np.concatenate([images[name] for name in names]))
    bounds = np.cumsum([0] + [len(images[name]) for name in names])
    span = slice(bounds[names.index(reference)], bounds[names.index(reference) + 1])
    flat = maps.reshape(len(maps) * maps.shape[1], -1)
    opposed = np.flatnonzero(np.isin(groups, SURROUNDED))
    surrounded = maps[:, opposed].reshape(len(maps) * len(opposed), -1)
    n_voxels = len(voxels.area)
    result = np.empty((len(maps), n_voxels), dtype=np.float32)
    for start in range(0, n_voxels, 200):
        part = slice(start, min(start + 200, n_voxels))
        pooled = (flat @ _pooling(voxels.centre[part], voxels.width[part]).T).reshape(len(maps), maps.shape[1], -1)
        around = surrounded @ _pooling(voxels.centre[part], SURROUND * voxels.width[part]).T
        pooled[:, opposed] -= around.reshape(len(maps), len(opposed), -1)
        pooled = _standardise(pooled, span)
        for offset, area in enumerate(voxels.area[part]):
            result[:, start + offset] = _tuned(pooled[:, :, offset], groups, TUNING[area], span, rng)
    return {name: result[bounds[i] : bounds[i + 1]] for i, name in enumerate(names)}


def _tuned(
    pooled: np.ndarray, groups: list[str], tuning: AreaTuning, span: slice, rng: np.random.Generator
) -> np.ndarray:
    """Mix the pooled maps (n, n_maps) of one voxel to one response (n,)."""
    total = np.zeros(len(pooled))
    for group in GROUPS:
        members = np.flatnonzero(np.array(groups) == group)
        weights = _energy_weights(rng) if group == "energy" else rng.standard_normal(len(members))
        # Voxels of one area differ in what they prefer.
        strength = getattr(tuning, group) * rng.exponential()
        total += strength * _standardise(pooled[:, members] @ weights, span)
    if tuning.products:
        left, right = rng.standard_normal((2, pooled.shape[1], N_PRODUCTS)) / np.sqrt(pooled.shape[1])
        products = (np.tanh(pooled @ left) * np.tanh(pooled @ right)) @ rng.standard_normal(N_PRODUCTS)
        total += tuning.products * rng.exponential() * _standardise(products, span)
    # Responses saturate.
    return _standardise(np.tanh(_standardise(total, span) / 2.5), span)


def _energy_weights(rng: np.random.Generator) -> np.ndarray:
    """Draw weights around a preferred frequency and orientation; energy excites."""
    preferred, scale = rng.uniform(0, np.pi), rng.uniform(-0.5, len(FREQUENCIES) - 0.5)
    orientation = np.exp(1.5 * np.cos(2 * (np.pi * np.arange(N_ORIENTATIONS) / N_ORIENTATIONS - preferred)))
    frequency = np.exp(-((np.arange(len(FREQUENCIES)) - scale) ** 2) / 2)
    return np.outer(frequency, orientation).ravel()


def _pooling(centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return receptive fields as weights over the maps' pixels, (n_voxels, MAP_SIZE²), each of sum 1."""
    axis = (np.arange(MAP_SIZE) + 0.5) / MAP_SIZE * 2 - 1
    across = np.exp(-((axis - centre[:, :1]) ** 2) / (2 * width[:, None] ** 2))
    # Rows of an image run downwards.
    down = np.exp(-((-axis - centre[:, 1:]) ** 2) / (2 * width[:, None] ** 2))
    field = down[:, :, None] * across[:, None, :]
    return (field / field.sum((1, 2), keepdims=True)).reshape(len(centre), -1).astype(np.float32)


def _standardise(values: np.ndarray, span: slice) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation of the rows `span`."""
    spread = values[span].std(0)
    return (values - values[span].mean(0)) / np.maximum(spread, 1e-6)


def _shrink(maps: np.ndarray) -> np.ndarray:
    """Average maps (n, size, size) over blocks to MAP_SIZE × MAP_SIZE; smaller maps are repeated up first."""
    size = maps.shape[1]
    times = MAP_SIZE // np.gcd(size, MAP_SIZE)
    maps = maps.repeat(times, 1).repeat(times, 2)
    block = maps.shape[1] // MAP_SIZE
    return maps.reshape(len(maps), MAP_SIZE, block, MAP_SIZE, block).mean((2, 4)).astype(np.float32)
