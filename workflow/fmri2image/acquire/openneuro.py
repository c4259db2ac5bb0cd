"""Files of OpenNeuro's public bucket: addresses, and what a manifest wants of it. No account and no credentials are needed."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from fmri2image.acquire.fetch import Wanted
from fmri2image.acquire.manifests import RemoteFile
from fmri2image.acquire.verified import FOLDER

OPENNEURO = "https://s3.amazonaws.com/openneuro.org"


def openneuro_url(base: str, dataset: str, path: str) -> str:
    """Return the address of a file of a dataset.

    Parameters
    ----------
    base : str
        `OPENNEURO`, another address with the same layout, or a folder.
    dataset : str
        OpenNeuro's number, for example ``ds001506``.
    path : str
        Inside the dataset; spaces, ``+`` and ``#`` are quoted.
    """
    if "://" not in base:
        return str(Path(base) / dataset / path)
    return f"{base.rstrip('/')}/{quote(dataset, safe='')}/{quote(path, safe='/')}"


def wanted_files(rows: Iterable[RemoteFile], folder: str | Path, dataset: str, base: str = OPENNEURO) -> list[Wanted]:
    """Return what to fetch for rows of a manifest.

    Parameters
    ----------
    rows : iterable of RemoteFile
        Of `fmri2image.acquire.manifests.read_manifest`; only path, size and md5 are used.
    folder : path
        The BIDS folder; records of finished files lie beside it in ``.fetched``, so that it stays valid BIDS.
    dataset : str
    base : str

    Returns
    -------
    wanted : list of Wanted
    """
    folder = Path(folder)
    return [
        Wanted(
            target=folder / row.path,
            urls=(openneuro_url(base, dataset, row.path),),
            size=row.size,
            md5=row.md5,
            what=f"{row.path} of {dataset}",
            mirror_path=f"{dataset}/{row.path}",
            kept=folder.parent / FOLDER / folder.name / row.path,
        )
        for row in rows
    ]
