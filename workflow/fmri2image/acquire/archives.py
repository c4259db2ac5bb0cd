"""One member of a source archive or wheel, as bytes."""

import tarfile
import zipfile
from pathlib import Path

from fmri2image.core.archives import UNREADABLE, check_rest
from fmri2image.core.errors import DataError


def read_member(archive: str | Path, member: str) -> bytes:
    """Return one file out of an archive without unpacking the rest.

    Parameters
    ----------
    archive : path
        ``.whl``, ``.zip`` or ``.tar.gz``.
    member : str
        Path inside the archive.

    Returns
    -------
    data : bytes

    Raises
    ------
    DataError
        If the archive is damaged or has no such file.
    """
    archive = Path(archive)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                return file.read(member)
        with tarfile.open(archive, "r:*") as file:
            content = file.extractfile(member)
            if content is None:
                raise KeyError(member)
            data = content.read()
            check_rest(file)
            return data
    except KeyError as error:
        raise DataError(f"{archive} holds no file '{member}'; the registry names another version of it.") from error
    except tarfile.ReadError as error:
        raise DataError(f"{archive} cannot be read as an archive; delete it and run again.") from error
    except UNREADABLE as error:
        raise DataError(f"{archive} cannot be read as an archive ({error}); delete it and run again.") from error
