"""Independent judges: networks that took no part in a reconstruction say which stimulus it looks like.

Pairwise identification by Pearson's correlation of a network's features (as Ozcelik & VanRullen 2023 compare methods),
with the other stimuli of the image set as lures. A judge must not be the network whose features were decoded or
matched: images optimised for a network please that network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS, score_similarity
from fmri2image.evaluate.similarity import correlation_matrix
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.features.networks.published import check_arrays

BATCH = 8  # images per pass: fastest on a processor; it changes no result


def load_judge(settings: Mapping, weights: str | Path, device: torch.device) -> Network:
    """Build a judge's network and check its arrays once more.

    Parameters
    ----------
    settings : mapping
        ``network``, and ``arrays_sha256`` of the registry.
    weights : path
    device : torch.device

    Raises
    ------
    DataError
        If the file is damaged or holds other weights.
    """
    network = build_network({"name": settings["network"]}, weights)
    check_arrays(network, settings["arrays_sha256"], weights)
    return network.to(device)


def judge_features(network: Network, layer: str, images: np.ndarray) -> np.ndarray:
    """Return a judge's features of images.

    Parameters
    ----------
    network : Network
    layer : str
    images : array of shape (n, 3, height, width)
        RGB; clipped to [0, 1], as they are shown.

    Returns
    -------
    features : float32 array of shape (n, n_units)
        Before rectification.
    """
    device = next(network.parameters()).device
    batches = []
    for start in range(0, len(images), BATCH):
        batch = torch.as_tensor(np.clip(images[start : start + BATCH], 0, 1), dtype=torch.float32, device=device)
        with torch.no_grad():
            batches.append(network.features(batch, [layer])[layer].flatten(1).cpu().numpy())
    return np.concatenate(batches)


def judge_images(
    network: Network,
    judge: str,
    layer: str,
    sources: Sequence[tuple[LabelledArray, Mapping[str, object]]],
    stimuli: LabelledArray,
    n_permutations: int,
    seed: int,
    groups: Mapping[str, np.ndarray] | None = None,
    drawn: Mapping[str, np.ndarray] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the reconstructions of several sources by one judge.

    Parameters
    ----------
    network : Network
    judge : str
        Its name in the configuration, the ending of the metrics' names.
    layer : str
    sources : sequence of (LabelledArray with values of shape (n_rows, 3, height, width), mapping)
        Reconstructions and their keys: dataset, method, subject, roi, stimulus_set, test, transductive, simulated.
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width)
    n_permutations : int
        Of the stimuli's labels.
    seed : int
    groups : mapping from ending to integer array of shape (n_stimuli,), optional
        As for `scores.score_images`.
    drawn : mapping from ending to boolean array of shape (n_stimuli, n_stimuli), optional
        As for `scores.score_images`.

    Returns
    -------
    scores : DataFrame with `SCORE_COLUMNS`
        ``feature_correlation_<judge>``, ``feature_identification_<judge>`` and ``feature_top1_<judge>``.
    permutations : DataFrame with `PERMUTATION_COLUMNS`
        Of the latter two, and of ``feature_identification_<judge>_<aspect>``.
    """
    shown = judge_features(network, layer, stimuli.values)
    dialect = f"{network.name} {layer} at {network.domain.size}x{network.domain.size}; ties one half"
    scores, tests = [], []
    for images, keys in sources:
        own = row_index(stimuli.rows, [stimulus_of(row) for row in images.rows], "A reconstruction")
        found = score_similarity(
            correlation_matrix(judge_features(network, layer, images.values), shown),
            own,
            images.rows,
            {**keys, "dialect": dialect},
            (f"feature_correlation_{judge}", f"feature_{{}}_{judge}"),
            n_permutations,
            lambda *more: generator_for(seed, "permute labels", judge, *more),
            groups,
            drawn=drawn,
        )
        scores += found[0]
        tests += found[1]
    return pd.concat(scores)[list(SCORE_COLUMNS)], pd.DataFrame(tests)[list(PERMUTATION_COLUMNS)]
