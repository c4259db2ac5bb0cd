"""Which file shows a stimulus: names of stimuli against names of files in a folder or an archive.

A file shows a stimulus if their names are equal without folder, ending and letter case. Images of ImageNet are called
``<synset>_<number>``; zeros before the number do not matter, and a file ``<number>`` may lie in a folder ``<synset>``.

Names also tell the kind of a stimulus, and colour and shape of an artificial one, as ds001506 writes them.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError

ENDINGS = (".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")
SYNSET = re.compile(r"(n\d{8})_0*(\d+)")
# Stimuli of ds001506: colorExpStim07_green_smallring, letter_black_img011_A.
SHAPE_NAME = re.compile(r"colorExpStim\d+_([A-Za-z]+)_([A-Za-z+]+)")
LETTER_NAME = re.compile(r"letter_([A-Za-z]+)_img\d+_(\w+)")
KINDS = ("natural", "shape", "letter", "other")


def key(name: str) -> str:
    """Return what must be equal for a stimulus and a file to be the same: ``n03079230_8270`` for ``N03079230_08270``."""
    name = name.strip().lower()
    match = SYNSET.fullmatch(name)
    return f"{match[1]}_{match[2]}" if match else name


def kind_of(name: str) -> tuple[str, str | None, str | None]:
    """Return kind, colour and shape of a stimulus from its name.

    Returns
    -------
    kind : {"natural", "shape", "letter", "other"}
        An image of ImageNet is natural; other names than those of ds001506 tell nothing.
    colour, shape : str or None
        Of an artificial shape; a letter has its colour.
    """
    if SYNSET.fullmatch(name):
        return "natural", None, None
    if match := SHAPE_NAME.fullmatch(name):
        return "shape", match[1], match[2]
    if match := LETTER_NAME.fullmatch(name):
        return "letter", match[1], None
    return "other", None, None


def file_keys(path: str) -> list[str]:
    """Return the keys that a file answers to; none if it is no picture or is hidden.

    Parameters
    ----------
    path : str
        With ``/`` between folders, as in an archive.
    """
    parts = PurePosixPath(path)
    if parts.name.startswith(".") or "__MACOSX" in parts.parts or parts.suffix.lower() not in ENDINGS:
        return []
    keys = [key(parts.stem)]
    if parts.stem.isdigit():
        keys.append(key(f"{parts.parent.name}_{parts.stem}"))
    return keys


def walk(folder: str | Path) -> list[str]:
    """Return all files below a folder, links followed, relative to it and in the order of their names.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give the folder that holds the stimulus pictures.")
    found = []
    for place, _, files in os.walk(folder, followlinks=True):
        inside = Path(place).relative_to(folder)
        found += [(inside / name).as_posix() for name in files]
    return sorted(found)


def picture_names(files: Iterable[str]) -> list[str]:
    """Return the names that the pictures of a folder or an archive have, each once, in their order.

    Parameters
    ----------
    files : iterable of str
        Paths with ``/`` between folders.
    """
    names: dict[str, str] = {}
    for file in sorted(files):
        if file_keys(file):
            stem = PurePosixPath(file).stem
            names.setdefault(key(stem), stem)
    return sorted(names.values())


def match_files(names: Sequence[str], files: Iterable[str], where: str | Path) -> dict[str, list[str]]:
    """Return the files that may show each stimulus; where some have exactly its name, only those.

    Parameters
    ----------
    names : sequence of str
        Stimuli.
    files : iterable of str
        Paths with ``/`` between folders.
    where : path
        Folder or archive, for the message.

    Raises
    ------
    DataError
        If two stimuli have the same key, so that no file can be told apart.
    """
    wanted: dict[str, str] = {}
    for name in names:
        other = wanted.setdefault(key(name), name)
        if other != name:
            raise DataError(
                f"The stimuli '{other}' and '{name}' differ only in case or zeros, so files in {where} cannot be told apart; "
                "rename one of them in the events."
            )
    found: dict[str, list[str]] = {}
    for file in files:
        for one in dict.fromkeys(file_keys(file)):
            if one in wanted:
                found.setdefault(wanted[one], []).append(file)
    for name, candidates in found.items():
        exact = [file for file in candidates if PurePosixPath(file).stem == name]
        found[name] = exact or candidates
    return found


def named_files(given: Mapping[str, Sequence[str]], files: Sequence[str], where: str | Path) -> dict[str, list[str]]:
    """Return the file of each stimulus that an events file names by path (``stim_file``), if it is there.

    Parameters
    ----------
    given : mapping from stimulus to paths relative to the folder of the stimuli
        ds001761 has one file per run for a test face; all of them are returned.
    files : sequence of str
        What is there.
    where : path
        For the message.

    Raises
    ------
    DataError
        If a path leads out of the folder.
    """
    there = {file.lower(): file for file in files}
    exact = set(files)
    found: dict[str, list[str]] = {}
    for name, paths in given.items():
        for path in dict.fromkeys(paths):
            plain = PurePosixPath(path.replace("\\", "/").removeprefix("./").removeprefix("/"))
            if ".." in plain.parts:
                raise DataError(f"stim_file '{path}' leads out of {where}; give a path below it.")
            for text in (plain.as_posix(), plain.as_posix().removeprefix("stimuli/")):
                file = text if text in exact else there.get(text.lower())
                if file is not None:
                    found.setdefault(name, []).append(file)
                    break
    return found


def examples(files: Sequence[str]) -> str:
    """Return some names of pictures for a message."""
    pictures = [file for file in files if file_keys(file)]
    return shorten(pictures) if pictures else "no picture"
