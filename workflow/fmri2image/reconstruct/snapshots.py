"""Images along an optimisation, kept for films."""

from collections.abc import Callable, Sequence

import numpy as np
import torch


class Snapshots:
    """Images of a batch after some iterations.

    Parameters
    ----------
    iterations : sequence of int
        After how many iterations each is taken; 0 is the start.
    images : callable
        Turns variables (n, n_variables) into RGB images (n, 3, height, width) in [0, 1].
    n_images : int
        Images that are kept, the first of the batch; the others only fill it up.
    """

    def __init__(
        self, iterations: Sequence[int], images: Callable[[torch.Tensor], torch.Tensor], n_images: int
    ) -> None:
        self._wanted = np.asarray(iterations, dtype=int)
        self._images, self._n_images = images, n_images
        self._values: np.ndarray | None = None
        self._taken = np.zeros((n_images, len(self._wanted)), dtype=bool)

    def see(self, which: torch.Tensor, x: torch.Tensor, iteration: torch.Tensor) -> None:
        """Take the snapshots that are due.

        Parameters
        ----------
        which : bool tensor of shape (n,)
            Problems that have just come to `iteration`.
        x : tensor of shape (n, n_variables)
        iteration : integer tensor of shape (n,)
        """
        if not len(self._wanted):
            return
        moved, reached = which[: self._n_images].cpu().numpy(), iteration[: self._n_images].cpu().numpy()
        self._take(x, moved[:, None] & (reached[:, None] == self._wanted))

    def finish(self, x: torch.Tensor) -> None:
        """Fill the places of iterations that a problem did not need with where it ended."""
        if len(self._wanted):
            self._take(x, ~self._taken)

    @property
    def values(self) -> np.ndarray:
        """The snapshots, uint8 (n_images, n_snapshots, 3, height, width)."""
        return self._values

    def _take(self, x: torch.Tensor, due: np.ndarray) -> None:
        if not due.any():
            return
        # Of the whole batch, so that rounding does not depend on which images are due.
        images = (self._images(x)[: self._n_images].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        if self._values is None:
            self._values = np.zeros((*self._taken.shape, *images.shape[1:]), dtype=np.uint8)
        image, place = np.nonzero(due)
        self._values[image, place] = images[image]
        self._taken |= due
