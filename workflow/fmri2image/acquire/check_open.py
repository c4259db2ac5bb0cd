"""Open a fetched file and say in a few words what is inside: first its format, then our own reader where there is one."""

import importlib
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fmri2image.core.errors import DataError

# Our readers by kind: module, function that takes the path, and perhaps a whole number that it takes too. They lie to the
# right of this package, so that they are named here and imported only when a file of the kind was fetched.
READERS = {
    "bids-events": "fmri2image.samples.events:read_events",
    "caffe-weights": "fmri2image.features.convert.caffe:read_caffemodel",
    "feature-bounds": "fmri2image.features.feature_std:read_act_range:4096",
    "feature-statistics": "fmri2image.features.feature_std:read_feature_std",
    "image-mean": "fmri2image.features.feature_std:read_channel_means",
}
# What the registry promises in words is checked too: "layer conv1_1 (64×224×224)", "6000 blocks".
PROMISED_SHAPE = re.compile(r"layer \w+ \((\d+(?:×\d+)*)\)")
PROMISED_ROWS = re.compile(r"(\d+) blocks")
SHOWN = 6  # names in a description
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def look(kind: str, path: Path, promised: str = "") -> str:
    """Return what is inside a file.

    Parameters
    ----------
    kind : str
        One of `fmri2image.acquire.registry.KINDS`, or ``bids-json``, ``bids-events``, ``bids-mask``, ``bids-t1w``.
    path : Path
    promised : str
        What the registry says is inside; the shape of a layer and the number of blocks in it are compared.

    Raises
    ------
    DataError
        If it is not of the format that its kind promises, or holds something else.
    """
    try:
        if kind == "samples":
            return _samples(path, promised)
        if kind in ("true-features", "decoded-features"):
            return _zip_of_matlab(path, promised)
        return FORMATS[kind](path)
    except DataError:
        raise
    except Exception as error:  # a file that nobody has met may break a reader in any way; the table says how
        raise DataError(f"{path.name} is no file of kind '{kind}': {type(error).__name__}: {error}.") from error


def read_with_ours(kind: str, path: Path, readers: Mapping[str, str] = READERS) -> str:
    """Return what our own reader of a kind made of a file, or that there is none.

    Raises
    ------
    DataError
        If the reader refuses the file or fails.
    """
    if kind not in readers:
        return "no reader"
    module, name, *numbers = readers[kind].split(":")
    try:
        reader = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        return f"no reader ({readers[kind]}: {error})"
    try:
        return f"{name}: {describe(reader(path, *map(int, numbers)))}"
    except DataError:
        raise
    except Exception as error:  # a file that nobody has met may break a reader in any way; the table says how
        raise DataError(f"{readers[kind]} failed on {path.name}: {type(error).__name__}: {error}.") from error


def describe(value: Any) -> str:
    """Return a short text for what a reader returned: kinds, shapes, names."""
    if isinstance(value, str | int | float | bool) or value is None:
        return str(value)
    if hasattr(value, "shape"):
        return f"{type(value).__name__} {'×'.join(map(str, value.shape)) or 'scalar'} {getattr(value, 'dtype', '')}".strip()
    if isinstance(value, Mapping):
        shown = [f"{key} ({describe(item)})" for key, item in list(value.items())[:SHOWN]]
        return f"{len(value)} entries: " + ", ".join(shown)
    if isinstance(value, list | tuple):
        return f"{len(value)} items" + (f", first {describe(value[0])}" if value else "")
    if hasattr(value, "__dict__") and vars(value):
        return f"{type(value).__name__}: " + ", ".join(f"{key} ({describe(item)})" for key, item in vars(value).items())
    return type(value).__name__


# Formats --------------------------------------------------------------------------------------------------------------


def _json(path: Path) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DataError(f"{path.name} holds no JSON object.")
    return f"JSON object with {len(content)} keys: {_some(content)}"


def _table(path: Path) -> str:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if not lines or "\t" not in lines[0]:
        begins = lines[0][:60] if lines else ""
        raise DataError(f"{path.name} begins with '{begins}', which is no row of columns set off by tabs.")
    return f"{len(lines)} rows, the first: {_some(lines[0].split(chr(9)))}"


def _nifti(path: Path) -> str:
    import nibabel

    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    zooms = "×".join(f"{size:.3g}" for size in image.header.get_zooms())
    return f"NIfTI {'×'.join(map(str, image.shape))}, voxels {zooms} mm, values {values.min():g} to {values.max():g}"


def _samples(path: Path, promised: str) -> str:
    from fmri2image.core.bdata import open_bdata

    with open_bdata(path) as file:
        n_rows, n_voxels, design = file.n_rows, int(file.is_voxel.sum()), file.design()
        areas = {key: int((row == 1).sum()) for key, row in file.of_voxels().items() if key.startswith("ROI_")}
        maps = list(file.maps)
    shown = ", ".join(f"{key} {size}" for key, size in list(areas.items())[: 2 * SHOWN])
    found = (
        f"BData of {n_rows} rows and {n_voxels} voxels; {len(areas)} areas: {shown}; design columns {_some(design)}; "
        f"names for {_some(maps) or 'none'}"
    )
    expected = PROMISED_ROWS.search(promised)
    if expected and int(expected[1]) != n_rows:
        raise DataError(f"{path.name} should have {expected[1]} rows, one per block; it is {found}.")
    return found


def _image_features(path: Path) -> str:
    if path.suffix != ".h5":
        return _matlab(path)
    import h5py

    found: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(f"{name} {'×'.join(map(str, item.shape)) or 'scalar'} {item.dtype}")

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return f"HDF5 with {len(found)} arrays: {_some(found)}"


def _matlab(path: Path) -> str:
    return _variables(path, path.name)


def _variables(source: Path | bytes, name: str) -> str:
    from fmri2image.core.matlab import read_mat, variables

    names = variables(source, what=name)
    shown = [f"{key} {describe(read_mat(source, key, what=name))}" for key in names[:SHOWN]]
    return f"MATLAB file with {', '.join(shown)}" + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _matlab_or_zip(path: Path) -> str:
    return _zip_of_matlab(path) if zipfile.is_zipfile(path) else _matlab(path)


def _zip_of_matlab(path: Path, promised: str = "") -> str:
    from fmri2image.core.matlab import read_mat

    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name} is no zip archive; it begins with {_begins(path)}.")
    with zipfile.ZipFile(path) as archive:
        names = _members(archive, path)
        first = next((name for name in names if name.lower().endswith(".mat")), "")
        if not first:
            raise DataError(f"{path.name} holds {len(names)} files but no .mat file, for example {_some(names)}.")
        content = archive.read(first)
    found = f"zip of {len(names)} files, first {first}: {_variables(content, first)}"
    if expected := PROMISED_SHAPE.search(promised):
        shape = tuple(size for size in np.shape(read_mat(content, "feat", what=first)) if size != 1)
        if shape != tuple(map(int, expected[1].split("×"))):
            raise DataError(f"{path.name}: features of shape {expected[1]} were expected; it is a {found}.")
    return found


def _zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name} is no zip archive; it begins with {_begins(path)}.")
    with zipfile.ZipFile(path) as archive:
        names = _members(archive, path)
    return f"zip of {len(names)} files: {_some(names)}"


def _zip_of_images(path: Path) -> str:
    from fmri2image.acquire.pictures import decode

    if not zipfile.is_zipfile(path):
        raise DataError(f"{path.name} is no zip archive; it begins with {_begins(path)}.")
    with zipfile.ZipFile(path) as archive:
        names = _members(archive, path)
        pictures = [name for name in names if Path(name).suffix.lower() in PICTURES]
        if not pictures:
            raise DataError(f"{path.name} holds {len(names)} files but no picture, for example {_some(names)}.")
        for name in pictures:
            decode(archive.read(name), 16, what=name)
    return f"zip of {len(names)} files, {len(pictures)} pictures that can be read: {_some(pictures)}"


def _members(archive: zipfile.ZipFile, path: Path) -> list[str]:
    damaged = archive.testzip()
    if damaged is not None:
        raise DataError(f"{path.name}: its member {damaged} is damaged.")
    return [one.filename for one in archive.infolist() if not one.is_dir() and "__MACOSX/" not in one.filename]


def _archive(path: Path) -> str:
    if zipfile.is_zipfile(path):
        return _zip(path)
    if not tarfile.is_tarfile(path):
        raise DataError(f"{path.name} is neither a zip nor a tar archive; it begins with {_begins(path)}.")
    with tarfile.open(path) as archive:
        names = [member.name for member in archive if member.isfile()]
    return f"tar of {len(names)} files: {_some(names)}"


def _caffe(path: Path) -> str:
    with path.open("rb") as file:
        first = file.read(1)
    # A NetParameter begins with its name (field 1), or a layer of the old (2) or new form (100), all length-delimited.
    if first not in (b"\x0a", b"\x12", b"\xa2"):
        raise DataError(f"{path.name} does not begin as a .caffemodel does; it begins with {_begins(path)}.")
    return f"protocol buffer of {path.stat().st_size} bytes"


def _torch(path: Path) -> str:
    if zipfile.is_zipfile(path):
        return _zip(path)
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            raise DataError(f"{path.name} is no file of torch.save; it begins with {_begins(path)}.")
    return f"pickle of torch.save, {path.stat().st_size} bytes"


def _numpy(path: Path) -> str:
    loaded = np.load(path, mmap_mode=None if path.suffix == ".npz" else "r", allow_pickle=False)
    if hasattr(loaded, "files"):
        with loaded:
            return "npz of " + ", ".join(f"{name} {describe(loaded[name])}" for name in loaded.files[:SHOWN])
    return f"npy {describe(loaded)}"


def _numbers(path: Path) -> str:
    values = np.loadtxt(path)
    return f"{values.size} numbers from {values.min():g} to {values.max():g}, mean {values.mean():.3f}"


def _part(path: Path) -> str:
    return _zip(path) if zipfile.is_zipfile(path) else f"{path.stat().st_size} bytes, begins with {_begins(path)}"


def _begins(path: Path) -> str:
    with path.open("rb") as file:
        return repr(file.read(40))


def _some(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more


FORMATS: dict[str, Callable[[Path], str]] = {
    "package": _archive,
    "samples-mat": _matlab,
    "feature-statistics": _matlab_or_zip,
    "image-features": _image_features,
    "feature-bounds": _numbers,
    "image-mean": _numpy,
    "stimuli": _zip_of_images,
    "stimulus-table": _table,
    "arrays": _numpy,
    "dataset": _archive,
    "caffe-weights": _caffe,
    "caffe-archive": _archive,
    "torch-weights": _torch,
    "torch-archive": _archive,
    "tensorflow-module": _archive,
    "decoders": _part,
    "results": _part,
    "bids-json": _json,
    "bids-events": _table,
    "bids-mask": _nifti,
    "bids-t1w": _nifti,
}
