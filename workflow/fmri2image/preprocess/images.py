"""Reading and writing of NIfTI images and their JSON sidecars."""

import gzip
import json
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

log = logging.getLogger("fmri2image")

DISCARDED = "NumberOfVolumesDiscardedByUser"


def sidecar_path(path: str | Path) -> Path:
    """Return the JSON file that belongs to a NIfTI, TSV or text file; a JSON file is its own."""
    path = Path(path)
    return path.with_name(re.sub(r"\.(nii(\.gz)?|tsv|txt|json)$", "", path.name) + ".json")


def read_sidecar(path: str | Path) -> dict:
    """Return the metadata of an image or table: its JSON sidecar and, in a BIDS dataset, those that it inherits.

    A JSON file of a folder above applies if it has the same suffix and no entity that the image lacks; what is nearer to
    the image wins (BIDS, "The Inheritance Principle"). The dataset begins at the folder with dataset_description.json or,
    where that is missing, at the one that holds the subject's.

    Raises
    ------
    DataError
        If there is none, or one is not JSON.
    """
    sidecars = _applicable_sidecars(Path(path))
    if not sidecars:
        raise DataError(
            f"{sidecar_path(path)} does not exist; {Path(path).name} needs it beside it, or one that applies."
        )
    content = {}
    for sidecar in sidecars:
        try:
            content |= json.loads(sidecar.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise DataError(f"{sidecar} is not valid JSON ({error}); correct it.") from error
    return content


def _applicable_sidecars(path: Path) -> list[Path]:
    """Return the JSON files that apply to a file, from the top of its dataset down to the one beside it."""
    own = sidecar_path(path)
    *entities, suffix = own.stem.split("_")
    parents = list(path.absolute().parents)
    roots = [level for level, folder in enumerate(parents) if (folder / "dataset_description.json").is_file()]
    roots = roots or [level + 1 for level, folder in enumerate(parents[:-1]) if folder.name == entities[0]][-1:]
    found = [own] if own.is_file() else []
    for folder in parents[: roots[0] + 1] if roots else []:
        for other in sorted(folder.glob(f"*{suffix}.json"), key=lambda file: -len(file.stem.split("_"))):
            *needed, same = other.stem.split("_")
            if same == suffix and set(needed) < set(entities):
                found.append(other)
    return found[::-1]


def write_sidecar(path: str | Path, content: Mapping) -> None:
    """Write the JSON sidecar of an image or table."""
    with replacing(sidecar_path(path)) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def open_image(path: str | Path) -> nibabel.Nifti1Image:
    """Open a NIfTI image without reading its voxels."""
    try:
        return nibabel.load(path, keep_file_open=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (ImageFileError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as NIfTI ({error}); get the file again.") from error


def read_volumes(path: str | Path, n_discard: int = 0) -> Iterator[np.ndarray]:
    """Yield the volumes (X, Y, Z) float32 of a BOLD file one by one, without the first `n_discard`.

    Raises
    ------
    DataError
        If the file is not 4-D, is truncated, or holds no more than `n_discard` volumes.
    """
    image = open_image(path)
    _check_bold(image, path, n_discard)
    for volume in range(n_discard, image.shape[3]):
        yield _voxels(image, path, (..., volume))


def read_stored(path: str | Path, n_discard: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return volumes (T, X, Y, Z) without the first `n_discard` in the file's own type, and the affine (4, 4).

    A scanner's 16-bit integers take half of the memory of float32. Where the header scales them, they become float32.

    Raises
    ------
    DataError
        As `read_volumes`.
    """
    image = open_image(path)
    _check_bold(image, path, n_discard)
    stored = image.get_data_dtype()
    scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
    kept = np.float32 if scaled or stored.kind not in "iu" or stored.itemsize > 2 else stored
    values = _voxels(image, path, ..., kept)
    return np.moveaxis(values, -1, 0)[n_discard:], image.affine


def read_bold(path: str | Path, n_discard: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return volumes (T, X, Y, Z) float32 without the first `n_discard`, and the affine (4, 4)."""
    return np.stack(list(read_volumes(path, n_discard))), open_image(path).affine


def read_image(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a 3-D image (X, Y, Z) float32 and its affine (4, 4)."""
    image = open_image(path)
    values = _voxels(image, path, ...)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise DataError(f"{path} has shape {values.shape}; an anatomical image or mask has three dimensions.")
    return values, image.affine


def repetition_time(path: str | Path) -> float:
    """Return the repetition time in seconds of a BOLD file: its sidecar's, which must agree with its header's.

    Raises
    ------
    DataError
        If the file is not 4-D, or the sidecar gives none, or another than the header.
    """
    image = open_image(path)
    _check_bold(image, path, 0)
    value = read_sidecar(path).get("RepetitionTime")
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        read = " and ".join(str(sidecar) for sidecar in _applicable_sidecars(Path(path)))
        raise DataError(f"{read} gives no RepetitionTime for {Path(path).name}; add it in seconds.")
    in_header = header_time(image)
    if in_header is not None and abs(in_header - 1000 * value) < 1:
        log.warning("%s gives its repetition time in milliseconds, %g, and calls them seconds", path, in_header)
    elif in_header is not None and abs(in_header - value) > 1e-3:
        raise DataError(
            f"{path} has a repetition time of {in_header:g} s in its header and {value:g} s in its sidecar; "
            "correct one."
        )
    return float(value)


def header_time(image: nibabel.Nifti1Image) -> float | None:
    """Return the repetition time in the header of an opened image, in seconds; None where nobody wrote one."""
    value, unit = float(image.header["pixdim"][4]), image.header.get_xyzt_units()[1]
    if not value > 0 or (unit == "unknown" and value == 1):
        return None
    return value * {"msec": 1e-3, "usec": 1e-6}.get(unit, 1.0)


def write_image(path: str | Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Write a 3-D image (X, Y, Z) in its own dtype; booleans as uint8."""
    values = np.asarray(values)
    _save(path, values.astype(np.uint8) if values.dtype == bool else values, affine, None)


def write_bold(
    path: str | Path,
    volumes: np.ndarray,
    affine: np.ndarray,
    repetition_time: float,
    n_discarded: int,
    sidecar: Mapping | None = None,
) -> None:
    """Write preprocessed BOLD, ``…_space-T1w_desc-preproc_bold.nii.gz``, with its sidecar.

    Parameters
    ----------
    path : path
    volumes : array of shape (T, X, Y, Z)
        Kept volumes only; written as float32.
    affine : array of shape (4, 4)
    repetition_time : float
        Seconds.
    n_discarded : int
        Volumes dropped from the start; kept in the sidecar because onsets in events.tsv count from the scan's start.
    sidecar : mapping, optional
        More entries, for example ``Sources`` and the settings.
    """
    _save(path, np.moveaxis(np.asarray(volumes, dtype=np.float32), 0, -1), affine, repetition_time)
    write_sidecar(path, {"RepetitionTime": repetition_time, DISCARDED: int(n_discarded), **(sidecar or {})})


def same_grid(shape: tuple[int, ...], affine: np.ndarray, other_shape: tuple[int, ...], other: np.ndarray) -> bool:
    """Tell whether two voxel grids agree to a hundredth of a mm."""
    return tuple(shape[:3]) == tuple(other_shape[:3]) and np.allclose(affine, other, atol=1e-2)


def _check_bold(image: nibabel.Nifti1Image, path: str | Path, n_discard: int) -> None:
    if len(image.shape) != 4:
        raise DataError(f"{path} has shape {image.shape}; a BOLD file has four dimensions.")
    if image.shape[3] <= n_discard:
        raise DataError(f"{path} holds {image.shape[3]} volumes, of which {n_discard} are to be dropped; none is left.")


def _voxels(
    image: nibabel.Nifti1Image, path: str | Path, index: object, dtype: npt.DTypeLike = np.float32
) -> np.ndarray:
    try:
        return np.asarray(image.dataobj[index], dtype=dtype)
    except (OSError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or corrupt ({error}); get the file again.") from error


def _save(path: str | Path, values: np.ndarray, affine: np.ndarray, repetition_time: float | None) -> None:
    image = nibabel.Nifti1Image(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    if repetition_time is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    with replacing(path) as partial:
        nibabel.save(image, partial)
