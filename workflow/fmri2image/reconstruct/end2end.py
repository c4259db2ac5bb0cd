"""End-to-end deep image reconstruction: a generator trained straight from voxels to images.

Shen, Dwivedi, Majima, Horikawa, Kamitani 2019 (Front. Comput. Neurosci.). Single trials train a generator by three losses: in
pixels, in the features of a comparator, and against a discriminator. The mean of several trials is less noisy than what
the generator has learned from, and is scaled up by the square root of their number.
"""

import hashlib
import logging
from collections.abc import Mapping

import numpy as np
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples
from fmri2image.core.training import checkpoint_of
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.reconstruct.adversarial.choices import LOSSES
from fmri2image.reconstruct.adversarial.data import Pairs, Scaling, training_pairs
from fmri2image.reconstruct.adversarial.initialise import build_generator
from fmri2image.reconstruct.adversarial.settings import End2EndSettings
from fmri2image.reconstruct.adversarial.training import Training
from fmri2image.reconstruct.interface import Reconstructions, Responses, Work

__all__ = ["LOSSES", "TRAINS", "fit", "reconstruct"]
log = logging.getLogger(__name__)

TRAINS = True  # what it has learned holds `LOSSES` along the training, for the report
PREFIX = "generator."
AT_ONCE = 64  # images that are made together


def fit(
    train: Samples, stimuli: LabelledArray, settings: Mapping, device: torch.device, work: Work | None = None
) -> dict[str, torch.Tensor]:
    """Train the generator of one subject.

    Parameters
    ----------
    train : Samples
        Training trials; the column ``stimulus`` names the image of each.
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width)
        RGB in [0, 1].
    settings : mapping
        Fields of `End2EndSettings`.
    device : torch.device
    work : Work, optional
        With it, a training that was stopped goes on where it was.

    Returns
    -------
    state : dict of tensors
        ``generator.<layer>.weight`` and ``.bias``; ``mean`` and ``sd`` (n_voxels,) of the training trials; ``losses``
        (n_recorded, n_losses), float32, columns as in `fmri2image.reconstruct.adversarial.choices.LOSSES`, nan for what is
        not computed, each row the mean over the steps up to ``loss_steps``; ``sheets`` (n_snapshots, n_images, 3, height,
        width), uint8, some training trials' images after ``sheet_steps``, and ``sheet_images``, what these trials saw.

    Raises
    ------
    ConfigError
        If settings do not go together.
    DataError
        If a loss is no finite number, or the voxels are not.
    """
    options, work = End2EndSettings.read(settings), work or Work()
    comparator = _comparator(options, device)
    table = options.table
    pairs, scaling = training_pairs(train, stimuli, options.n_images, table.size, options.padding, options.seed, device)
    about = _about(options, pairs, comparator, device, work)
    training = Training(options, pairs, comparator, device, about)
    log.info(
        "%d trials of %d images, %d voxels: %d steps of %d trials",
        *(len(pairs), len(pairs.images), pairs.voxels.shape[1], training.steps, options.batch),
    )
    checkpoint = None if work.output is None else checkpoint_of(work.output, about)
    if checkpoint is not None:
        training.resume(checkpoint)
    training.run(checkpoint)
    return {**training.state(), "mean": torch.as_tensor(scaling.mean), "sd": torch.as_tensor(scaling.sd)}


def reconstruct(
    test: Responses, state: Mapping[str, torch.Tensor], settings: Mapping, device: torch.device
) -> Reconstructions:
    """Make the images of test rows.

    Parameters
    ----------
    test : Responses, values of shape (n_rows, n_voxels)
    state : mapping
        What `fit` returned.
    settings : mapping
        Fields of `End2EndSettings`.
    device : torch.device

    Returns
    -------
    Reconstructions
        Images of shape (n_rows, 3, size, size), the middle of what was shown, without the padding.
    """
    options = End2EndSettings.read(settings)
    scaling = Scaling(np.asarray(state["mean"]), np.asarray(state["sd"]))
    if test.values.shape[1] != len(scaling.mean):
        raise DataError(
            f"The generator was trained on {len(scaling.mean)} voxels, and these responses have {test.values.shape[1]}; "
            "train it again on these samples."
        )
    voxels = torch.as_tensor(scaling.apply(test.values) * _factors(options.rescale, test)[:, None], device=device)
    generator = build_generator(options.table, len(scaling.mean)).to(device).eval()
    weights = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    generator.load_state_dict(weights)
    with torch.no_grad():
        parts = [generator(part).clamp(0, 1).float().cpu().numpy() for part in voxels.split(AT_ONCE)]
    return Reconstructions(LabelledArray(np.concatenate(parts), test.rows))


def _factors(rescale: str | float, test: Responses) -> np.ndarray:
    """Return what the z-scored voxels of each row are multiplied with, float32 (n_rows,)."""
    if rescale == "sqrt_n":
        return np.sqrt(test.n_trials).astype(np.float32)
    return np.full(len(test.rows), 1.0 if rescale == "none" else rescale, dtype=np.float32)


def _comparator(options: End2EndSettings, device: torch.device) -> Network | None:
    if not options.feature_weight:
        return None
    network = build_network(dict(options.comparator["network"])).to(device).eval().requires_grad_(False)
    layer = options.comparator["layer"]
    if layer not in network.layer_shapes:
        raise ConfigError(
            f"end2end: comparator '{network.name}' has no layer '{layer}'; it has {', '.join(network.layer_shapes)}."
        )
    if network.domain.size != options.table.size:
        log.info("images of %d pixels are resized to %d for %s", options.table.size, network.domain.size, network.name)
    return network


def _about(
    options: End2EndSettings, pairs: Pairs, comparator: Network | None, device: torch.device, work: Work
) -> dict:
    """Return what a training depends on beside its settings: data, weights, device, code."""
    digest = hashlib.blake2b(digest_size=16)
    for one in (pairs.voxels, pairs.images, pairs.shown):
        digest.update(np.ascontiguousarray(one.cpu().numpy()).data)
    weights = {} if comparator is None else {key: str(value) for key, value in comparator.attributes.items()}
    about = {
        "settings": options.of_learning(),
        "data": digest.hexdigest(),
        "comparator": weights,
        "device": device.type,
    }
    return {**about, **work.fingerprint}
