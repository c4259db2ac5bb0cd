"""Archives of MATLAB files as labs publish them, written by hand in both of MATLAB's formats."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from scipy import io as scipy_io

HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."
CLASSES = {"float32": b"single", "float64": b"double"}


def mat_v5(**arrays: np.ndarray) -> bytes:
    """A file as scipy.io.savemat and MATLAB (-v7) write it."""
    content = io.BytesIO()
    scipy_io.savemat(content, arrays, do_compression=True)
    return content.getvalue()


def mat_v73(**arrays: np.ndarray) -> bytes:
    """A file as MATLAB (-v7.3) and hdf5storage write it: HDF5 behind a header, dimensions reversed."""
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        for key, values in arrays.items():
            values = np.atleast_2d(values)
            dataset = file.create_dataset(key, data=values.T, compression="gzip", compression_opts=1)
            dataset.attrs["MATLAB_class"] = np.bytes_(CLASSES[values.dtype.name])
    data = bytearray(content.getvalue())
    data[:128] = HEADER.ljust(116) + bytes(8) + b"\x00\x02IM"
    return bytes(data)


FORMATS = {"v5": mat_v5, "v7.3": mat_v73}


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive with these members, in this order."""
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
