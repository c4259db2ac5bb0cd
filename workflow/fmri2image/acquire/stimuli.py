"""Stimulus pictures of real datasets: from an archive, a folder, the dataset itself or its events; or names alone.

A set always becomes a file ``results/{dataset}/stimuli/{stimulus_set}.h5``:

- array ``images``, uint8 (n, size, size, 3), rows = stimuli, where there are pictures;
- array ``names``, zeros (n, 1), rows = stimuli, where there are none; the file then has ``images="missing"`` and ``reason``;
- both where some pictures are missing and the settings allow it: ``names`` are the missing ones, ``images="partial"``.

The file's attribute ``show="no"`` says that the owner's terms forbid showing the pictures. Scores use them; reports draw
names instead (`report.stimuli`).
"""

import hashlib
import logging
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.acquire.patterns import INNER, pattern_image
from fmri2image.acquire.pictures import decode
from fmri2image.acquire.stimulus_names import examples, match_files, named_files, picture_names, walk
from fmri2image.core.archives import UNREADABLE
from fmri2image.core.arrays import (
    LabelledArray,
    array_names,
    open_h5,
    read_array,
    read_attributes,
    shorten,
    write_arrays,
)
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.tables import write_table

FOLDER, REGISTRY, EVENTS, BIDS, SETS, MISSING = "folder", "registry", "events", "bids", "sets", "missing"
SOURCES = (FOLDER, REGISTRY, EVENTS, BIDS, SETS, MISSING)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StimulusSettings:
    """Where the pictures of one stimulus set come from.

    Parameters
    ----------
    source : {"folder", "registry", "events", "bids", "sets", "missing"}
        A folder that the user has; an archive of the registry; patterns in the events files (ds000255); the dataset's own
        folder ``stimuli``; other sets of this study (imagery); nowhere.
    folder : path, optional
        Of ``folder``, and ``stimuli`` of ``bids``. A source ``folder`` without one is missing.
    show : bool
        Whether the owner's terms allow showing the pictures.
    ask : str
        Where to ask for pictures that are not public.
    reason : str
        Why there are no pictures, for ``missing``; goes after "the set has none: ".
    crop : int
        Patches along a side of a pattern that are kept (``events``).
    fit : {"crop", "stretch"}
        Of pictures that are not square, see `pictures.decode`.
    allow_missing : bool
        Whether a set may lack some of its pictures.
    """

    source: str
    folder: str | None = None
    show: bool = True
    ask: str = ""
    reason: str = ""
    crop: int = INNER
    fit: str = "crop"
    allow_missing: bool = False

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigError(f"acquire: stimuli: from is '{self.source}'; give {', '.join(SOURCES)}.")


def import_set(
    stimulus_set: str,
    wanted: pd.DataFrame,
    settings: StimulusSettings,
    size: int,
    output: str | Path,
    *,
    archive: str | Path | None = None,
    others: Sequence[str | Path] = (),
) -> None:
    """Write the file of one stimulus set, and beside it ``{set}_missing.tsv``, the pictures that it lacks.

    The list is there also when the set cannot be used, so that it can be sent to whoever has the pictures.

    Parameters
    ----------
    stimulus_set : str
    wanted : DataFrame
        ``stimulus`` of every stimulus of the set, once or more; ``file`` (``stim_file``), ``pattern`` and ``imagined``
        where the events give them. Where nobody says what was shown, as for published decoded features without samples,
        the pictures of an archive name the stimuli.
    settings : StimulusSettings
    size : int
        Pixels along a side.
    output : path
    archive : path, optional
        Zip of the registry.
    others : sequence of path
        Files of other sets, for source ``sets``.

    Raises
    ------
    DataError
        If pictures are missing and must not be, a file is damaged, or two different files show the same stimulus.
    """
    names = list(dict.fromkeys(wanted["stimulus"]))
    if not names and settings.source == REGISTRY and archive is not None:
        names = pictures_of_archive(archive)
        log.info("%s: no run or sample names its stimuli; the %d pictures of %s do", stimulus_set, len(names), archive)
    listed = Path(output).with_name(f"{stimulus_set}_missing.tsv")
    about = {"stimulus_set": stimulus_set, "source": settings.source, "show": "yes" if settings.show else "no"}
    if len(wanted) and "imagined" in wanted and wanted["imagined"].eq(True).all():  # reports say so
        about["imagined"] = "yes"
    if settings.source == MISSING or (settings.source == FOLDER and not settings.folder) or not names:
        reason = _reason(stimulus_set, names, settings)
        _list_missing(listed, stimulus_set, names)
        log.warning("%s", reason)
        write_arrays(output, {"names": _names(names)}, {**about, "images": "missing", "reason": reason})
        return
    about |= {"size": size, "fit": settings.fit}
    pictures, where = _pictures(stimulus_set, names, wanted, settings, size, archive, others, about)
    missing = [name for name in names if name not in pictures]
    _list_missing(listed, stimulus_set, missing)
    if missing:
        sentence = _incomplete(stimulus_set, names, missing, where, settings, listed)
        if not (settings.allow_missing and pictures):
            raise DataError(sentence)
        log.warning("%s", sentence)
        about |= {"images": "partial", "reason": sentence}
    kept = [name for name in names if name in pictures]
    values = np.empty((len(kept), size, size, 3), dtype=np.uint8)
    for number, name in enumerate(kept):  # one by one: ds001761 has 7800 pictures per subject
        values[number] = pictures.pop(name)
    arrays = {"images": LabelledArray(values, kept)}
    write_arrays(output, arrays | ({"names": _names(missing)} if missing else {}), about)
    log.info("%s: %d of %d pictures from %s", stimulus_set, len(kept), len(names), where)


def pictures_of_archive(archive: str | Path) -> list[str]:
    """Return the names of the pictures in a zip archive, which name the stimuli of a set where nothing else does.

    Raises
    ------
    DataError
        If the archive cannot be read.
    """
    with _open_zip(archive) as opened:
        return picture_names(info.filename for info in opened.infolist() if not info.is_dir())


def _pictures(
    stimulus_set: str,
    names: list[str],
    wanted: pd.DataFrame,
    settings: StimulusSettings,
    size: int,
    archive: str | Path | None,
    others: Sequence[str | Path],
    about: dict,
) -> tuple[dict[str, np.ndarray], str]:
    """Return the pictures that there are, and where they were looked for; `about` may learn that they are hidden."""
    if settings.source == EVENTS:
        given = wanted.dropna(subset=["pattern"]).drop_duplicates(["stimulus", "pattern"])
        twice = given["stimulus"][given["stimulus"].duplicated()]
        if not twice.empty:
            raise DataError(f"The events give two patterns of the stimulus '{twice.iloc[0]}' of set '{stimulus_set}'.")
        about |= {"crop": settings.crop}
        patterns = zip(given["stimulus"], given["pattern"], strict=True)
        return {name: pattern_image(pattern, size, settings.crop) for name, pattern in patterns}, "the events files"
    if settings.source == SETS:
        return _of_other_sets(names, others, size, about), "the other stimulus sets"
    if settings.source == REGISTRY:
        if archive is None:
            raise ConfigError(f"Stimulus set '{stimulus_set}' comes from the registry, but no archive was given.")
        with _open_zip(archive) as opened:
            files = [info.filename for info in opened.infolist() if not info.is_dir()]
            found = match_files(names, files, archive)
            return _decode_all(found, lambda file: _read_zipped(opened, file, archive), archive, settings, size), (
                f"{archive} (it holds {examples(files)})"
            )
    folder = Path(settings.folder or "stimuli")
    files = walk(folder)
    found = match_files(names, files, folder)
    if settings.source == BIDS:
        given = wanted.dropna(subset=["file"]).groupby("stimulus", sort=False)["file"].agg(list).to_dict()
        found |= named_files(given, files, folder)
    read = lambda file: _read(folder / file)  # noqa: E731
    return _decode_all(found, read, folder, settings, size), f"{folder} (it holds {examples(files)})"


def _decode_all(
    found: Mapping[str, Sequence[str]],
    read: Callable[[str], bytes],
    where: str | Path,
    settings: StimulusSettings,
    size: int,
) -> dict[str, np.ndarray]:
    """Return one picture per stimulus; several files of a name must show the same."""
    pictures = {}
    for name, files in found.items():
        by_content: dict[str, tuple[str, bytes]] = {}
        for file in files:
            data = read(file)
            by_content.setdefault(hashlib.sha256(data).hexdigest(), (file, data))
        (first, data), *rest = by_content.values()
        pictures[name] = decode(data, size, settings.fit, Path(where) / first)
        for other, other_data in rest:
            if not np.array_equal(decode(other_data, size, settings.fit, Path(where) / other), pictures[name]):
                raise DataError(
                    f"{where} holds two different pictures of the stimulus '{name}': {first} and {other}; remove or rename "
                    "the wrong one."
                )
    return pictures


def _of_other_sets(names: list[str], others: Sequence[str | Path], size: int, about: dict) -> dict[str, np.ndarray]:
    pictures: dict[str, np.ndarray] = {}
    for path in others:
        with open_h5(path) as file:
            has_images = "images" in array_names(file)
        if not has_images:
            continue
        array = read_array(path, "images")
        there = set(array.rows)
        rows = [name for name in names if name in there and name not in pictures]
        side = array.values.shape[1]
        if rows and array.values.shape[1:3] != (size, size):
            raise DataError(
                f"{path} holds pictures of {side} pixels, where {size} are wanted; delete it and run again."
            )
        pictures |= dict(zip(rows, array.take(rows).values, strict=True))
        if rows and read_attributes(path).get("show") == "no":
            about["show"] = "no"
    return pictures


def _names(names: list[str]) -> LabelledArray:
    return LabelledArray(np.zeros((len(names), 1), dtype=np.uint8), names)


def _reason(stimulus_set: str, names: list[str], settings: StimulusSettings) -> str:
    if not names:
        return f"No run or sample of this study shows a stimulus of the set '{stimulus_set}'."
    if settings.reason:
        return f"No pictures of the set '{stimulus_set}': {settings.reason.rstrip('.')}."
    if settings.source == FOLDER:
        ask = f"; ask for them at {settings.ask}" if settings.ask else ""
        return (
            f"The {len(names)} pictures of the set '{stimulus_set}' are not public{ask} and give their folder in acquire: "
            f"stimuli: {stimulus_set}: folder."
        )
    return f"No pictures of the set '{stimulus_set}' are known to this study; see acquire: stimuli."


def _incomplete(
    stimulus_set: str, names: list[str], missing: list[str], where: str, settings: StimulusSettings, listed: Path
) -> str:
    add = f"ask for them at {settings.ask}" if settings.ask else "add them"
    return (
        f"{len(missing)} of {len(names)} pictures of the set '{stimulus_set}' are missing from {where}: {shorten(missing)}; "
        f"{add}, or leave these stimuli out of the study (samples: leave_out; {listed} lists them)."
    )


def _list_missing(path: Path, stimulus_set: str, names: list[str]) -> None:
    write_table(path, pd.DataFrame({"stimulus": names, "stimulus_set": [stimulus_set] * len(names)}))


def _open_zip(path: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as a zip archive ({error}); {_remedy(path)}.") from error


def _read_zipped(archive: zipfile.ZipFile, member: str, path: str | Path) -> bytes:
    try:
        return archive.read(member)
    except UNREADABLE as error:
        raise DataError(f"{member} in {path} cannot be read ({error}); {_remedy(path)}.") from error


def _remedy(path: str | Path) -> str:
    """Return what to do about a damaged archive: one that was downloaded has a second name beside it, others are the user's."""
    downloaded = "resources/downloaded/files/" in Path(path).as_posix()
    return f"delete {Path(path).parent} and run again" if downloaded else "get it again"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
