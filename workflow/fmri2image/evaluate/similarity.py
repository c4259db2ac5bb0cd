"""Similarity of every reconstruction with every stimulus of an image set."""

from collections.abc import Callable

import numpy as np
from skimage.metrics import structural_similarity

from fmri2image.core.errors import DataError

SSIM_WINDOW = 11  # pixels that a Gaussian of SD 1.5 covers in scikit-image


def correlation_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r between every row of `a` and every row of `b`.

    Parameters
    ----------
    a : array of shape (n_a, n_values)
    b : array of shape (n_b, n_values)

    Returns
    -------
    r : array of shape (n_a, n_b)
        NaN for rows that do not vary.
    """
    a, b = _standardised(a), _standardised(b)
    return a @ b.T


def column_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation over rows of the columns of two arrays.

    Parameters
    ----------
    a, b : arrays of shape (n_rows, n_columns)

    Returns
    -------
    r : array of shape (n_columns,)
        NaN where a column does not vary.
    """
    a, b = (x - x.mean(axis=0) for x in (np.asarray(a, dtype=float), np.asarray(b, dtype=float)))
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), spread, out=np.full(spread.shape, np.nan), where=spread > 0)


def pixel_correlation(images: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Return the correlation of the vectorised RGB images (Shen et al. 2019, PLOS CB, "Evaluation of reconstruction quality").

    Parameters
    ----------
    images : array of shape (n_rows, 3, height, width)
    stimuli : array of shape (n_stimuli, 3, height, width)

    Returns
    -------
    similarity : array of shape (n_rows, n_stimuli)
    """
    _same_size(images, stimuli)
    return correlation_matrix(images.reshape(len(images), -1), stimuli.reshape(len(stimuli), -1))


def structural(images: np.ndarray, stimuli: np.ndarray) -> np.ndarray:
    """Return SSIM (Wang et al. 2004) of every pair, computed per RGB channel and averaged (Shen et al. 2019, Front.).

    Gaussian window with SD 1.5 px, population covariance, data range 1; images are clipped to [0, 1] first.

    Parameters
    ----------
    images : array of shape (n_rows, 3, height, width)
    stimuli : array of shape (n_stimuli, 3, height, width)

    Returns
    -------
    similarity : array of shape (n_rows, n_stimuli)
    """
    _same_size(images, stimuli)
    if min(images.shape[-2:]) < SSIM_WINDOW:
        raise DataError(
            f"SSIM needs images of at least {SSIM_WINDOW}×{SSIM_WINDOW} pixels; these are {images.shape[-2:]}."
        )
    images, stimuli = np.clip(images, 0, 1).astype(np.float64), np.clip(stimuli, 0, 1).astype(np.float64)
    return np.array(
        [
            [
                structural_similarity(
                    image,
                    stimulus,
                    channel_axis=0,
                    data_range=1.0,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                )
                for stimulus in stimuli
            ]
            for image in images
        ]
    )


SIMILARITIES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "pixel": pixel_correlation,
    "ssim": structural,
}
SIMILARITY_NAME = {"pixel": "pixel_correlation", "ssim": "ssim"}


def _standardised(a: np.ndarray) -> np.ndarray:
    a = np.asarray(a, dtype=np.float64)
    a = a - a.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(a, axis=1, keepdims=True)
    return np.divide(a, norm, out=np.full_like(a, np.nan), where=norm > 1e-12)


def _same_size(images: np.ndarray, stimuli: np.ndarray) -> None:
    if images.shape[1:] != stimuli.shape[1:]:
        raise DataError(
            f"Images of shape {images.shape[1:]} cannot be compared with stimuli of shape {stimuli.shape[1:]}."
        )
