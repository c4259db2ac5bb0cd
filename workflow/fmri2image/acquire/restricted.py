"""What the importers of restricted downloads share: files that must be there, grey images, and the files they write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples, write_bdata
from fmri2image.core.tables import write_table

# Largest brightness of images around zero (mean luminance taken off), and of images from black upwards.
AROUND_ZERO = (0.5, 1.0, 128.0)
FROM_BLACK = (1.0, 255.0)


@dataclass(frozen=True)
class Restricted:
    """A dataset that everybody must ask for.

    Parameters
    ----------
    name, apply : str
        For people: what it is called and where it is asked for.
    """

    name: str
    apply: str

    def find(self, folder: str | Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, Path]:
        """Return where files are.

        Parameters
        ----------
        folder : path
        wanted : mapping from key to the places, relative to the folder, where the file may be

        Raises
        ------
        DataError
            Naming all missing files, where to ask for them and where to put them.
        """
        folder = Path(folder)
        found = {
            key: next((folder / place for place in places if (folder / place).is_file()), None)
            for key, places in wanted.items()
        }
        missing = [wanted[key][0] for key, path in found.items() if path is None]
        if missing:
            raise DataError(
                f"{self.name} is not distributed with this workflow: ask for it at {self.apply} and put its files into "
                f"{folder}{'' if folder.is_dir() else ' (no such folder)'}; missing: {', '.join(missing)}."
            )
        return {key: path for key, path in found.items() if path is not None}


@dataclass(frozen=True)
class Imported:
    """What an importer gives.

    Parameters
    ----------
    samples : dict from subject to Samples
    images : dict from stimulus set to LabelledArray, values uint8 of shape (n, H, W, 3)
    table : DataFrame
        ``stimulus``, ``stimulus_set`` and more of every stimulus.
    """

    samples: dict[str, Samples]
    images: dict[str, LabelledArray]
    table: pd.DataFrame

    def write(self, samples: Sequence[str], images: Sequence[str], table: str, show: bool) -> None:
        """Write one file per subject (``…/sub-<subject>.h5``), one per stimulus set (``…/<set>.h5``) and the table.

        Parameters
        ----------
        show : bool
            Whether reports may show the pictures (attribute ``show`` of the image files).
        """
        for path in samples:
            write_bdata(path, self.samples[Path(path).stem.removeprefix("sub-")])
        for path in images:
            stimulus_set = Path(path).stem
            if stimulus_set not in self.images:
                raise DataError(f"This dataset has no stimulus set '{stimulus_set}'; it has {', '.join(self.images)}.")
            about = {"stimulus_set": stimulus_set, "show": "yes" if show else "no"}
            write_arrays(path, {"images": self.images[stimulus_set]}, about)
        write_table(table, self.table)


def grey_images(values: np.ndarray, path: str | Path) -> tuple[np.ndarray, str]:
    """Return grey images (n, H, W) as 8-bit RGB (n, H, W, 3) and how their numbers were taken.

    The scale is found from the range of all images together, never stretched per image: 0 to 1, 0 to 255, or brightness
    around a mean of zero.

    Raises
    ------
    DataError
        If values are not finite or in none of these ranges.
    """
    values = np.asarray(values, dtype=np.float32)
    if not values.size or not np.isfinite(values).all():
        raise DataError(f"{path}: images are empty or hold values that are not numbers; fetch the file again.")
    least, largest = float(values.min()), float(values.max())
    if least < 0:
        bound = next((bound for bound in AROUND_ZERO if max(-least, largest) <= bound), None)
        scaled = None if bound is None else (values / bound + 1) / 2
        rule = f"{-(bound or 0):g} to {bound or 0:g} around mean luminance"
    else:
        bound = next((bound for bound in FROM_BLACK if largest <= bound), None)
        scaled = None if bound is None else values / bound
        rule = f"0 to {bound or 0:g}"
    if scaled is None:
        raise DataError(
            f"{path}: images reach from {least:g} to {largest:g}, which is none of the known scales (0 to 1, 0 to 255, or "
            "around zero up to 128)."
        )
    return np.repeat(np.round(scaled * 255).astype(np.uint8)[..., None], 3, axis=-1), rule


def drop_voxels_without_signal(samples: Samples) -> Samples:
    """Leave out the voxels with any response that is no number; their number is the attribute ``n_voxels_without_signal``."""
    seen = np.isfinite(samples.data).all(axis=0)
    if not seen.any():
        raise DataError(f"Subject {samples.attributes['subject']}: every voxel misses a response, so no voxel is left.")
    samples = samples.keep(seen)
    samples.attributes["n_voxels_without_signal"] = int((~seen).sum())
    return samples


def unplaced_voxels(areas: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a voxel table whose places are not published (NaN), with the areas given as masks (n_voxels,)."""
    n_voxels = len(next(iter(areas.values())))
    columns = {f"voxel_{axis}": np.full(n_voxels, np.nan) for axis in "ijkxyz"}
    return pd.DataFrame(
        {**columns, **{f"ROI_{name}": mask.astype(np.int8) for name, mask in areas.items() if mask.any()}}
    )
