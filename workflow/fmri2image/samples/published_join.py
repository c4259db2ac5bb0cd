"""Published files of one subject, one per stimulus set or one for all, joined into one set of samples."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples
from fmri2image.samples.published import OWN, read_published

log = logging.getLogger(__name__)

PLACES = (("voxel_i", "voxel_j", "voxel_k"), ("voxel_x", "voxel_y", "voxel_z"))


def read_subject(
    files: Mapping[str, str | Path],
    subject: str,
    dialect: str = "auto",
    *,
    labels: Mapping[str, str | Path] | None = None,
    unions: Mapping[str, Sequence[str]] | None = None,
    rois: Sequence[str] | None = None,
) -> Samples:
    """Read all stimulus sets of a subject, whichever files they are in.

    Voxels are joined by their index or position; files without either must list the same voxels in the same order, which
    is checked by the areas. Voxels that any file has without a finite response are left out and counted
    (``n_voxels_without_signal``).

    Parameters
    ----------
    files : mapping from stimulus set to path
        Several sets may share a file.
    subject : str
    dialect, unions, rois
        See `published.read_published`.
    labels : mapping from stimulus set to path, optional
        Tables that name numbers.

    Returns
    -------
    samples : Samples

    Raises
    ------
    DataError
        If a file cannot be read, or two files do not hold the same voxels.
    """
    if not files:
        raise DataError(f"Subject {subject} has no published sample file; name them in samples: published: entries.")
    parts: list[Samples] = []
    paths = [str(path) for path in files.values()]
    for stimulus_set, path in files.items():
        part = read_published(
            path, stimulus_set, dialect, labels=(labels or {}).get(stimulus_set), unions=unions, rois=rois
        )
        parts.append(_same_voxels(parts[0], part, paths[0], path) if parts else part)
    counts = [len(part.trials) for part in parts]
    about = {name: part.attributes for name, part in zip(files, parts, strict=True)}
    voxels = _common(parts, paths)
    trials = pd.concat([part.trials for part in parts], ignore_index=True)
    seen = np.logical_and.reduce([np.isfinite(part.data).all(axis=0) for part in parts])
    if not seen.any():
        raise DataError(f"{shorten(paths)}: every voxel misses a response in some trial, so no voxel is left.")
    if not seen.all():
        log.warning("subject %s: %d voxels miss a response in some trial and are left out", subject, (~seen).sum())
    data = np.empty((sum(counts), len(seen)), dtype=np.float32)
    for end, count in zip(reversed(np.cumsum(counts)), reversed(counts), strict=True):
        data[end - count : end] = parts.pop().data  # popped, so that nothing lies in memory twice
    first = next(iter(about.values()))
    own = {key: value for key, value in first.items() if first["dialect"] == OWN}
    attributes = {
        **own,
        "subject": subject,
        "simulated": first["simulated"],
        "responses": first["responses"],
        "units": first["units"],
        "dialect": json.dumps({name: entry["dialect"] for name, entry in about.items()}),
        "names": json.dumps({name: entry["names"] for name, entry in about.items()}),
        "n_voxels_without_signal": int((~seen).sum()),
    }
    unexpected = [entry["unexpected_count"] for entry in about.values() if "unexpected_count" in entry]
    attributes |= {"unexpected_counts": "; ".join(unexpected)} if unexpected else {}
    joined = Samples(data, trials, voxels, attributes)
    return joined if seen.all() else joined.keep(seen)


def _same_voxels(first: Samples, other: Samples, first_path: str | Path, path: str | Path) -> Samples:
    """Return the other samples with their voxels in the order of the first."""
    for place in PLACES:
        places = [samples.voxels[list(place)] for samples in (first, other)]
        if any(table.isna().to_numpy().any() or table.duplicated().any() for table in places):
            continue
        # Positions in mm are equal to a hundredth, whatever the precision they were stored in.
        here, there = (pd.MultiIndex.from_frame((table * 100).round().astype(int)) for table in places)
        order = there.get_indexer(here)
        n_missing = int((order < 0).sum())
        if n_missing or len(here) != len(there):
            raise DataError(
                f"{path} and {first_path} do not hold the same voxels: {len(there)} and {len(here)}, of which "
                f"{len(here) - n_missing} lie in the same place ({', '.join(place)}); take files of one release."
            )
        return Samples(
            other.data[:, order], other.trials, other.voxels.iloc[order].reset_index(drop=True), other.attributes
        )
    shared = [name for name in first.rois if name in other.rois]
    different = [
        name for name in shared if not np.array_equal(first.voxels[f"ROI_{name}"], other.voxels[f"ROI_{name}"])
    ]
    if len(first.voxels) != len(other.voxels) or not shared or different:
        raise DataError(
            f"{path} and {first_path} do not hold the same voxels ({len(other.voxels)} and {len(first.voxels)}; areas that "
            f"differ: {shorten(different) or 'none'}) and no places to join them by; take files of one release."
        )
    log.info("%s: no places of voxels; the same order as in %s, by %d equal areas", path, first_path, len(shared))
    return other


def _common(parts: Sequence[Samples], paths: Sequence[str]) -> pd.DataFrame:
    """Return the first voxel table with the areas that all files have, which must be equal there."""
    voxels = parts[0].voxels.copy()
    for part, path in zip(parts[1:], paths[1:], strict=True):
        for column in [name for name in voxels.columns if name.startswith("ROI_")]:
            if column not in part.voxels:
                log.warning("%s lacks the area %s, which is left out", path, column[4:])
                voxels = voxels.drop(columns=column)
            elif not np.array_equal(voxels[column], part.voxels[column]):
                raise DataError(f"{path} and {paths[0]} disagree about area {column[4:]}; take files of one release.")
    return voxels
