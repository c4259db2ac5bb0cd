"""Which of somebody else's feature files are of which layer and stimulus, told by folders and names."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.features.mat_collection import MatCollection, Member, with_folder

log = logging.getLogger(__name__)

IMAGE_ENDING = re.compile(r"\.(jpe?g|png|tiff?|bmp)$", re.IGNORECASE)
# n03079230_8270, and the stimulus_id of the events: 3079230.008270
IMAGENET = re.compile(r"n?0*(\d+)[_.]0*(\d+)", re.IGNORECASE)


def layer_members(collection: MatCollection, layer: str, layers: Sequence[str]) -> list[Member]:
    """Return the members of one layer: in a folder of that name, or in an archive whose own name ends with it.

    Raises
    ------
    DataError
        If there is none; the message says which layers there are.
    """
    found = with_folder(collection.members, layer)
    if found:
        return found
    known = {name.lower() for name in layers}
    for member in collection.members:
        named = _named_layer(member.source, layers)
        if named == layer and not known & {part.lower() for part in member.folders}:
            found.append(member)
    if found:
        log.info("%s: the archive's name says the layer", layer)
        return found
    folders = {part for member in collection.members for part in member.folders if part.lower() in known}
    named = {_named_layer(source, layers) for source in collection.sources} - {None}
    held = sorted(folders | named)
    raise DataError(
        f"{shorten(collection.sources)} holds no layer {layer}; "
        + (
            f"it holds {shorten(held, 30)}."
            if held
            else f"neither folders nor the archive's name say a layer ({layer})."
        )
    )


def match_stimuli(members: Sequence[Member], stimuli: Sequence[str]) -> dict[str, Member]:
    """Return the file of every stimulus that has one, by name.

    A name may carry the ending of an image (``n03079230_8270.JPEG.mat``), leave out zeros or the ``n``, or be the
    ``stimulus_id`` of the events (``3079230.008270``).

    Raises
    ------
    DataError
        If two files are of the same stimulus, or two stimuli cannot be told apart.
    """
    wanted: dict[object, str] = {}
    for name in stimuli:
        other = wanted.setdefault(canonical_name(name), name)
        if other != name:
            raise DataError(f"The stimuli '{other}' and '{name}' cannot be told apart by the names of published files.")
    found: dict[str, Member] = {}
    for member in members:
        name = wanted.get(canonical_name(member.stem))
        if name is None:
            continue
        if name in found:
            raise DataError(f"Stimulus '{name}' is there twice, as {found[name]} and {member}; give only one of them.")
        found[name] = member
    return found


def canonical_name(name: str) -> tuple:
    """Return what two ways of writing a stimulus' name have in common."""
    bare = IMAGE_ENDING.sub("", name)
    match = IMAGENET.fullmatch(bare)
    return ("ImageNet", int(match[1]), int(match[2])) if match else ("name", bare.lower())


def check_complete(found: Mapping[str, Member], members: Sequence[Member], stimuli: Sequence[str], layer: str) -> None:
    """Refuse to go on without the features of a stimulus.

    Raises
    ------
    DataError
        Naming the stimuli that are missing and what the files are called.
    """
    missing = [name for name in stimuli if name not in found]
    if missing:
        raise DataError(
            f"{shorten(sorted({str(member.source) for member in members}))}, layer {layer}: {len(missing)} of "
            f"{len(stimuli)} stimuli are missing ({shorten(missing, 10)}); its files are called "
            f"{shorten([member.stem for member in members], 2)}."
        )


def _named_layer(source: Path, layers: Sequence[str]) -> str | None:
    stem = source.name if source.is_dir() else source.stem
    found = [layer for layer in layers if re.search(rf"(?:^|[^A-Za-z0-9]){re.escape(layer)}$", stem, re.IGNORECASE)]
    return found[0] if found else None
