"""Which published file of decoded features is of which layer, subject, area and stimulus, and whether numbers fit names.

The files published with Shen et al. 2019 (KamitaniLab/DeepImageReconstruction) number their images (``Img0001``) and do not
say which images these are; later bundles name them (``<layer>/<subject>/<roi>/<stimulus>.mat``).
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.tables import read_table
from fmri2image.features.mat_collection import MatCollection, Member
from fmri2image.features.published_names import IMAGENET, match_stimuli
from fmri2image.samples.names import IMAGERY_ORDERS

log = logging.getLogger(__name__)

# natural-VGG19-conv1_1-S1-VC-Img0001; the network's name may hold hyphens itself
NUMBERED = re.compile(
    r"(?P<kind>natural|color_shape|alphabet|imagery)-(?P<network>.+)-(?P<layer>[^-]+)-(?P<subject>[^-]+)-(?P<roi>[^-]+)"
    r"-(?P<label>Img\d+)"
)
NUMBER = re.compile(r"Img0*(\d+)", re.IGNORECASE)
SHAPE = re.compile(r"colorExpStim0*(\d+)", re.IGNORECASE)
LETTER = re.compile(r"letter_[a-z]+_img0*(\d+)", re.IGNORECASE)
NOT_SHOWN = "fixation"  # imagined, but no image
ORDER_LEVEL = 0.05


@dataclass(frozen=True)
class DecodedFile:
    """One image's decoded features.

    Parameters
    ----------
    member : Member
    layer, subject, roi, label : str
        As the file says.
    kind : str
        ``natural``, ``color_shape``, ``alphabet`` or ``imagery``; empty where the file does not say it.
    network : str
        What the file says about the network: its name, or the folders above the layer.
    """

    member: Member
    layer: str
    subject: str
    roi: str
    label: str
    kind: str = ""
    network: str = ""


def decoded_files(collection: MatCollection, layers: Sequence[str]) -> list[DecodedFile]:
    """Return what the names of all files of a collection say; files of no known layer are left out.

    Parameters
    ----------
    collection : MatCollection
    layers : sequence of str
        Layers of the network.
    """
    known = {layer.lower(): layer for layer in layers}
    found = []
    for member in collection.members:
        match = NUMBERED.fullmatch(member.stem)
        if match:
            said = match.groupdict()
            said["layer"] = known.get(said["layer"].lower(), said["layer"])
            found.append(DecodedFile(member, **said))
            continue
        folders = member.folders
        places = [i for i, part in enumerate(folders) if part.lower() in known and len(folders) - i >= 3]
        if places:
            layer, subject, roi = folders[places[-1] : places[-1] + 3]
            network = "/".join(folders[: places[-1]])
            found.append(DecodedFile(member, known[layer.lower()], subject, roi, member.stem, network=network))
    return found


def select(files: Sequence[DecodedFile], layer: str, subject: str, roi: str, sources: str) -> list[DecodedFile]:
    """Return the files of one layer, subject and area; ``S1``, ``sub-01`` and ``01`` are one subject, V4 is hV4.

    Raises
    ------
    DataError
        If there is none; the message says what there is. Also if files of several kinds of test are mixed.
    """
    if not files:
        raise DataError(
            f"{sources} holds no decoded features: files are called neither natural-VGG19-<layer>-S1-VC-Img0001.mat nor "
            "<layer>/<subject>/<roi>/<stimulus>.mat."
        )
    chosen = list(files)
    wanted = ("layer", layer, str.lower), ("subject", subject, _subject), ("roi", roi, _roi)
    for what, value, plain in wanted:
        kept = [file for file in chosen if plain(getattr(file, what)) == plain(value)]
        if not kept:
            held = sorted({getattr(file, what) for file in chosen})
            raise DataError(f"{sources} holds no decoded features of {what} {value}; it holds {shorten(held, 30)}.")
        chosen = kept
    kinds = sorted({file.kind for file in chosen})
    if len(kinds) > 1:
        raise DataError(f"{sources} mixes tests ({shorten(kinds)}); give one archive per test.")
    return chosen


def check_network(files: Sequence[DecodedFile], network: str, slope: float) -> None:
    """Refuse features of the leaky network (imagery) for the plain one, and the other way round.

    Raises
    ------
    ConfigError
    """
    leaky = re.compile("leaky|lrelu", re.IGNORECASE)
    said = {file.network for file in files if file.network}
    for name in sorted(said) if network.startswith("vgg19") else ():
        if bool(leaky.search(name)) != (slope > 0):
            ours = f"leaky (slope {slope:g})" if slope > 0 else "the plain rectifier"
            raise ConfigError(
                f"{files[0].member.source} holds features of '{name}', but network '{network}' is configured with {ours}; "
                "features published for imagery belong to VGG19 with average pooling and slope 0.2."
            )


def name_files(
    files: Sequence[DecodedFile], stimuli: Sequence[str], table: str | Path | None = None
) -> tuple[dict[str, Member], str]:
    """Return the file of every stimulus of a test, and how numbers became names.

    Parameters
    ----------
    files : sequence of DecodedFile
        From `select`.
    stimuli : sequence of str
        The stimulus set that the test shows; all of it must be there.
    table : path, optional
        TSV with the columns ``image`` (``Img0001`` or 1) and ``stimulus``.

    Returns
    -------
    members : dict from stimulus to Member
        In the order of `stimuli`.
    order : str
        Empty where the files name their stimuli, the path of the table, or ``assumed: …``.

    Raises
    ------
    DataError
        If a stimulus is missing, is there twice, or numbers do not fit the stimulus set.
    """
    source = str(files[0].member.source)
    numbers = [NUMBER.fullmatch(file.label) for file in files]
    if not all(numbers):
        found, order = match_stimuli([file.member for file in files], stimuli), ""
    else:
        by_number: dict[int, Member] = {}
        for file, match in zip(files, numbers, strict=True):
            other = by_number.setdefault(int(match[1]), file.member)
            if other is not file.member:
                raise DataError(
                    f"Image {int(match[1])} is there twice, as {other} and {file.member}; give one of them."
                )
        if table is not None:
            names, order = read_names(table), str(table)
        else:
            names, order = assumed_names(by_number, stimuli, files[0].kind, source)
        found = {names[number]: member for number, member in by_number.items() if number in names}
    missing = [name for name in stimuli if name not in found]
    if missing:
        raise DataError(
            f"{source}: {len(missing)} of {len(stimuli)} stimuli have no decoded features ({shorten(missing, 10)}); its "
            f"files are called {shorten([file.member.stem for file in files], 2)}."
        )
    return {name: found[name] for name in stimuli}, order


def read_names(path: str | Path) -> dict[int, str]:
    """Read which stimulus every image number is: a TSV with the columns ``image`` and ``stimulus``.

    Raises
    ------
    DataError
        If a column is missing, a number is none, or a number or stimulus is there twice.
    """
    table = read_table(path, image=str, stimulus=str)
    missing = [column for column in ("image", "stimulus") if column not in table]
    if missing:
        raise DataError(f"{path} needs the columns image and stimulus; it has {shorten(list(table))}.")
    names: dict[int, str] = {}
    for image, stimulus in zip(table["image"], table["stimulus"], strict=True):
        match = re.fullmatch(r"(?:Img)?0*(\d+)", str(image), re.IGNORECASE)
        if match is None:
            raise DataError(f"{path}: '{image}' is no image number like Img0001 or 1.")
        if int(match[1]) in names or stimulus in names.values():
            raise DataError(f"{path}: image {image} or stimulus '{stimulus}' is there twice.")
        names[int(match[1])] = stimulus
    return names


def assumed_names(
    numbers: Sequence[int] | Mapping[int, object], stimuli: Sequence[str], kind: str, source: str
) -> tuple[dict[int, str], str]:
    """Return the stimuli in the order that image numbers most likely have, and that order in words.

    Imagery: the order of ``category_index`` in ds001506. Otherwise the order of ``image_index`` in the events of ds001506,
    which is that of the numbers in the stimuli's names (for the 50 test images, of the ImageNet ids).

    Raises
    ------
    DataError
        If there are other numbers than 1 to the number of stimuli.
    """
    if kind == "imagery":
        names = dict(enumerate(IMAGERY_ORDERS["ds001506"], start=1))
        order = "assumed: category_index of the imagery runs of ds001506"
    else:
        names = dict(enumerate(sorted(stimuli, key=_sort_key), start=1))
        order = "assumed: the numbers in the stimuli's names, ascending"
    if max(numbers) > len(names) or (kind != "imagery" and len(numbers) != len(names)):
        raise DataError(
            f"{source} holds {len(numbers)} numbered images up to Img{max(numbers):04d}, but the stimulus set has "
            f"{len(names)}; give decode: names, a table of image and stimulus."
        )
    return {number: name for number, name in names.items() if name != NOT_SHOWN}, order


@dataclass(frozen=True)
class NamesOrder:
    """Whether decoded features fit the stimuli that they are said to be of.

    Parameters
    ----------
    correlation : float
        Mean over stimuli of the correlation of decoded and true features.
    chance, p : float
        Mean of that over random assignments of names, and the share of them that is as large.
    first : float
        Share of rows whose own stimulus correlates most.
    """

    correlation: float
    chance: float
    p: float
    first: float


def score_names_order(
    decoded: np.ndarray, true: np.ndarray, permutations: int = 1000, generator: np.random.Generator | None = None
) -> NamesOrder:
    """Compare decoded with true features under the names assumed and under random ones.

    It only judges the names: neither names nor features are changed by it, so no prediction learns from a test.

    Parameters
    ----------
    decoded, true : arrays of shape (n_stimuli, n_units)
        Row i of both is said to be the same stimulus; at least three rows.
    permutations : int
    generator : numpy Generator, optional
    """
    generator = np.random.default_rng(0) if generator is None else generator
    n = len(decoded)
    # Per unit over stimuli: what all stimuli share would make every assignment look alike.
    correlation = _rows_standardised(_units_standardised(decoded)) @ _rows_standardised(_units_standardised(true)).T
    own = float(np.trace(correlation)) / n
    rows = np.arange(n)
    others = np.array([correlation[rows, generator.permutation(n)].mean() for _ in range(permutations)])
    p = (1 + int((others >= own - 1e-12).sum())) / (1 + permutations)
    return NamesOrder(own, float(others.mean()), p, float((correlation.argmax(axis=1) == rows).mean()))


def _units_standardised(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _rows_standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


def _subject(name: str) -> str:
    match = re.fullmatch(r"(?:sub-?|subject-?|s)?0*(\d+)", name, re.IGNORECASE)
    return match[1] if match else name.lower().removeprefix("sub-")


def _roi(name: str) -> str:
    plain = name.lower().removeprefix("roi_")
    return "v4" if plain == "hv4" else plain


def _sort_key(name: str) -> tuple:
    match = SHAPE.match(name) or LETTER.match(name) or IMAGENET.fullmatch(name)
    return (tuple(int(number) for number in match.groups()), name) if match else ((), name)
