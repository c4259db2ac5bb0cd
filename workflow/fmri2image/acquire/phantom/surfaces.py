"""Textures, palettes and backgrounds of the generated natural-like images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Field = np.ndarray


def soft_step(field: Field, width: float) -> Field:
    """Return 0 … 1 as `field` rises through zero over `width` (an anti-aliased edge)."""
    return np.clip(field / width + 0.5, 0, 1)


def coloured_noise(rng: np.random.Generator, size: int, exponent: float) -> Field:
    """Return a size × size field of noise whose amplitude falls as 1/f**exponent, mean 0 and SD 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency**exponent
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _stripes(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    return np.sin(2 * np.pi * (u * np.cos(angle) + v * np.sin(angle)) / period)


def _waves(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    return np.sin(2 * np.pi * (a + 0.3 * period * np.sin(2 * np.pi * b / (2 * period))) / period)


def _spots(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    row = np.round(b / period)
    a = a + 0.5 * period * (row % 2)
    return 1.6 - 5 * np.hypot(a / period - np.round(a / period), b / period - row)


def _checks(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    return 2 * np.sin(2 * np.pi * a / period) * np.sin(2 * np.pi * b / period)


def _rings(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    return np.cos(2 * np.pi * np.hypot(u, v) / period)


def _marble(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    return 1.2 * noise


def _plain(u: Field, v: Field, period: float, angle: float, noise: Field) -> Field:
    return np.full_like(u, -1.0)


TEXTURES: dict[str, Callable[[Field, Field, float, float, Field], Field]] = {
    "plain": _plain, "striped": _stripes, "wavy": _waves, "spotted": _spots, "checked": _checks, "ringed": _rings,
    "marbled": _marble,
}  # fmt: skip

# Main, second and accent colour, RGB in [0, 1].
PALETTES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "rust": ((0.75, 0.34, 0.15), (0.96, 0.80, 0.55), (0.20, 0.11, 0.08)),
    "tan": ((0.82, 0.66, 0.42), (0.45, 0.29, 0.16), (0.12, 0.08, 0.06)),
    "charcoal": ((0.22, 0.22, 0.25), (0.80, 0.80, 0.78), (0.90, 0.65, 0.15)),
    "ivory": ((0.95, 0.92, 0.83), (0.60, 0.42, 0.30), (0.16, 0.14, 0.18)),
    "crimson": ((0.80, 0.10, 0.14), (0.98, 0.88, 0.75), (0.15, 0.12, 0.12)),
    "orange": ((0.95, 0.52, 0.10), (0.99, 0.90, 0.62), (0.28, 0.12, 0.06)),
    "lemon": ((0.96, 0.84, 0.20), (0.55, 0.36, 0.10), (0.18, 0.12, 0.10)),
    "leafgreen": ((0.30, 0.58, 0.18), (0.68, 0.80, 0.35), (0.34, 0.20, 0.10)),
    "pine": ((0.08, 0.34, 0.22), (0.42, 0.26, 0.14), (0.85, 0.30, 0.20)),
    "turquoise": ((0.12, 0.66, 0.66), (0.94, 0.94, 0.86), (0.08, 0.22, 0.30)),
    "skyblue": ((0.35, 0.62, 0.92), (0.95, 0.95, 0.98), (0.12, 0.18, 0.36)),
    "navy": ((0.10, 0.18, 0.52), (0.92, 0.78, 0.30), (0.96, 0.96, 0.96)),
    "violet": ((0.48, 0.26, 0.70), (0.86, 0.72, 0.94), (0.98, 0.84, 0.24)),
    "rose": ((0.94, 0.46, 0.62), (0.99, 0.86, 0.88), (0.46, 0.10, 0.26)),
}


@dataclass(frozen=True)
class Scene:
    """One family of backgrounds: upper and lower colours at the top/horizon and at the horizon/bottom."""

    top: tuple[float, float, float]
    above: tuple[float, float, float]
    below: tuple[float, float, float]
    bottom: tuple[float, float, float]
    horizon: tuple[float, float]
    texture: str = "noise"
    upper_noise: float = 0.03
    lower_noise: float = 0.06

    @property
    def middle(self) -> np.ndarray:
        """Colour behind a centred object, RGB in [0, 1]."""
        return (np.array(self.above) + np.array(self.below)) / 2


# fmt: off
SCENES: dict[str, Scene] = {
    "meadow": Scene((0.36, 0.60, 0.90), (0.80, 0.90, 0.97), (0.50, 0.66, 0.30), (0.22, 0.42, 0.12),
        (0.4, 0.65), "noise", 0.05, 0.07),
    "beach": Scene((0.40, 0.68, 0.92), (0.86, 0.94, 0.96), (0.90, 0.80, 0.60), (0.80, 0.66, 0.44),
        (0.4, 0.6), "noise", 0.04, 0.03),
    "snow": Scene((0.62, 0.74, 0.88), (0.88, 0.92, 0.97), (0.92, 0.94, 0.98), (0.72, 0.80, 0.90),
        (0.4, 0.65), "noise", 0.03, 0.03),
    "sea": Scene((0.45, 0.66, 0.86), (0.88, 0.93, 0.95), (0.24, 0.50, 0.62), (0.06, 0.24, 0.42),
        (0.35, 0.6), "ripples", 0.05, 0.05),
    "desert": Scene((0.30, 0.55, 0.80), (0.92, 0.88, 0.80), (0.85, 0.58, 0.34), (0.62, 0.34, 0.18),
        (0.4, 0.6), "ripples", 0.02, 0.04),
    "dusk": Scene((0.22, 0.20, 0.45), (0.98, 0.60, 0.36), (0.36, 0.22, 0.28), (0.12, 0.08, 0.14),
        (0.5, 0.7), "noise", 0.05, 0.03),
    "sky": Scene((0.24, 0.50, 0.86), (0.60, 0.78, 0.95), (0.60, 0.78, 0.95), (0.86, 0.93, 0.98),
        (0.5, 0.51), "noise", 0.07, 0.07),
    "forest": Scene((0.10, 0.22, 0.10), (0.30, 0.42, 0.20), (0.34, 0.30, 0.16), (0.20, 0.15, 0.08),
        (0.6, 0.75), "trunks", 0.09, 0.08),
    "underwater": Scene((0.25, 0.70, 0.78), (0.10, 0.48, 0.64), (0.10, 0.48, 0.64), (0.03, 0.18, 0.34),
        (0.5, 0.51), "noise", 0.06, 0.06),
    "room": Scene((0.86, 0.82, 0.74), (0.92, 0.88, 0.80), (0.56, 0.36, 0.22), (0.42, 0.26, 0.15),
        (0.6, 0.75), "planks", 0.01, 0.03),
    "bluewall": Scene((0.45, 0.56, 0.66), (0.55, 0.66, 0.74), (0.74, 0.72, 0.68), (0.60, 0.57, 0.52),
        (0.6, 0.8), "noise", 0.015, 0.02),
    "brickwall": Scene((0.56, 0.26, 0.20), (0.62, 0.32, 0.24), (0.50, 0.48, 0.46), (0.38, 0.36, 0.35),
        (0.7, 0.82), "bricks", 0.05, 0.05),
    "street": Scene((0.66, 0.70, 0.76), (0.78, 0.78, 0.78), (0.42, 0.42, 0.44), (0.28, 0.28, 0.31),
        (0.5, 0.65), "noise", 0.03, 0.04),
    "night": Scene((0.02, 0.03, 0.12), (0.10, 0.12, 0.28), (0.07, 0.11, 0.11), (0.02, 0.04, 0.05),
        (0.6, 0.75), "stars", 0.02, 0.02),
    "studio": Scene((0.70, 0.70, 0.70), (0.80, 0.80, 0.80), (0.80, 0.80, 0.80), (0.58, 0.58, 0.58),
        (0.5, 0.51), "none", 0.0, 0.0),
    "greystudio": Scene((0.42, 0.42, 0.43), (0.50, 0.50, 0.50), (0.50, 0.50, 0.50), (0.40, 0.40, 0.41),
        (0.5, 0.51), "none", 0.0, 0.0),
}
# fmt: on

# Factor on the clouds, foliage and grain of a scene, least and most: backgrounds are in focus or out of it.
ROUGHNESS = (0.2, 3.0)

GROUNDLESS = ("sky", "underwater", "studio", "greystudio")


def paint_scene(rng: np.random.Generator, scene: Scene, x: Field, y: Field) -> tuple[np.ndarray, float]:
    """Paint a background.

    Parameters
    ----------
    x, y : arrays of shape (size, size)
        Image coordinates in [-1, 1], right and down.

    Returns
    -------
    image : array of shape (size, size, 3), RGB about [0, 1]
    horizon : float, the y of the horizon
    """
    size = len(x)
    horizon = 2 * rng.uniform(*scene.horizon) - 1
    tint = rng.normal(0, 0.035, 3)
    above = np.clip((y + 1) / (horizon + 1), 0, 1)[..., None]
    below = np.clip((y - horizon) / (1 - horizon), 0, 1)[..., None]
    upper = np.array(scene.top) * (1 - above) + np.array(scene.above) * above
    lower = np.array(scene.below) * (1 - below) + np.array(scene.bottom) * below
    roughness = np.exp(rng.uniform(*np.log(ROUGHNESS)))
    noise = coloured_noise(rng, size, 1.3)
    upper = upper + roughness * scene.upper_noise * noise[..., None]
    grain = coloured_noise(rng, size, 0.9) if scene.lower_noise else noise
    lower = lower + roughness * scene.lower_noise * grain[..., None]
    phase, period = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.25)
    depth = below[..., 0]
    if scene.texture == "ripples":
        lower = lower + (0.05 * np.sin(18 * period * np.sqrt(depth + 0.02) * 2 + 1.5 * noise + phase))[..., None]
    elif scene.texture == "planks":
        lower = (
            lower - (0.09 * soft_step(np.abs(np.sin(7 * period * x / (0.5 + depth) + phase)) - 0.93, 0.05))[..., None]
        )
    elif scene.texture == "trunks":
        trunks = soft_step(np.sin(9 * period * x + phase + 0.3 * noise) - 0.55, 0.3)[..., None]
        upper = upper * (1 - 0.6 * trunks) + np.array([0.20, 0.14, 0.09]) * 0.6 * trunks
    elif scene.texture == "bricks":
        row = np.floor((y + 1) * 4.5 * period)
        column = ((x + 1) * 2.4 * period + 0.5 * (row % 2) + phase) % 1
        mortar = np.maximum(soft_step(np.abs(column - 0.5) - 0.455, 0.05),
                            soft_step(np.abs(((y + 1) * 4.5 * period) % 1 - 0.5) - 0.41, 0.09))  # fmt: skip
        upper = upper + 0.22 * mortar[..., None] * (np.array([0.8, 0.78, 0.74]) - upper) / 0.4
    elif scene.texture == "stars":
        for star_x, star_y in rng.uniform(-1, 1, (12, 2)):
            upper = upper + (0.8 * np.exp(-((x - star_x) ** 2 + (y - star_y) ** 2) / 0.0006))[..., None]
    ground = soft_step(y - horizon + 0.02 * noise * (scene.texture in ("noise", "trunks")), 0.03)[..., None]
    return upper * (1 - ground) + lower * ground + tint, horizon
