"""Are weights of the right shapes those of the published network? A check of plausibility, not a proof.

torchvision's VGG19 has the same layers, names and shapes as the Caffe one and is another network, trained on colours of
mean 0 and SD 1. Rectified networks pass a factor on their input through to the end, and both networks end in logits of
similar size in their own domain; fed with colours from 0 to 255, about 57 times as large, torchvision's is expected to give
logits that are several tens of times too large. One layer alone need not tell, because its gain is not tied to the input.
"""

import logging
from collections.abc import Mapping

from fmri2image.core.errors import DataError
from fmri2image.features.convert.tables import Table

log = logging.getLogger(__name__)

# The geometric middle between 1 and 57 (255 × torchvision's SD of 0.225).
LIMIT = 7.5


def check_plausible(table: Table, outputs: Mapping[str, Mapping], what: str) -> dict[str, float]:
    """Compare every layer's SD for the fixed picture with the published SD for natural images.

    Parameters
    ----------
    table : Table
    outputs : mapping from layer to dict with ``channel_sd``
        See `golden.golden_outputs`.
    what : str
        For messages.

    Returns
    -------
    ratios : dict from layer to SD here ÷ published SD; empty if none is published

    Raises
    ------
    DataError
        If a layer's SD is further than a factor of `LIMIT` from the published one.
    """
    ratios = {layer: outputs[layer]["channel_sd"] / sd for layer, sd in table.published_sd.items() if layer in outputs}
    for layer, ratio in ratios.items():
        log.info(
            "%-8s SD %10.4g published %10.4g ratio %6.2f",
            layer,
            outputs[layer]["channel_sd"],
            table.published_sd[layer],
            ratio,
        )
    wrong = {layer: ratio for layer, ratio in ratios.items() if not 1 / LIMIT < ratio < LIMIT}
    if wrong:
        layer = max(wrong, key=lambda name: max(wrong[name], 1 / wrong[name]) if wrong[name] > 0 else float("inf"))
        raise DataError(
            f"{what} has the shapes of '{table.name}', but its layer '{layer}' varies with an SD of "
            f"{outputs[layer]['channel_sd']:.4g} where {table.published_sd[layer]:.4g} is published ({table.belongs_to}, "
            f"{table.configuration['channels']} colours from 0 to {table.configuration['maximum']:g}): it is another "
            "network, for example torchvision's, whose features do not match."
        )
    return ratios
