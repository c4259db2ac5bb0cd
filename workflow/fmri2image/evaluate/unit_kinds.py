"""Accuracy of the decoded units of one layer over a part of a test's stimuli, as the imagined images of one kind.

S1 Fig of Shen et al. 2019 tells imagined natural images from imagined shapes, which are imagined in the same runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import open_h5, row_index
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.features import FeatureAccuracy
from fmri2image.evaluate.identification import PermutationTest, relabel
from fmri2image.evaluate.unit_blocks import LayerFeatures, flat, unit_blocks

BLOCK_BYTES = 100_000_000
FEWEST = 3  # rows without which a correlation over them says nothing


@dataclass(frozen=True)
class PartAccuracy:
    """Accuracy of the units of a layer over a part of the stimuli.

    Parameters
    ----------
    units : float32 array of the layer's shape
        r over rows of decoded and true feature; NaN where a unit does not vary.
    test : PermutationTest
        Of the mean over units; permutations are of the labels of this part's stimuli.
    n_rows : int
    """

    units: np.ndarray
    test: PermutationTest
    n_rows: int


def part_accuracies(
    decoded: str | Path,
    true: str | Path,
    test: str,
    parts: Mapping[str, Sequence[str]],
    n_permutations: int,
    generator: np.random.Generator,
) -> dict[str, PartAccuracy]:
    """Score the units of one layer over parts of a test's stimuli, streamed over blocks of units.

    Parameters
    ----------
    decoded : path
        File of decoded features, before norm correction.
    true : path
        True features of the test's stimuli.
    test : str
    parts : mapping from name to stimuli
        Parts with fewer than three decoded rows are left out.
    n_permutations : int
    generator : numpy Generator

    Returns
    -------
    accuracies : dict from the name of a part to PartAccuracy
    """
    with open_h5(decoded) as file, LayerFeatures({test: true}, str(file.attrs.get("transform", "raw"))) as features:
        shape = file[test].shape[1:]
        features.check_shape(shape, decoded)
        names = [row.decode() for row in file[f"{test}_rows"][:]]
        found = {}
        for part, stimuli in parts.items():
            rows = np.array([i for i, row in enumerate(names) if stimulus_of(row) in set(stimuli)], dtype=int)
            if len(rows) >= FEWEST:
                shown = list(dict.fromkeys(stimulus_of(names[i]) for i in rows))
                columns = row_index(features.names[test], shown, "A decoded row")
                own = row_index(shown, [stimulus_of(names[i]) for i in rows])
                found[part] = (rows, columns, FeatureAccuracy(own, len(shown)), np.full(shape, np.nan, np.float32))
        for block in unit_blocks(shape, len(names) + len(features.names[test]), BLOCK_BYTES):
            mine, shown = flat(file[test], block), features.read(test, block)
            for rows, columns, sums, units in found.values():
                units[block] = sums.add(mine[rows], shown[columns]).reshape(units[block].shape)
    return {
        part: PartAccuracy(
            units,
            PermutationTest(
                float(sums.unit_correlation()),
                sums.unit_correlation(relabel(sums.own, sums.n_stimuli, n_permutations, generator)),
            ),
            len(rows),
        )
        for part, (rows, _, sums, units) in found.items()
    }
