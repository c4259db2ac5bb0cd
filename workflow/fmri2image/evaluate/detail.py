"""How much of an image comes back: coarse layout and colour apart from fine detail."""

import numpy as np
from scipy import ndimage

COARSE = 1 / 16  # standard deviation of the Gaussian that parts coarse from fine, as a share of the image's side


def coarse_and_fine(images: np.ndarray, stimuli: np.ndarray) -> tuple[float, float]:
    """Return the mean correlation of images with their stimuli in the coarse and in the fine part.

    The coarse part is the image after a Gaussian blur with a standard deviation of 1/16 of its side, the fine part is the
    rest; each is correlated over all pixels and colours.

    Parameters
    ----------
    images, stimuli : arrays of shape (n, height, width, 3)
        In [0, 1], row by row the same stimulus.
    """
    sigma = (0, COARSE * images.shape[1], COARSE * images.shape[2], 0)
    blurred = [
        ndimage.gaussian_filter(np.asarray(part, dtype=float), sigma, mode="nearest") for part in (images, stimuli)
    ]
    fine = [part - smooth for part, smooth in zip((images, stimuli), blurred, strict=True)]
    return _mean_correlation(*blurred), _mean_correlation(*fine)


def _mean_correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = (
        part.reshape(len(part), -1) - part.reshape(len(part), -1).mean(1, keepdims=True) for part in (first, second)
    )
    norm = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(np.divide((first * second).sum(1), norm, out=np.zeros(len(norm)), where=norm > 1e-9).mean())
