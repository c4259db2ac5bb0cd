"""Reader of Miyawaki et al. 2008 (Neuron 60:915): one person, 10 × 10 patterns, as samples and images.

Two sources: a published matrix of V1 responses to the figure images (no volumes needed), or the volumes that
`nilearn.datasets.fetch_miyawaki2008` downloads (figure runs and random-image runs).
"""

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nibabel.filebasedimages import ImageFileError
from scipy.signal import detrend

from fmri2image.core.arrays import LabelledArray, shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples

MATRIX_NAME = "miyawaki2008_s1_V1_figure.npz"
MATRIX_SHA256 = "6dd3d672f73c2a92b36316d2474ecd9c9444143e82ab0f871564d6c42f76efb1"
CITATION = "Miyawaki et al. 2008, Neuron 60:915-929, doi:10.1016/j.neuron.2008.11.004"
GRID = 10
REST = -1
# ATR numbers the 20 random-image runs 1-20 and the 12 figure runs 21-32, so that no two runs share a number.
FIRST_RUN = {"random": 0, "figure": 20}
STIMULUS_SET = {"random": "random", "figure": "figures"}
# VP is the ventral half of V3. The "lag" masks are bands of the retinotopic mapping, not areas, and are left out.
AREA_OF_MASK = {
    "V1d": "V1",
    "V1v": "V1",
    "V2d": "V2",
    "V2v": "V2",
    "V3": "V3",
    "VP": "V3",
    "V3A": "V3A",
    "V4v": "V4v",
}
ALTERNATIVE = (
    f"give a folder that holds {MATRIX_NAME}, or one laid out as nilearn.datasets.fetch_miyawaki2008 leaves it "
    "(func/, label/, mask/)"
)


@dataclass(frozen=True)
class Settings:
    """Settings of reading the data set.

    Parameters
    ----------
    image_size : int
        Pixels along each side of a stimulus image, a multiple of 10.
    shift_volumes : int
        Haemodynamic delay in volumes of 2 s; two, as in nilearn's example. Used by `read_nilearn` only.
    linear_detrend : bool
        Whether the linear trend (and mean) of each voxel is removed from each run. Used by `read_nilearn` only.
    z_score : bool
        Whether each voxel is divided by its standard deviation within the run, after its mean within the run is
        subtracted. Used by `read_nilearn` only.
    label_order : {"F", "C"}
        Whether the 100 values of a label row run down the columns of the pattern ("F", as nilearn's example reads
        them) or along its rows ("C"). Used by `read_nilearn` only.
    """

    image_size: int = 60
    shift_volumes: int = 2
    linear_detrend: bool = True
    z_score: bool = True
    label_order: str = "F"

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.image_size < GRID or self.image_size % GRID:
            raise ConfigError(f"image_size must be a multiple of {GRID}; it is {self.image_size}.")
        if self.shift_volumes < 0:
            raise ConfigError(f"shift_volumes must be 0 or more; it is {self.shift_volumes}.")
        if self.label_order not in ("F", "C"):
            raise ConfigError(f"label_order must be F or C; it is {self.label_order!r}.")


@dataclass(frozen=True)
class _Run:
    kind: str
    number: int
    volumes: Path
    labels: Path


def load(
    data: str | Path | None, download_dir: str | Path, settings: Settings | None = None
) -> tuple[Samples, LabelledArray]:
    """Read the data set from whichever source there is.

    Parameters
    ----------
    data : path or None
        A folder with the published matrix, a folder laid out as nilearn leaves it, or None to download.
    download_dir : path
        Where the download goes when `data` is None; files already there are not downloaded again.
    settings : Settings, optional
        How to read.

    Returns
    -------
    samples : Samples
        One row per stimulus block.
    images : LabelledArray, values uint8 of shape (n_stimuli, image_size, image_size, 3)
        The stimulus images, one per name in the trial table's column ``stimulus``.

    Raises
    ------
    DataError
        If `data` is neither kind of folder, a file is damaged, or the download fails.
    """
    settings = settings or Settings()
    if data is None:
        return read_nilearn(fetch(download_dir), settings)
    folder = Path(data)
    if (folder / MATRIX_NAME).is_file():
        return read_matrix(folder, settings.image_size)
    if _nilearn_root(folder) is not None:
        return read_nilearn(folder, settings)
    raise DataError(f"{folder} does not hold the data of Miyawaki et al. 2008; {ALTERNATIVE}.")


def fetch(data_dir: str | Path) -> Mapping:
    """Download the volumes (153 MB, NITRC) with nilearn and return the lists of their paths.

    Raises
    ------
    DataError
        If the download fails.
    """
    from nilearn.datasets import fetch_miyawaki2008

    try:
        return fetch_miyawaki2008(data_dir=str(data_dir), verbose=0)
    except Exception as error:  # network, archive and disk errors of several libraries, all with the same remedy
        raise DataError(
            f"The download of Miyawaki et al. 2008 from NITRC to {data_dir} failed ({type(error).__name__}: {error}); "
            f"try again with a network connection, or {ALTERNATIVE}."
        ) from error


def read_matrix(folder: str | Path, image_size: int = 60) -> tuple[Samples, LabelledArray]:
    """Read the published matrix: 120 blocks of figure images (20 patterns, 12 runs) × 967 voxels of V1.

    The responses were z-scored per voxel over all 120 blocks before publication, so test blocks entered the scaling:
    every result of this matrix is transductive, and the attributes say so. Index and position of the voxels are not
    published and are NaN.

    Parameters
    ----------
    folder : path
        Folder that holds ``miyawaki2008_s1_V1_figure.npz``.
    image_size : int
        Pixels along each side of a stimulus image, a multiple of 10.

    Returns
    -------
    samples : Samples, data float32 of shape (120, 967)
        Trials with ``stimulus``, ``stimulus_set``, ``session`` ("01" or "02"), ``run`` (21-32) and ``block`` (1-10).
    images : LabelledArray, values uint8 of shape (20, image_size, image_size, 3)
        See `enlarge` for what the brightness means.

    Raises
    ------
    DataError
        If the file is missing or its SHA-256 is not the known one.
    """
    Settings(image_size=image_size)
    path = Path(folder) / MATRIX_NAME
    if not path.is_file():
        raise DataError(f"{path} does not exist; {ALTERNATIVE}.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != MATRIX_SHA256:
        raise DataError(
            f"{path} is damaged or another version: its SHA-256 is {digest}, not {MATRIX_SHA256}; copy the file again."
        )
    with np.load(path, allow_pickle=False) as file:
        content = {key: file[key] for key in file.files}
    kinds = [str(kind).removeprefix("stimulus_").replace("_", "-") for kind in content["trial_type"]]
    names = [f"figure-{number:02d}_{kind}" for number, kind in zip(content["stimulus_id"], kinds, strict=True)]
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": STIMULUS_SET["figure"],
            "session": [str(session).removeprefix("ses-") for session in content["session"]],
            "run": content["run_label"].astype(int),
            "block": content["trial"].astype(int) + 1,
        }
    )
    n_voxels = content["fmri"].shape[1]
    voxels = pd.DataFrame({f"voxel_{axis}": np.full(n_voxels, np.nan) for axis in "ijkxyz"})
    voxels["ROI_V1"] = 1
    attributes = {
        "subject": "01",
        "units": "z-score over all trials",
        "transductive": "True",
        "transductive_reason": "z-scored per voxel over all 120 blocks before publication, test trials included",
        "source": f"{MATRIX_NAME}, sha256 {MATRIX_SHA256}",
        "citation": CITATION,
    }
    samples = Samples(content["fmri"].astype(np.float32), trials, voxels, attributes)
    # The paper's grid is 10 × 10; the file keeps a border of one patch that no figure uses.
    patterns = content["stimulus"][:, 1 : GRID + 1, 1 : GRID + 1]
    return samples, _images(dict(zip(names, patterns, strict=True)), image_size, attributes["source"])


def read_nilearn(data: Mapping | str | Path, settings: Settings | None = None) -> tuple[Samples, LabelledArray]:
    """Read the volumes that `nilearn.datasets.fetch_miyawaki2008` returns, one row per stimulus block.

    In each run, each voxel's linear trend is removed and its time course z-scored: mean and standard deviation
    (divisor n) are those of all volumes of that run, stimulus and rest alike, and of no other run. Nothing crosses
    from one run to another, so the samples are not transductive when whole runs are held out; a block does need the
    rest of its own run to be scaled. Voxels without variance in a run are 0 there. Consecutive volumes with the same
    pattern are one block; its volumes, `shift_volumes` later, are averaged (4 s as in nilearn's example). At the end
    of a run only the volumes that were recorded count; the column ``n_volumes`` tells how many.

    Parameters
    ----------
    data : mapping or path
        What `fetch` returns (``func``, ``label``, ``mask``, ``mask_roi``), or the folder where it lies.
    settings : Settings, optional
        How to read.

    Returns
    -------
    samples : Samples, data float32 of shape (n_blocks, n_voxels)
        All voxels of ``mask.nii.gz``. ``run`` is 1-20 for random and 21-32 for figure runs, ``block`` counts from 1
        within the run; the files do not tell the session, which is "unknown". Areas V1, V2, V3 (with VP), V3A, V4v.
    images : LabelledArray, values uint8 of shape (n_stimuli, image_size, image_size, 3)
        Random images are named ``random-run03-block07``. Identical figures share one name, ``figure-00`` …, numbered
        in the order of their flattened patterns.

    Raises
    ------
    DataError
        If a file is missing, cannot be read, or does not fit the others.
    """
    settings = settings or Settings()
    files = data if isinstance(data, Mapping) else _files_of_folder(Path(data))
    runs = _pair_runs(files["func"], files["label"])
    mask_image = _read_image(files["mask"])
    mask = _volume(mask_image) > 0
    voxels = _voxel_table(mask_image, mask, files["mask_roi"])
    data_rows, trial_rows, patterns = [], [], []
    for run in runs:
        series = _read_series(run.volumes, mask_image, mask)
        labels = _read_labels(run.labels)
        if len(labels) != len(series):
            raise DataError(
                f"{run.labels} has {len(labels)} rows but {run.volumes} has {len(series)} volumes; "
                "delete both and download the data set again."
            )
        series = _standardise(series, settings)
        for block, (start, stop) in enumerate(find_blocks(labels), start=1):
            volumes = series[start + settings.shift_volumes : stop + settings.shift_volumes]
            if not len(volumes):
                raise DataError(
                    f"{run.volumes} ends before block {block} shifted by {settings.shift_volumes} volumes begins; "
                    "choose a smaller shift_volumes."
                )
            data_rows.append(volumes.mean(axis=0))
            patterns.append(labels[start].reshape(GRID, GRID, order=settings.label_order))
            trial_rows.append((run.kind, run.number, block, len(volumes)))
    if not trial_rows:
        raise DataError(f"{runs[0].labels} and the other label files hold no stimulus; download the data set again.")
    names = _block_names(trial_rows, patterns)
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": [STIMULUS_SET[kind] for kind, _, _, _ in trial_rows],
            "session": "unknown",
            "run": [FIRST_RUN[kind] + number for kind, number, _, _ in trial_rows],
            "block": [block for _, _, block, _ in trial_rows],
            "n_volumes": [count for _, _, _, count in trial_rows],
        }
    )
    steps = ["linear trend removed per run"] * settings.linear_detrend
    steps.append("z-score over the volumes of the run" if settings.z_score else "scanner units")
    attributes = {
        "subject": "01",
        "units": ", ".join(steps),
        "source": "nilearn.datasets.fetch_miyawaki2008 (NITRC)",
        "citation": CITATION,
        "settings": str(asdict(settings)),
    }
    samples = Samples(np.array(data_rows, dtype=np.float32), trials, voxels, attributes)
    return samples, _images(dict(zip(names, patterns, strict=True)), settings.image_size, attributes["source"])


def find_blocks(labels: np.ndarray) -> list[tuple[int, int]]:
    """Return (first volume, one past the last volume) of each block in labels of shape (n_volumes, 100).

    A block is a run of equal rows that are not rest (-1).
    """
    changes = np.flatnonzero(np.any(labels[1:] != labels[:-1], axis=1)) + 1
    edges = [0, *changes.tolist(), len(labels)]
    return [(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if b > a and labels[a, 0] != REST]


def enlarge(patterns: np.ndarray, image_size: int) -> np.ndarray:
    """Turn 0/1 contrast patterns (n, 10, 10) into 8-bit RGB images (n, image_size, image_size, 3), nearest neighbour.

    The person saw a flickering checkerboard in patches of value 1 and plain grey elsewhere. The images show the
    contrast of a patch, not its luminance: 0 is black, 1 is white.
    """
    factor = Settings(image_size=image_size).image_size // GRID
    grey = np.kron(np.asarray(patterns, dtype=np.uint8) * np.uint8(255), np.ones((1, factor, factor), dtype=np.uint8))
    return np.repeat(grey[..., None], 3, axis=-1)


def _images(patterns: Mapping[str, np.ndarray], image_size: int, source: str) -> LabelledArray:
    names = sorted(patterns)
    attributes = {
        "domain": "patch contrast: 0 = black (plain grey seen), 1 = white (flickering checkerboard seen)",
        "source": source,
        "citation": CITATION,
    }
    return LabelledArray(enlarge(np.array([patterns[name] for name in names]), image_size), names, attributes)


def _block_names(rows: Sequence[tuple[str, int, int, int]], patterns: Sequence[np.ndarray]) -> list[str]:
    # Numbers follow the sorted patterns, not the order of runs: with all 20 figures they are those of the matrix.
    figures = sorted(
        {tuple(pattern.ravel()) for row, pattern in zip(rows, patterns, strict=True) if row[0] == "figure"}
    )
    return [
        f"figure-{figures.index(tuple(pattern.ravel())):02d}"
        if kind == "figure"
        else f"random-run{number:02d}-block{block:02d}"
        for (kind, number, block, _), pattern in zip(rows, patterns, strict=True)
    ]


def _nilearn_root(folder: Path) -> Path | None:
    return next((root for root in (folder, folder / "miyawaki2008") if (root / "func").is_dir()), None)


def _files_of_folder(folder: Path) -> dict:
    root = _nilearn_root(folder)
    if root is None:
        raise DataError(f"{folder} has no folder func; {ALTERNATIVE}.")
    return {
        "func": sorted((root / "func").glob("data_*_run*.nii.gz")),
        "label": sorted((root / "label").glob("data_*_run*_label.csv")),
        "mask": root / "mask" / "mask.nii.gz",
        "mask_roi": sorted((root / "mask").glob("[LR]H*.nii.gz")),
    }


def _pair_runs(volumes: Sequence[str | Path], labels: Sequence[str | Path]) -> list[_Run]:
    by_run: list[dict[tuple[str, int], Path]] = []
    for paths, ending in ((volumes, r"\.nii\.gz"), (labels, r"_label\.csv")):
        found = {}
        for path in map(Path, paths):
            match = re.fullmatch(rf"data_(figure|random)_run(\d+){ending}", path.name)
            if match is None:
                raise DataError(f"{path} is not named as a run of Miyawaki et al. 2008; {ALTERNATIVE}.")
            found[match[1], int(match[2])] = path
        by_run.append(found)
    of_volumes, of_labels = by_run
    if not of_volumes:
        raise DataError(f"There are no files func/data_*_run*.nii.gz; {ALTERNATIVE}.")
    alone = [of_volumes.get(key, of_labels.get(key)) for key in sorted(of_volumes.keys() ^ of_labels.keys())]
    if alone:
        raise DataError(
            f"Volumes and labels do not pair up: {shorten(alone)} stands alone; download the data set again."
        )
    return [_Run(*key, of_volumes[key], of_labels[key]) for key in sorted(of_volumes)]


def _voxel_table(mask_image: nibabel.Nifti1Image, mask: np.ndarray, roi_paths: Sequence[str | Path]) -> pd.DataFrame:
    index = np.argwhere(mask)
    position = apply_affine(mask_image.affine, index)
    columns = {f"voxel_{axis}": index[:, a] for a, axis in enumerate("ijk")}
    columns |= {f"voxel_{axis}": position[:, a] for a, axis in enumerate("xyz")}
    for path in sorted(map(Path, roi_paths)):
        match = re.fullmatch(r"[LR]H(.+)\.nii(\.gz)?", path.name)
        area = AREA_OF_MASK.get(match[1]) if match else None
        if area is None:
            continue
        inside = _mask_on_grid(path, mask_image)[mask]
        columns[f"ROI_{area}"] = np.maximum(columns.get(f"ROI_{area}", 0), inside.astype(int))
    if not np.any(columns.get("ROI_V1", 0)):
        raise DataError(
            f"No V1 mask (LHV1d, LHV1v, RHV1d, RHV1v) overlaps {mask_image.get_filename()}; "
            "download the data set again."
        )
    return pd.DataFrame(columns)


def _mask_on_grid(path: Path, reference: nibabel.Nifti1Image) -> np.ndarray:
    image = _read_image(path)
    values = _volume(image)
    if not _same_grid(image, reference):
        from nilearn.image import resample_to_img

        flat = nibabel.Nifti1Image((values > 0).astype(np.float32), image.affine)
        target = nibabel.Nifti1Image(_volume(reference).astype(np.float32), reference.affine)
        resampled = resample_to_img(flat, target, interpolation="nearest", force_resample=True, copy_header=True)
        values = _volume(resampled)
    return values > 0


def _same_grid(image: nibabel.Nifti1Image, reference: nibabel.Nifti1Image) -> bool:
    return image.shape[:3] == reference.shape[:3] and np.allclose(image.affine, reference.affine, atol=1e-3)


def _read_image(path: str | Path) -> nibabel.Nifti1Image:
    try:
        return nibabel.load(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; {ALTERNATIVE}.") from error
    except (ImageFileError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as NIfTI ({error}); delete it and download it again.") from error


def _values(image: nibabel.Nifti1Image) -> np.ndarray:
    try:
        return np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        path = image.get_filename()
        raise DataError(f"{path} cannot be read to its end ({error}); delete it and download it again.") from error


def _volume(image: nibabel.Nifti1Image) -> np.ndarray:
    values = _values(image)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise DataError(f"{image.get_filename()} is not one volume: its shape is {values.shape}; download it again.")
    return values


def _read_series(path: Path, mask_image: nibabel.Nifti1Image, mask: np.ndarray) -> np.ndarray:
    image = _read_image(path)
    if image.ndim != 4 or not _same_grid(image, mask_image):
        raise DataError(
            f"{path} of shape {image.shape} does not lie on the grid of {mask_image.get_filename()}, "
            f"{mask_image.shape}; download the data set again."
        )
    series = _values(image)[mask].T.astype(np.float64)
    if not np.isfinite(series).all():
        raise DataError(f"{path} holds values that are not finite inside the mask; delete it and download it again.")
    return series


def _read_labels(path: Path) -> np.ndarray:
    try:
        labels = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table of labels ({error}); download it again.") from error
    if labels.ndim != 2 or labels.shape[1] != GRID**2:
        raise DataError(f"{path} has rows of {labels.shape[-1]} values instead of {GRID**2}; download it again.")
    is_rest = np.all(labels == REST, axis=1)
    if not np.isin(labels[~is_rest], (0, 1)).all():
        raise DataError(
            f"{path} holds rows that are neither rest (all {REST}) nor patterns of 0 and 1; download it again."
        )
    return labels.astype(np.int8)


def _standardise(series: np.ndarray, settings: Settings) -> np.ndarray:
    """Detrend and z-score (n_volumes, n_voxels) along the volumes of this one run."""
    # A voxel that is constant, or a straight line, leaves only rounding noise, which must not become unit variance.
    noise = 1e-9 * np.abs(series).max(axis=0)
    if settings.linear_detrend:
        series = detrend(series, axis=0)
    if settings.z_score:
        spread = series.std(axis=0)
        flat = spread <= noise
        series = np.where(flat, 0, (series - series.mean(axis=0)) / np.where(flat, 1, spread))
    return series
