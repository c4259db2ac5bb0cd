"""Early signs that an adversarial training goes wrong, said once in the log."""

import logging
from collections.abc import Mapping

import torch

log = logging.getLogger(__name__)

LOOKS = 200  # at the images of a batch, over the training
WARM_UP = 0.1  # share of the training in which images may still be grey
ALIKE = 0.02  # spread over a batch relative to that of real images
LONG_REST = (1000, 0.1)  # steps, and share of the training


class Watch:
    """Looks at a training step by step.

    Parameters
    ----------
    steps : int
        Of the whole training.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._every = max(1, steps // LOOKS)
        self._rested, self._said = 0, {"alike": False, "rest": False}

    def see(
        self, step: int, discriminating: bool, losses: Mapping[str, float], made: torch.Tensor, images: torch.Tensor
    ) -> None:
        """Look at one step, and warn if something is wrong for the first time.

        Parameters
        ----------
        step : int
            Steps done before this one.
        discriminating : bool
            Whether the discriminator was updated.
        losses : mapping from name to float
        made, images : tensors of shape (n, 3, size, size)
            Generated images of the batch and the real ones.
        """
        self._rested = 0 if discriminating else self._rested + 1
        if self._rested > max(LONG_REST[0], LONG_REST[1] * self._steps) and not self._said["rest"]:
            self._said["rest"] = True
            log.warning(
                "step %d: the discriminator has rested for %d steps (losses: real %.3g, fake %.3g, adversarial %.3g); it "
                "tells generated images too easily, so a lower adversarial_weight or learning_rate may help",
                *(step + 1, self._rested, losses["real"], losses["fake"], losses["adversarial"]),
            )
        due = step >= WARM_UP * self._steps and (step + 1) % self._every == 0
        if due and len(made) > 1 and not self._said["alike"]:
            spread, wanted = float(batch_spread(made)), float(batch_spread(images))
            if spread < ALIKE * wanted:
                self._said["alike"] = True
                log.warning(
                    "step %d: the generated images of a batch are nearly the same (SD over images %.2g grey levels, of real "
                    "ones %.2g) although the responses differ; the training may have collapsed, so a lower learning_rate "
                    "or another seed may help",
                    *(step + 1, spread, wanted),
                )

    def state(self) -> dict:
        """Return what a later start must know."""
        return {"rested": self._rested, "said": dict(self._said)}

    def resume(self, state: Mapping) -> None:
        """Go on from what `state` returned."""
        self._rested, self._said = state["rested"], dict(state["said"])


def batch_spread(images: torch.Tensor) -> torch.Tensor:
    """Return the SD over the images of a batch, averaged over pixels."""
    return images.float().std(dim=0).mean()
