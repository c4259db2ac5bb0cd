"""Training data on the device: 8-bit images a little larger than what is learned, and z-scored voxels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from fmri2image.core.arrays import LabelledArray, row_index, shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples
from fmri2image.core.seeds import generator_for

AT_ONCE = 64  # images that are resized together


@dataclass(frozen=True)
class Scaling:
    """How voxels are z-scored.

    Parameters
    ----------
    mean, sd : float32 arrays of shape (n_voxels,)
        Of the training trials, the SD over all of them (ddof 0); 1 where a voxel never changes.
    """

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, data: np.ndarray) -> "Scaling":
        """Measure the scaling of training trials (n_trials, n_voxels); raises DataError if a number is not finite."""
        if not np.isfinite(data).all():
            n = int((~np.isfinite(data).all(axis=0)).sum())
            raise DataError(
                f"{n} voxels of the training trials hold values that are no finite numbers; exclude them in the samples."
            )
        mean, sd = data.mean(axis=0, dtype=np.float64), data.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32))

    def apply(self, data: np.ndarray) -> np.ndarray:
        """Return z-scored responses, float32."""
        return ((data - self.mean) / self.sd).astype(np.float32)


class Pairs:
    """Trials and the images that they saw, on a device.

    Parameters
    ----------
    voxels : float32 array of shape (n_trials, n_voxels)
    images : uint8 array of shape (n_images, 3, side, side)
        RGB; `side` is the size of the windows and the padding.
    shown : integer array of shape (n_trials,)
        Image of each trial.
    size : int
        Pixels per side of the windows.
    device : torch.device
    """

    def __init__(
        self, voxels: np.ndarray, images: np.ndarray, shown: np.ndarray, size: int, device: torch.device
    ) -> None:
        self.voxels = torch.as_tensor(voxels, device=device)
        self.images = torch.as_tensor(images, device=device)
        self.shown = torch.as_tensor(shown, device=device)
        self.size, self.padding = size, images.shape[-1] - size

    def __len__(self) -> int:
        return len(self.voxels)

    def windows(self, trials: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
        """Return windows of the images of some trials, float RGB (n, 3, size, size) in [0, 1].

        Parameters
        ----------
        trials : integer tensor of shape (n,)
        corners : integer tensor of shape (n, 2)
            Upper and left end of each window, from 0 to the padding.
        """
        along = torch.arange(self.size, device=self.images.device)
        rows, columns = (corners[:, axis, None] + along for axis in (0, 1))
        channels = torch.arange(3, device=self.images.device)
        found = self.images[
            self.shown[trials][:, None, None, None],
            channels[None, :, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]
        return found.float() / 255

    def middle(self, trials: torch.Tensor) -> torch.Tensor:
        """Return the middle window of the images of some trials."""
        corner = torch.full((len(trials), 2), self.padding // 2, device=self.images.device)
        return self.windows(trials, corner)


def drawn_corners(seed: int, step: int, n: int, padding: int) -> np.ndarray:
    """Return the corners (n, 2) of a step's windows, every place equally likely."""
    return generator_for(seed, "windows", step).integers(0, padding + 1, (n, 2))


def subset(names: Sequence[str], n_images: int | None, seed: int) -> list[str]:
    """Return the first `n_images` images of an order that depends on names and seed alone, so that subsets are nested.

    Raises
    ------
    ConfigError
        If there are fewer images.
    """
    order = sorted(set(names))
    if n_images is None:
        return order
    if n_images > len(order):
        raise ConfigError(
            f"n_images: {n_images} training images are asked for, and there are {len(order)}; lower the number."
        )
    return [order[i] for i in generator_for(seed, "images").permutation(len(order))[:n_images]]


def training_pairs(
    train: Samples, stimuli: LabelledArray, n_images: int | None, size: int, padding: int, seed: int,
    device: torch.device,
) -> tuple[Pairs, Scaling]:  # fmt: skip
    """Put the training trials of a subset of images, and these, on a device.

    Parameters
    ----------
    train : Samples
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width), RGB in [0, 1]
    n_images : int or None
    size, padding : int
    seed : int
    device : torch.device

    Returns
    -------
    pairs : Pairs
    scaling : Scaling
        Of the trials that are used.
    """
    names = np.array([str(name) for name in train.trials["stimulus"]])
    chosen = subset(list(names), n_images, seed)
    used = np.isin(names, chosen)
    if not used.any():
        raise DataError(f"No training trial shows one of the images {shorten(chosen)}.")
    scaling = Scaling.of(train.data[used])
    images = resized(stimuli.take(chosen, "The trial table").values, size + padding)
    shown = row_index(chosen, list(names[used]), "The trial table")
    return Pairs(scaling.apply(train.data[used]), images, shown, size, device), scaling


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Return float images (n, 3, height, width) in [0, 1] as bytes of side × side pixels, bilinear (code)."""
    out = np.empty((len(images), 3, side, side), dtype=np.uint8)
    for start in range(0, len(images), AT_ONCE):
        part = torch.as_tensor(images[start : start + AT_ONCE], dtype=torch.float32)
        if part.shape[2:] != (side, side):
            part = functional.interpolate(part, (side, side), mode="bilinear", antialias=True)
        out[start : start + AT_ONCE] = (part.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return out
