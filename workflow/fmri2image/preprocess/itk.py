"""Images and transforms to and from SimpleITK, and its work on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk

# SimpleITK works in LPS, NIfTI in RAS: x and y change their sign.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_sitk(image: np.ndarray, affine: np.ndarray, dtype: type = np.float32) -> sitk.Image:
    """Turn an array (X, Y, Z) with a RAS affine into a SimpleITK image in LPS."""
    lps = LPS @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    result = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(image, dtype=dtype).T))
    result.SetSpacing(spacing.tolist())
    result.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    result.SetOrigin(lps[:3, 3].tolist())
    return result


def sitk_matrix(transform: sitk.Transform) -> np.ndarray:
    """Return the 4×4 matrix (LPS) of a linear SimpleITK transform with a centre."""
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = centre + np.array(transform.GetTranslation()) - matrix[:3, :3] @ centre
    return matrix


@contextmanager
def one_thread() -> Iterator[None]:
    """Let SimpleITK use one thread for a while: a filter inside another takes the number of threads from here alone.

    The order of sums depends on that number, and with it the last digits of a result.
    """
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
