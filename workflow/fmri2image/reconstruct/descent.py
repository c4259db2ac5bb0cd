"""Gradient descent with momentum for many images at once, step by step as the published code descends.

Shen et al. 2019 use it with the generator (code: icnn, `icnn_dgn_gd`); on pixels the published code offers it with
regularisers (`icnn_gd`). Every image has its own normalised gradient, momentum and random shifts, so that its path does not
depend on its neighbours in the batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.reconstruct import regularisers
from fmri2image.reconstruct.choices import OF_IMAGES, check_keys

Objective = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Span = tuple[float, float]


@dataclass(frozen=True)
class Penalty:
    """A regulariser that joins the gradient.

    Parameters
    ----------
    weight : float
        0.5 (code); beside a loss gradient with a mean absolute value of one, so is this one's where gradients are normalised.
    exponent : float
        3 for the p-norm, 2 for total variation (code).
    """

    weight: float = 0.5
    exponent: float = 2.0


@dataclass(frozen=True)
class Clipping:
    """Clipping of some pixels now and then.

    Parameters
    ----------
    every : int
        Steps from one clipping to the next: 4 (code).
    percentile : float
        Per cent of the pixels: 1 for extreme ones, 5 for small ones (code; there it may also change along the way).
    """

    every: int = 4
    percentile: float = 1.0


@dataclass(frozen=True)
class DescentSettings:
    """Settings of `descend`; spans go linearly from the first value, which step 0 has, towards the second.

    Parameters
    ----------
    learning_rate, momentum, decay : two floats
        The decay draws every variable towards zero (of latents) or the mean colour (of pixels).
    normalise : bool
        Divide gradients by their mean absolute value.
    jitter : int
        Largest random shift in pixels before a step, taken back after it.
    blur : two floats or None
        SD in pixels of the Gaussian after every step.
    total_variation, p_norm : Penalty or None
    clip_extreme, clip_small_norm, clip_small_contribution : Clipping or None
    """

    learning_rate: Span = (2.0, 1e-10)
    momentum: Span = (0.9, 0.9)
    decay: Span = (0.01, 0.01)
    normalise: bool = True
    jitter: int = 0
    blur: Span | None = None
    total_variation: Penalty | None = None
    p_norm: Penalty | None = None
    clip_extreme: Clipping | None = None
    clip_small_norm: Clipping | None = None
    clip_small_contribution: Clipping | None = None

    @classmethod
    def read(cls, settings: Mapping) -> "DescentSettings":
        """Read the chapter ``descent`` of a method.

        Raises
        ------
        ConfigError
            If a key is unknown.
        """
        check_keys(settings, (one.name for one in fields(cls)), "descent")
        found = {}
        for key, value in settings.items():
            if isinstance(value, Mapping):
                kind = Clipping if key.startswith("clip") else Penalty
                check_keys(value, (one.name for one in fields(kind)), f"descent.{key}")
                found[key] = kind(**value)
            else:
                found[key] = tuple(value) if isinstance(value, list) else value
        return cls(**found)

    def of_images(self) -> list[str]:
        """Return the settings in force that only images can have."""
        return [name for name in OF_IMAGES if getattr(self, name)]


@dataclass
class DescentResult:
    """Outcome of `descend`.

    Parameters
    ----------
    x : tensor of shape (n_images, n_variables)
        The point of the last evaluation, before the last update: the published code returns the image that it made there
        (`icnn_dgn_gd`; its descent on pixels goes one small step further).
    loss : tensor of shape (n_images,)
        Loss at `x`.
    path : tensor of shape (n_images, iterations)
        Loss before every update.
    """

    x: torch.Tensor
    loss: torch.Tensor
    path: torch.Tensor


@dataclass
class _Step:
    """The numbers of step `t`."""

    settings: DescentSettings
    number: int
    iterations: int
    generators: list[np.random.Generator] = field(default_factory=list)

    def at(self, span: Span) -> float:
        return span[0] + self.number * (span[1] - span[0]) / self.iterations

    def clips(self, clipping: Clipping | None) -> bool:
        return clipping is not None and (self.number + 1) % clipping.every == 0


def descend(
    objective: Objective,
    start: torch.Tensor,
    *,
    settings: DescentSettings,
    iterations: int,
    lower: float | torch.Tensor = -torch.inf,
    upper: float | torch.Tensor = torch.inf,
    shape: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    on_iteration: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None] | None = None,
) -> DescentResult:
    """Minimise a batch of independent problems by gradient descent with momentum.

    A step: evaluate; divide the gradient by its mean absolute value; momentum × former change + gradient; move against it by
    the learning rate; decay; clip to the bounds. With regularisers, which need `shape`: shift before evaluating; add the
    penalties' gradients to the change; clip pixels after moving; shift back; decay; blur; bounds. Ours is that the change
    is shifted back with the image (the published code leaves the newest gradient where it is), that pixels have bounds, and
    that the bounds hold after the blur.

    Parameters
    ----------
    objective : callable
        Takes x (n_images, n_variables) and returns losses (n_images,) and gradients (n_images, n_variables).
    start : tensor of shape (n_images, n_variables)
        Taken as it is, also outside the bounds.
    settings : DescentSettings
    iterations : int
        Steps.
    lower, upper : float or tensor broadcastable to (n_variables,)
    shape : (channels, height, width), optional
        Of the images that the variables are; None for latents.
    seeds : sequence of int, optional
        One per image, for its random shifts.
    on_iteration : callable, optional
        Called after every evaluation with which problems moved (n_images,), where they were evaluated
        (n_images, n_variables) and after how many updates (n_images,).

    Returns
    -------
    DescentResult

    Raises
    ------
    ConfigError
        If a setting means pixels and the variables are none.
    """
    if shape is None and settings.of_images():
        raise ConfigError(f"descent: {', '.join(settings.of_images())} can only be set where pixels are optimised.")
    if settings.jitter and (seeds is None or len(seeds) != len(start)):
        raise ConfigError("descent: jitter needs one seed per image.")
    generators = [np.random.default_rng(seed) for seed in seeds] if settings.jitter and seeds is not None else []
    everyone = torch.ones(len(start), dtype=torch.bool, device=start.device)
    before = x = start.clone()
    change = torch.zeros_like(x)
    path = []
    for number in range(iterations):
        step = _Step(settings, number, iterations, generators)
        before = x
        x, change, loss = _move(objective, x, change, step, shape)
        x = torch.minimum(torch.maximum(x, _bound(lower, x)), _bound(upper, x))
        path.append(loss)
        if on_iteration is not None:
            on_iteration(everyone, before, torch.full_like(everyone, number, dtype=torch.long))
    return DescentResult(before, path[-1], torch.stack(path, dim=1))


def _move(
    objective: Objective, x: torch.Tensor, change: torch.Tensor, step: _Step, shape: Sequence[int] | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    settings = step.settings
    offsets = None
    if settings.jitter:
        offsets = regularisers.draw_offsets(step.generators, settings.jitter, x.device)
        x, change = _shifted(x, offsets, shape), _shifted(change, offsets, shape)
    loss, gradient = objective(x)
    gradient = _normalised(gradient) if settings.normalise else gradient
    change = step.at(settings.momentum) * change + gradient
    if shape is not None:
        change = change + _penalties(x, settings, shape)
    x = x - step.at(settings.learning_rate) * change
    if shape is not None:
        x = _clipped(x, gradient, step, shape)
    if offsets is not None:
        x, change = _shifted(x, -offsets, shape), _shifted(change, -offsets, shape)
    x = x * (1 - step.at(settings.decay))
    if settings.blur is not None:
        x = regularisers.blur(x.unflatten(1, tuple(shape)), step.at(settings.blur)).flatten(1)
    return x, change, loss


def _normalised(gradient: torch.Tensor) -> torch.Tensor:
    size = gradient.abs().mean(1, keepdim=True)
    return gradient / torch.where(size > 0, size, torch.ones_like(size))


def _penalties(x: torch.Tensor, settings: DescentSettings, shape: Sequence[int]) -> torch.Tensor | float:
    total: torch.Tensor | float = 0.0
    for gradient_of, penalty in (
        (regularisers.p_norm, settings.p_norm),
        (regularisers.total_variation, settings.total_variation),
    ):
        if penalty is not None:
            gradient = gradient_of(x.unflatten(1, tuple(shape)), penalty.exponent).flatten(1)
            gradient = gradient / regularisers.noise_square(x.shape[1])
            total = total + penalty.weight * (_normalised(gradient) if settings.normalise else gradient)
    return total


def _clipped(x: torch.Tensor, gradient: torch.Tensor, step: _Step, shape: Sequence[int]) -> torch.Tensor:
    settings, images = step.settings, x.unflatten(1, tuple(shape))
    if step.clips(settings.clip_extreme):
        images = regularisers.clip_extreme(images, settings.clip_extreme.percentile)
    if step.clips(settings.clip_small_norm):
        images = regularisers.clip_small_norm(images, settings.clip_small_norm.percentile)
    if step.clips(settings.clip_small_contribution):
        percentage = settings.clip_small_contribution.percentile
        images = regularisers.clip_small_contribution(images, gradient.reshape(images.shape), percentage)
    return images.flatten(1)


def _shifted(x: torch.Tensor, offsets: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return regularisers.shift(x.unflatten(1, tuple(shape)), offsets).flatten(1)


def _bound(bound: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(bound, dtype=x.dtype, device=x.device)
