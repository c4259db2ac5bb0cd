"""Output of fMRIPrep 25.2 as it lies on disk, made from given volumes: names, sidecars and columns of confounds.

tests/workflow/test_fmriprep.py holds the columns to fMRIPrep's own code.
"""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
SIGNALS = ("global_signal", "csf", "white_matter")  # expanded with derivatives and squares, as motion is
COMPONENTS = ("t_comp_cor_00", "c_comp_cor_00", "w_comp_cor_00", "a_comp_cor_00", "a_comp_cor_01", "edge_comp_00")


def description(tree: Path, version: str = "25.2.7") -> None:
    """Write dataset_description.json."""
    made = [{"Name": "fMRIPrep", "Version": version, "CodeURL": "https://github.com/nipreps/fmriprep"}]
    content = {"Name": "fMRIPrep output", "BIDSVersion": "1.9.0", "DatasetType": "derivative", "GeneratedBy": made}
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "dataset_description.json").write_text(json.dumps(content))


def confounds(motion: np.ndarray, brain: np.ndarray, n_dummy: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return a confounds table of motion (T, 6) and brain signals (T, V)."""
    rng = np.random.default_rng(seed)
    n_volumes = len(motion)
    table = pd.DataFrame(index=range(n_volumes))
    level = brain.mean(axis=1)
    for name in SIGNALS:
        _expand(table, name, level + rng.normal(0, 1, n_volumes))
    table["csf_wm"], table["tcompcor"] = rng.normal(level.mean(), 1, (2, n_volumes))
    change = np.r_[np.nan, np.sqrt((np.diff(brain, axis=0) ** 2).mean(axis=1))]
    table["std_dvars"], table["dvars"] = change / np.nanmean(change), change
    steps = np.abs(np.diff(motion, axis=0))
    table["framewise_displacement"] = np.r_[np.nan, steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)]
    table["rmsd"] = table["framewise_displacement"] / 2
    for name in COMPONENTS:
        table[name] = np.r_[np.zeros(n_dummy), rng.normal(0, 0.1, n_volumes - n_dummy)]
    table["cosine00"] = np.r_[np.zeros(n_dummy), np.cos(np.pi * np.linspace(0, 1, n_volumes - n_dummy))]
    for number in range(n_dummy):
        table[f"non_steady_state_outlier{number:02d}"] = (np.arange(n_volumes) == number).astype(float)
    for name, values in zip(MOTION, motion.T, strict=True):
        _expand(table, name, values)
    spikes = np.flatnonzero((table["framewise_displacement"] > 0.5) | (table["std_dvars"] > 1.5))
    for number, volume in enumerate(spikes):
        table[f"motion_outlier{number:02d}"] = (np.arange(n_volumes) == volume).astype(float)
    return table


def write_run(
    tree: Path,
    entities: str,
    volumes: np.ndarray,
    affine: np.ndarray,
    repetition_time: float,
    motion: np.ndarray | None = None,
    brain: np.ndarray | None = None,
    n_dummy: int = 0,
    start_time: float | None = None,
    confounds_name: str = "desc-confounds_timeseries",
) -> pd.DataFrame:
    """Write one run, ``sub-01[_ses-…]_task-…[_run-…]``, volumes (T, X, Y, Z) in T1w space; return its confounds."""
    parts = dict(part.split("-", 1) for part in entities.split("_"))
    folder = tree / f"sub-{parts['sub']}" / (f"ses-{parts['ses']}" if "ses" in parts else "") / "func"
    folder.mkdir(parents=True, exist_ok=True)
    motion = np.zeros((len(volumes), 6)) if motion is None else motion
    brain = volumes.mean(axis=0) > 0 if brain is None else brain
    image = nibabel.Nifti1Image(np.moveaxis(volumes, 0, -1).astype(np.float32), affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(folder / f"{entities}_space-T1w_desc-preproc_bold.nii.gz")
    timing = {"SliceTimingCorrected": start_time is not None, "SkullStripped": False, "TaskName": parts["task"]}
    timing |= {"RepetitionTime": repetition_time} | ({} if start_time is None else {"StartTime": start_time})
    (folder / f"{entities}_space-T1w_desc-preproc_bold.json").write_text(json.dumps(timing))
    reference = nibabel.Nifti1Image(volumes.mean(axis=0).astype(np.float32), affine)
    reference.to_filename(folder / f"{entities}_space-T1w_boldref.nii.gz")
    reference.to_filename(folder / f"{entities}_desc-coreg_boldref.nii.gz")
    for space in ("_space-T1w", ""):
        mask = nibabel.Nifti1Image(brain.astype(np.uint8), affine)
        mask.to_filename(folder / f"{entities}{space}_desc-brain_mask.nii.gz")
    table = confounds(motion, volumes[:, brain], n_dummy)
    table.to_csv(folder / f"{entities}_{confounds_name}.tsv", sep="\t", index=False, na_rep="n/a")
    described = {"framewise_displacement": {"Units": "mm"}, "a_comp_cor_00": {"Method": "aCompCor", "Mask": "combined"}}
    (folder / f"{entities}_{confounds_name}.json").write_text(json.dumps(described))
    return table


def _expand(table: pd.DataFrame, name: str, values: np.ndarray) -> None:
    table[name] = values
    table[f"{name}_derivative1"] = np.r_[np.nan, np.diff(values)]
    table[f"{name}_power2"], table[f"{name}_derivative1_power2"] = table[name] ** 2, table[f"{name}_derivative1"] ** 2
