"""Rigid head motion of a run: what every engine of motion correction hands over."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MotionFit:
    """Motion of T volumes relative to a reference.

    Parameters
    ----------
    parameters : array of shape (T, 6)
        mm and radians, see `fmri2image.core.geometry.rigid_matrix`; they move reference points to volume points and turn
        about the centre of the reference grid.
    scale : array of shape (T,)
        Intensity of the volume relative to the reference.
    correlation : array of shape (T,)
        Correlation of the volume with what it was matched to, after alignment; where a run's mean links its volumes to
        the reference, the lower one of both matches. 0 where they hardly overlap.
    converged : bool array of shape (T,)
        False where the estimate did not settle; the parameters are then the best that was found.
    n_iterations : int array of shape (T,)
        0 where the engine does not tell.
    """

    parameters: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray
    converged: np.ndarray
    n_iterations: np.ndarray
