"""What the original's gradient descent on pixels can do to an image beside descending: all of it optional, off by default.

The options and their order are those of the published code (icnn, `icnn_gd`), which the paper does not use: jitter, Gaussian
blur, total variation (Mahendran & Vedaldi 2015), p-norm, and clipping of extreme pixels, of pixels with a small norm and of
pixels that contribute little (Yosinski et al. 2015). There, images are grey levels of 0 to 255 less the network's mean
colour, in the network's order of channels; so they are here, and the order of channels plays no part.

Ours: every image of a batch is treated by itself, with its own seed.
"""

import functools

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

# Mean square of a grey level drawn evenly from 0 to 255: 255 × 511 / 6.
NOISE_SQUARE = 21_717.5


def shift(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Roll every image by its own offset around its edges.

    Parameters
    ----------
    images : tensor of shape (n, channels, height, width)
    offsets : integer tensor of shape (n, 2)
        Rows down and columns to the right.
    """
    n, _, height, width = images.shape
    rows = (torch.arange(height, device=images.device) - offsets[:, :1]) % height
    columns = (torch.arange(width, device=images.device) - offsets[:, 1:]) % width
    which = torch.arange(n, device=images.device)
    rolled = images.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return rolled.permute(0, 3, 1, 2).contiguous()


def draw_offsets(generators: list[np.random.Generator], most: int, device: torch.device) -> torch.Tensor:
    """Draw an offset between -most and most in both directions for every image, from its own generator.

    Returns
    -------
    offsets : integer tensor of shape (n, 2)
    """
    return torch.as_tensor(np.stack([one.integers(-most, most + 1, 2) for one in generators]), device=device)


def blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth every channel by a Gaussian of `sigma` pixels as SciPy's `gaussian_filter` does; 0 leaves the images alone."""
    if sigma <= 0:
        return images
    down, across = (_gaussian(side, sigma).to(images) for side in images.shape[-2:])
    return down @ images @ across.T


@functools.lru_cache(maxsize=4)
def _gaussian(side: int, sigma: float) -> torch.Tensor:
    # The filter is linear: what it makes of the unit vectors is its matrix.
    return torch.as_tensor(gaussian_filter1d(np.eye(side), sigma, axis=0))


def total_variation(images: torch.Tensor, exponent: float) -> torch.Tensor:
    """Return the gradient of the total variation, the sum over pixels of (squared differences) ^ (exponent / 2).

    Differences are those to the pixel below and to the right, none at the last row and column. Where the power of a pixel
    is below 1e-5, its differences are weighted as if it were 1e-5 (code: icnn), which matters for exponents below 2.
    """
    below = torch.zeros_like(images)
    right = torch.zeros_like(images)
    below[..., :-1, :] = images.diff(dim=-2)
    right[..., :-1] = images.diff(dim=-1)
    least = 1e-5 ** (2 / exponent)
    weight = exponent * (below.square() + right.square()).clamp_min(least) ** (exponent / 2 - 1)
    below, right = weight * below, weight * right
    gradient = -below - right
    gradient[..., 1:, :] += below[..., :-1, :]
    gradient[..., 1:] += right[..., :-1]
    return gradient


def p_norm(images: torch.Tensor, exponent: float) -> torch.Tensor:
    """Return the gradient of the sum of the absolute values to the power of `exponent`."""
    return exponent * images.abs() ** (exponent - 1) * images.sign()


def noise_square(n_variables: int) -> float:
    """Return the square by which gradients of regularisers are divided where gradients are not normalised.

    It is that of half the norm of an image of noise; the original draws the noise, ours takes its expectation.
    """
    return n_variables * NOISE_SQUARE / 4


def clip_extreme(images: torch.Tensor, percentage: float) -> torch.Tensor:
    """Clip an image's values, of all channels together, to those between which all but `percentage` per cent lie."""
    flat = images.flatten(1)
    low, high = percentile(flat, percentage / 2), percentile(flat, 100 - percentage / 2)
    return flat.clamp(low[:, None], high[:, None]).reshape(images.shape)


def clip_small_norm(images: torch.Tensor, percentage: float) -> torch.Tensor:
    """Set the pixels to the mean colour whose norm over channels is below the image's percentile `percentage`."""
    return _without_small(images, images, percentage)


def clip_small_contribution(images: torch.Tensor, gradient: torch.Tensor, percentage: float) -> torch.Tensor:
    """Set the pixels to the mean colour that matter little: by the norm over channels of value times gradient."""
    return _without_small(images, images * gradient, percentage)


def _without_small(images: torch.Tensor, measured: torch.Tensor, percentage: float) -> torch.Tensor:
    norm = measured.norm(dim=1)
    least = percentile(norm.flatten(1), percentage)
    return images * (norm >= least[:, None, None])[:, None]


def percentile(values: torch.Tensor, percentage: float) -> torch.Tensor:
    """Return a percentile of every row with linear interpolation, as `numpy.percentile` does.

    Torch's own function refuses the number of values that a batch of images has.
    """
    ordered = values.sort(dim=1).values
    place = min(max(percentage, 0.0), 100.0) / 100 * (values.shape[1] - 1)
    low = int(place)
    high = min(low + 1, values.shape[1] - 1)
    return torch.lerp(ordered[:, low], ordered[:, high], place - low)
