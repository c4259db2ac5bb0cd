"""A small BIDS folder as a user might have it: two subjects, sessions by number, one task per stimulus set."""

import json
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

TR = 2.0
VOLUMES = 40
SEEN = {"learn": ["owl", "car", "tree", "cup"], "quiz": ["fox", "bus"]}
BLOCK, REST = 8.0, 12.0


def write_image(path: Path, shape: tuple[int, ...], size: float, origin: float = -20.0, seconds: float = TR) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = origin
    image = nibabel.Nifti1Image(np.zeros(shape, dtype=np.int16), affine)
    if len(shape) == 4:
        image.header.set_xyzt_units("mm", "sec")
        image.header["pixdim"][4] = seconds
    nibabel.save(image, path)


def write_mask(
    path: Path, inside: slice = slice(1, 3), shape=(6, 6, 6), size: float = 5.0, origin: float = -15.0
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(shape, dtype=np.uint8)
    values[inside, 1:3, 1:3] = 1
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = origin
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def write_events(
    path: Path, stimuli: list[str], start: float = 20.0, block: float = BLOCK, **columns: list[str]
) -> None:
    """An initial rest from 0 to `start`, then blocks without a gap; further columns hold a cell per block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [["onset", "duration", "trial_type", "stimulus_name", *columns]]
    rows.append(["0", f"{start:g}", "rest", "n/a", *["n/a"] * len(columns)])
    for i, name in enumerate(stimuli):
        rows.append(
            [f"{start + i * block:g}", f"{block:g}", "picture", name, *[cells[i] for cells in columns.values()]]
        )
    path.write_text("".join("\t".join(row) + "\n" for row in rows))


def make_folder(
    root: Path,
    subjects: tuple[str, ...] = ("anna", "ben"),
    *,
    session: str = "",
    masks: bool = True,
    pictures: bool = True,
) -> Path:
    """Every subject has two runs of ``learn`` and one of ``quiz``; the sidecar of all runs is inherited."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Owls and cars", "BIDSVersion": "1.9.0"}))
    for task in SEEN:
        (root / f"task-{task}_bold.json").write_text(json.dumps({"RepetitionTime": TR, "TaskName": task}))
    for subject in subjects:
        stem = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        folder = root / f"sub-{subject}" / (f"ses-{session}" if session else "")
        write_image(folder / "anat" / f"{stem}_T1w.nii.gz", (12, 12, 12), 4.0, -24.0)
        for task, run in (("learn", "1"), ("learn", "2"), ("quiz", "")):
            name = f"{stem}_task-{task}" + (f"_run-{run}" if run else "")
            write_image(folder / "func" / f"{name}_bold.nii.gz", (4, 4, 4, VOLUMES), 10.0)
            stimuli = SEEN[task][:2] if run == "1" else SEEN[task][-2:]
            write_events(folder / "func" / f"{name}_events.tsv", stimuli * (1 if run else 2))
        for side in ("lh", "rh") if masks else ():
            for area in ("V1", "V2"):
                where = slice(1, 3) if side == "lh" else slice(3, 5)
                write_mask(root / "derivatives" / "rois" / f"sub-{subject}" / f"{side}.{area}_roi.nii.gz", where)
    for names in SEEN.values() if pictures else ():
        for name in names:
            write_picture(root / "stimuli" / f"{name}.png")
    return root


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (200, 30, 30)).save(path)
