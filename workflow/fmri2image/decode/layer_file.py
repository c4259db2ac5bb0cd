"""The file of decoded features of a layer, written from its chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.files import replacing
from fmri2image.decode.chosen import COUNTS
from fmri2image.decode.feature_rows import Chunk
from fmri2image.decode.kept import KeptWriter
from fmri2image.decode.norm import REFERENCES, SIZES, reference_sizes, size_table
from fmri2image.decode.reliability import merge_moments, pattern_reliability
from fmri2image.decode.sizes import MergedSizes
from fmri2image.decode.standardise import Scale
from fmri2image.decode.training_sets import TrainingSet
from fmri2image.decode.unfinished import Unfinished


@dataclass
class Layer:
    """What the chunks of a layer belong to.

    Parameters
    ----------
    shape : tuple of int
    chunks : list of Chunk
    groups : list of lists of TrainingSet
        Sets that were decoded together.
    rows : mapping from test to names of rows
    voxels : list of str
    voxel_scales : list of Scale
        One per training set.
    independent : sequence of str or None
        Images whose features are the reference of the norm correction; None for the training stimuli.
    """

    shape: tuple[int, ...]
    chunks: list[Chunk]
    groups: list[list[TrainingSet]]
    rows: Mapping[str, list[str]]
    voxels: list[str]
    voxel_scales: list[Scale]
    independent: Sequence[str] | None

    @property
    def sets(self) -> list[TrainingSet]:
        """All training sets."""
        return [one for sets in self.groups for one in sets]


def chunk_name(group: int, chunk: Chunk) -> str:
    """Return the name under which a chunk is kept until the layer is finished."""
    return f"{group:03d}-{chunk.start:08d}-{chunk.stop:08d}"


def write_layer(output: str | Path, layer: Layer, unfinished: Unfinished, attributes: Mapping) -> None:
    """Write the file of a layer; see `layers.LayerDecoding.decode` for what it holds."""
    with replacing(output) as partial, h5py.File(partial, "w") as file:
        file.attrs.update(attributes)
        _allocate(file, layer)
        first, merged = 0, {}
        for number, sets in enumerate(layer.groups):
            # The first group has measured the independent images for all.
            merged = {key: sizes for key, sizes in merged.items() if key == "reference"}
            _write_group(file, layer, unfinished, number, first, merged)
            first += len(sets)
        file.attrs["n_units"] = int(np.prod(layer.shape, dtype=int))
        # Per training set, in the order of training_mean_rows.
        file.attrs["constant_voxels"] = [int(scale.constant.sum()) for scale in layer.voxel_scales]
        file.attrs["damaged_voxels"] = [int(scale.damaged.sum()) for scale in layer.voxel_scales]


def write_kept(output: str | Path, layer: Layer, unfinished: Unfinished, attributes: Mapping) -> None:
    """Write the decoders of a layer, see `kept`."""
    with replacing(output) as partial, h5py.File(partial, "w") as file:
        writer = KeptWriter(file, layer.shape, [one.name for one in layer.sets], layer.voxels, attributes)
        first = 0
        for number, sets in enumerate(layer.groups):
            for i in range(len(sets)):
                writer.add_training(first + i, layer.voxel_scales[first + i])
            for chunk in layer.chunks:
                with unfinished.load(chunk_name(number, chunk)) as found:
                    for i in range(len(sets)):
                        head = f"keep_{i}_"
                        arrays = {key.removeprefix(head): found[key] for key in found.files if key.startswith(head)}
                        writer.add(first + i, chunk.start, arrays)
            first += len(sets)


def _allocate(file: h5py.File, layer: Layer) -> None:
    text = h5py.string_dtype()
    trainings = {test: np.empty(len(rows), dtype=object) for test, rows in layer.rows.items()}
    for one in layer.sets:
        for target in one.targets:
            trainings[target.test][target.rows] = one.name
    for test, rows in layer.rows.items():
        file.create_dataset(test, (len(rows), *layer.shape), dtype="f4")
        file.create_dataset(f"{test}_sizes", (len(rows), len(SIZES)), dtype="f8").attrs["columns"] = list(SIZES)
        file.create_dataset(f"{test}_reference", (len(rows), len(REFERENCES)), dtype="f8").attrs["columns"] = list(
            REFERENCES
        )
        file.create_dataset(f"{test}_training", data=trainings[test], dtype=text)
        for name in (test, f"{test}_sizes", f"{test}_reference", f"{test}_training"):
            _name_rows(file, name, rows)
    halved = [target.test for one in layer.sets for target in one.targets if target.halves is not None]
    for test in dict.fromkeys(halved):  # in order: the bytes of a file must not depend on how a set is ordered
        file.create_dataset(f"{test}_unit_reliability", layer.shape, dtype="f4", fillvalue=np.nan)
        n_rows = len(layer.rows[test])
        file.create_dataset(f"{test}_pattern_reliability", (n_rows,), dtype="f8", fillvalue=np.nan)
        _name_rows(file, f"{test}_pattern_reliability", layer.rows[test])
    names = [one.name for one in layer.sets]
    file.create_dataset("training_mean", (len(names), *layer.shape), dtype="f4")
    _name_rows(file, "training_mean", names)


def _write_group(
    file: h5py.File, layer: Layer, unfinished: Unfinished, number: int, first: int, merged: dict[str, MergedSizes]
) -> None:
    sets = layer.groups[number]
    patterns: dict[str, np.ndarray] = {}
    counts: dict[int, np.ndarray] = {}
    units = np.zeros((len(sets), 2), dtype=int)
    for chunk in layer.chunks:
        with unfinished.load(chunk_name(number, chunk)) as found:
            for key in found.files:
                kind, _, place = key.partition("_")
                if kind in ("plain", "residual", "reference"):
                    if key not in merged:
                        merged[key] = MergedSizes(found[key].shape[1], layer.shape)
                    merged[key].add(found[key], chunk)
                elif kind == "counts":
                    counts[int(place)] = counts.get(int(place), 0) + found[key]
                elif kind == "pattern":
                    moments = found[key]
                    patterns[place] = merge_moments(patterns[place], moments) if place in patterns else moments
            for i, one in enumerate(sets):
                units[i] += found[f"units_{i}"]
                file["training_mean"][(first + i, *chunk.box)] = found[f"mean_{i}"].reshape(chunk.shape)
                for j, target in enumerate(one.targets):
                    values = found[f"decoded_{i}_{j}"]
                    file[target.test][(target.rows, *chunk.box)] = values.reshape(len(values), *chunk.shape)
                    if target.halves is not None:
                        name = f"{target.test}_unit_reliability"
                        file[name][chunk.box] = found[f"unit_reliability_{i}_{j}"].reshape(chunk.shape)
    for i, one in enumerate(sets):
        reference = reference_sizes(merged["reference" if layer.independent is not None else f"reference_{i}"])
        for j, target in enumerate(one.targets):
            table = size_table(merged[f"plain_{i}_{j}"], merged[f"residual_{i}_{j}"])
            file[f"{target.test}_sizes"][target.rows] = np.stack([table[name] for name in SIZES], axis=1)
            file[f"{target.test}_reference"][target.rows] = [reference[name] for name in REFERENCES]
            if target.halves is not None:
                found = pattern_reliability(patterns[f"{i}_{j}"])
                file[f"{target.test}_pattern_reliability"][target.halves[2] + target.rows.start] = found
        _write_counts(file, layer, first + i, counts.get(i), units[i])


def _write_counts(file: h5py.File, layer: Layer, place: int, counts: np.ndarray | None, units: np.ndarray) -> None:
    """Write the counts of a training set; a decoder that has no weights of voxels has none."""
    names = [one.name for one in layer.sets]
    for name, number in zip(("constant_units", "damaged_units"), units, strict=True):
        file.attrs[name] = [*file.attrs.get(name, []), int(number)]
    if counts is None:
        return
    if "voxels" not in file:
        file.create_dataset("voxels", data=np.array(layer.voxels, dtype=h5py.string_dtype()))
    for name, values in zip(COUNTS, counts, strict=True):
        if f"voxels_{name}" not in file:
            file.create_dataset(f"voxels_{name}", (len(names), len(values)), dtype="f8", fillvalue=np.nan)
            _name_rows(file, f"voxels_{name}", names)
        file[f"voxels_{name}"][place] = values


def _name_rows(file: h5py.File, name: str, rows: Sequence[str]) -> None:
    file.create_dataset(f"{name}_rows", data=np.array(list(rows), dtype=h5py.string_dtype()))
