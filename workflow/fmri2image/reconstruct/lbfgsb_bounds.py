"""Lower and upper bounds of the variables of L-BFGS-B."""

from dataclasses import dataclass

import torch

from fmri2image.core.errors import DataError


@dataclass(frozen=True)
class Bounds:
    """Bounds that all problems share.

    Parameters
    ----------
    lower, upper : tensors of shape (n_variables,)
        May be infinite.
    any : bool
        Some variable has a bound.
    all : bool
        Every variable has both bounds.
    """

    lower: torch.Tensor
    upper: torch.Tensor
    any: bool
    all: bool

    def clip(self, x: torch.Tensor) -> torch.Tensor:
        """Move points into the bounds.

        Parameters
        ----------
        x : tensor of shape (n_problems, n_variables)

        Returns
        -------
        x : tensor of shape (n_problems, n_variables)
        """
        return torch.minimum(torch.maximum(x, self.lower), self.upper)

    def room(self, x: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        """Return how far, in multiples of `direction`, each variable may go before it meets a bound.

        Parameters
        ----------
        x, direction : tensors of shape (n_problems, n_variables)

        Returns
        -------
        room : tensor of shape (n_problems, n_variables)
            Infinite where the direction is 0.
        """
        room = torch.maximum((self.upper - x) / direction, (self.lower - x) / direction)  # the other bound lies behind
        return room.masked_fill_(direction == 0, torch.inf)

    def projected_gradient(self, x: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return the largest element of the gradient cut to the room that the bounds leave (equation 6.1 of the paper).

        Parameters
        ----------
        x, gradient : tensors of shape (n_problems, n_variables)

        Returns
        -------
        size : tensor of shape (n_problems,)
        """
        # A positive element is cut from above by the room below, a negative one from below by the room above.
        cut = torch.maximum(torch.minimum(gradient, x - self.lower), x - self.upper)
        return cut.abs_().amax(1)


def make_bounds(lower: float | torch.Tensor, upper: float | torch.Tensor, like: torch.Tensor) -> Bounds:
    """Bring bounds into the shape, type and place of the variables.

    Parameters
    ----------
    lower, upper : float or tensor broadcastable to (n_variables,)
    like : tensor of shape (n_problems, n_variables)

    Returns
    -------
    Bounds

    Raises
    ------
    DataError
        If a lower bound lies above its upper bound or a bound is not a number.
    """
    low, high = (
        torch.as_tensor(bound, dtype=like.dtype, device=like.device).expand(like.shape[1]).contiguous()
        for bound in (lower, upper)
    )
    wrong = int((~(low <= high)).sum())
    if wrong:
        raise DataError(
            f"{wrong} of {like.shape[1]} variables have a lower bound above the upper one; correct the bounds."
        )
    bounded = torch.isfinite(torch.stack([low, high]))
    return Bounds(low, high, any=bool(bounded.any()), all=bool(bounded.all()))
