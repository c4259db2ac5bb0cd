"""Archives: what the standard library raises when one cannot be read, of which readers make one sentence; checksums."""

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

# Cut or damaged: BadZipFile, TarError, EOFError, and the errors of the decompressors (that of bzip2 is an OSError).
# Encrypted, or packed by a method that Python does not know: zipfile raises RuntimeError or a kind of it.
UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,
    OSError,
)


def check_rest(archive: tarfile.TarFile) -> None:
    """Read a tar archive to its end: only there does gzip compare what was unpacked with its checksum.

    Raises
    ------
    OSError, EOFError
        If they differ, or the end is missing.
    """
    while archive.fileobj.read(1 << 20):
        pass


def zip_is_whole(path: str | Path) -> bool:
    """Tell whether all members of a zip archive, such as arrays of ``np.savez``, have the checksums that it names."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, zlib.error):
        return False


def one_line(error: BaseException) -> str:
    """Return the words of an error without line breaks; tarfile lists one line per compression that it has tried."""
    return " ".join(str(error).split())
