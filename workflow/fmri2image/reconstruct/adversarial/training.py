"""Training of method `end2end`, step by step (Shen, Dwivedi et al. 2019; code: end2end_training.py).

In an iteration the discriminator sees real images, then generated ones, and is updated; then it judges the same generated
images again, and the generator is updated by the sum of the three losses. Who is updated is up to the switch.

Order, windows and dropout are functions of seed and step alone and are drawn on the CPU, so that no device changes them and
a training that was stopped goes on exactly where it was.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from fmri2image.core.errors import DataError
from fmri2image.core.precision import autocast, computing
from fmri2image.core.seeds import generator_for, seed_for
from fmri2image.core.training import cycled_batch, halved_rate, load_checkpoint, save_checkpoint
from fmri2image.features.networks.base import Network
from fmri2image.reconstruct.adversarial.choices import LOSSES
from fmri2image.reconstruct.adversarial.data import Pairs, drawn_corners
from fmri2image.reconstruct.adversarial.discriminator import FAKE, REAL
from fmri2image.reconstruct.adversarial.initialise import build_discriminator, build_generator
from fmri2image.reconstruct.adversarial.losses import cross_entropy, euclidean
from fmri2image.reconstruct.adversarial.settings import End2EndSettings
from fmri2image.reconstruct.adversarial.watch import Watch

log = logging.getLogger(__name__)

RECORDED = 1000  # rows of the recorded losses, each the mean over its steps
SHEET_IMAGES = 8
SECONDS_BETWEEN_LINES, SHARE_BETWEEN_LINES = 10.0, 0.02


class Training:
    """A training under way.

    Parameters
    ----------
    settings : End2EndSettings
    pairs : Pairs
        Training trials and images.
    comparator : Network or None
        Its parameters need no gradient.
    device : torch.device
    about : mapping, optional
        What the training depends on beside the settings, in types that JSON knows; a checkpoint of others is refused.

    Attributes
    ----------
    step, steps : int
        Steps done, and of the whole training.
    on : pair of bool
        Whether discriminator and generator are updated in the next step.
    """

    def __init__(
        self, settings: End2EndSettings, pairs: Pairs, comparator: Network | None, device: torch.device,
        about: Mapping | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.pairs, self.comparator, self.device = settings, pairs, comparator, device
        self.steps = settings.n_steps(len(pairs))
        self.generator = build_generator(settings.table, pairs.voxels.shape[1], settings.seed).to(device)
        self.discriminator = build_discriminator(settings.table, settings.seed).to(device)
        self.optimisers = [
            torch.optim.Adam(
                [one for one in network.parameters() if one.requires_grad],
                lr=settings.learning_rate, betas=settings.beta, weight_decay=decay,
            )
            for network, decay in ((self.discriminator, settings.discriminator_decay), (self.generator, 0.0))
        ]  # fmt: skip
        self._summary = json.dumps({"settings": settings.of_learning(), **(about or {})}, sort_keys=True)
        self._order = generator_for(settings.seed, "order").permutation(len(pairs))
        self.step, self.on, self.updates = 0, (True, True), [0, 0]
        self.losses: list[list[float]] = []
        self.loss_steps: list[int] = []
        self._window = [0.0] * len(LOSSES)
        self._sheets: list[torch.Tensor] = []
        self._watch = Watch(self.steps)
        self._sheet_steps = settings.snapshot_steps(self.steps)
        first = np.unique(pairs.shown.cpu().numpy(), return_index=True)[1]
        spread = np.linspace(0, len(first) - 1, min(SHEET_IMAGES, len(first))).round().astype(int)
        self.sheet_trials = torch.as_tensor(first[spread], device=device)  # images of many categories
        self._compile()

    def _compile(self) -> None:
        networks = (self.generator.inside, self.discriminator.forward, self._compared)
        if self.settings.compile:
            networks = tuple(torch.compile(one) for one in networks)
        self._make, self._judge, self._compare = networks

    def _compared(self, images: torch.Tensor) -> torch.Tensor:
        """Return the comparator's features of images in the generator's domain."""
        layer = self.settings.comparator["layer"]
        return self.comparator.features(self.generator.domain.to_rgb(images), [layer])[layer]

    # Running ----------------------------------------------------------------------------------------------------------

    def run(self, checkpoint: Path | None = None, stop: int | None = None) -> None:
        """Train to the end or until after step `stop`, writing the checkpoint now and then and at the stop.

        Raises
        ------
        DataError
            If a loss is no finite number.
        """
        stop = self.steps if stop is None else min(stop, self.steps)
        started = said = time.monotonic()
        first = self.step
        with computing(self.settings.precision, self.device):
            while self.step < stop:
                if self.step == 0:
                    self._take_sheet()
                found = self.advance()
                self.step += 1
                self._record(found)
                self._take_sheet()
                now, done = time.monotonic(), self.step == stop
                if done or now - said >= max(SECONDS_BETWEEN_LINES, SHARE_BETWEEN_LINES * (now - started)):
                    said = now
                    self._say(found, (now - started) / (self.step - first))
                if checkpoint is not None and (done or self.step % self.settings.checkpoint_every == 0):
                    self.save(checkpoint)

    def advance(self) -> dict[str, float]:
        """Take one step; return its losses by name, without those that are not computed.

        Raises
        ------
        DataError
            If a loss is no finite number.
        """
        settings, domain = self.settings, self.generator.domain
        trials = torch.as_tensor(cycled_batch(self._order, settings.batch, self.step), device=self.device)
        corners = drawn_corners(settings.seed, self.step, len(trials), self.pairs.padding)
        images = domain.from_rgb(self.pairs.windows(trials, torch.as_tensor(corners, device=self.device)))
        random = torch.Generator().manual_seed(seed_for(settings.seed, "dropout", self.step))
        kept = [tuple(one.to(self.device) for one in self.discriminator.drop(len(trials), random)) for _ in range(3)]
        discriminating, generating = self.on
        terms: dict[str, torch.Tensor] = {}
        with torch.set_grad_enabled(generating), autocast(settings.precision, self.device):
            made = self._make(self.pairs.voxels[trials])
        if settings.adversarial_weight:
            terms |= self._discriminate(images, made.detach(), kept, discriminating)
        terms |= self._generate(images, made, kept[2], generating)
        values = dict(zip(terms, torch.stack([one.detach() for one in terms.values()]).tolist(), strict=True))
        self._check(values)
        self._watch.see(self.step, discriminating, values, made.detach(), images)
        if settings.adversarial_weight:
            ratio = (values["real"] + values["fake"]) / max(values["adversarial"], 1e-12)
            self.on = settings.switch.after(ratio, discriminating, generating)
        return values | {"discriminator": float(discriminating), "generator": float(generating)}

    def _discriminate(
        self, images: torch.Tensor, made: torch.Tensor, kept: list, update: bool
    ) -> dict[str, torch.Tensor]:
        with torch.set_grad_enabled(update), autocast(self.settings.precision, self.device):
            logits = self._judge(images, kept[0]), self._judge(made, kept[1])
        real, fake = cross_entropy(logits[0], REAL), cross_entropy(logits[1], FAKE)
        if update:
            # The original's discriminator carries the weight in its own training too, which decay is measured against.
            self._update(0, self.settings.adversarial_weight * (real + fake))
        return {"real": real, "fake": fake}

    def _generate(
        self, images: torch.Tensor, made: torch.Tensor, kept: tuple[torch.Tensor, torch.Tensor], update: bool
    ) -> dict[str, torch.Tensor]:
        settings, terms = self.settings, {}
        with torch.set_grad_enabled(update):
            terms["image"] = euclidean(made, images)
            if settings.feature_weight:
                with torch.no_grad(), autocast(settings.precision, self.device):
                    wanted = self._compare(images)
                with autocast(settings.precision, self.device):
                    given = self._compare(made)
                terms["feature"] = euclidean(given, wanted)
            if settings.adversarial_weight:
                self.discriminator.requires_grad_(False)
                with autocast(settings.precision, self.device):
                    logits = self._judge(made, kept)
                self.discriminator.requires_grad_(True)
                terms["adversarial"] = cross_entropy(logits, REAL)
            if update:
                self._update(1, sum(getattr(settings, f"{name}_weight") * term for name, term in terms.items()))
        return terms

    def _update(self, which: int, loss: torch.Tensor) -> None:
        optimiser = self.optimisers[which]
        for group in optimiser.param_groups:
            # Caffe's solvers count their own updates.
            group["lr"] = halved_rate(self.settings.learning_rate, self.settings.halve_at, self.updates[which])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        self.updates[which] += 1

    def _check(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                coarse = ", take precision float32" if self.settings.precision != "float32" else ""
                raise DataError(
                    f"end2end: the {name} loss of step {self.step + 1} is {value}; lower learning_rate "
                    f"({self.settings.learning_rate:g}){coarse} or lower the loss weights, and train again."
                )

    # What is kept -----------------------------------------------------------------------------------------------------

    def _record(self, found: Mapping[str, float]) -> None:
        self._window = [total + found.get(name, math.nan) for total, name in zip(self._window, LOSSES, strict=True)]
        length = max(1, self.steps // RECORDED)
        since = self.step - (self.loss_steps[-1] if self.loss_steps else 0)
        if since == length or self.step == self.steps:
            self.losses.append([total / since for total in self._window])
            self.loss_steps.append(self.step)
            self._window = [0.0] * len(LOSSES)

    def _take_sheet(self) -> None:
        if self.step in self._sheet_steps[len(self._sheets) :]:
            self._sheets.append(self.make(self.pairs.voxels[self.sheet_trials]))

    def make(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return images of z-scored voxels (n, n_voxels) as bytes (n, 3, size, size), on the CPU."""
        with torch.no_grad():
            return (self.generator(voxels).clamp(0, 1) * 255).round().to(torch.uint8).cpu()

    def state(self) -> dict[str, torch.Tensor]:
        """Return what was learned and how, as tensors."""
        size = self.settings.table.size
        empty = torch.zeros((0, len(self.sheet_trials), 3, size, size), dtype=torch.uint8)
        shown = (self.pairs.middle(self.sheet_trials) * 255).round().to(torch.uint8).cpu()
        return {
            **{f"generator.{name}": value.detach().cpu() for name, value in self.generator.state_dict().items()},
            "losses": torch.tensor(self.losses, dtype=torch.float32).reshape(-1, len(LOSSES)),
            "loss_steps": torch.tensor(self.loss_steps, dtype=torch.int64),
            "sheets": torch.stack(self._sheets) if self._sheets else empty,
            "sheet_steps": torch.tensor(self._sheet_steps[: len(self._sheets)], dtype=torch.int64),
            "sheet_images": shown,
        }

    def save(self, path: Path) -> None:
        """Write everything that a later start needs."""
        state = {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "on": list(self.on),
            "updates": self.updates,
            "losses": self.losses,
            "loss_steps": self.loss_steps,
            "window": self._window,
            "sheets": self._sheets,
            "watch": self._watch.state(),
        }
        save_checkpoint(path, self._summary, state)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written, if it was; raises DataError if it belongs to other settings."""
        state = load_checkpoint(path, self._summary)
        if state is None:
            return
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.step, self.on, self.updates = state["step"], tuple(state["on"]), state["updates"]
        self.losses, self.loss_steps, self._window = state["losses"], state["loss_steps"], state["window"]
        self._sheets = state["sheets"]
        self._watch.resume(state["watch"])

    def _say(self, found: Mapping[str, float], seconds: float) -> None:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in found.items() if name not in LOSSES_OF_SWITCH)
        at_rest = "" if all(self.on) else f", the {'generator' if self.on[0] else 'discriminator'} rests"
        left = (self.steps - self.step) * seconds
        log.info(
            "step %d of %d: %s%s; %.3g steps/s, %s to go",
            *(self.step, self.steps, losses, at_rest, 1 / max(seconds, 1e-9), _duration(left)),
        )


LOSSES_OF_SWITCH = ("discriminator", "generator")


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
