"""Small files in the dialects of the lab's published samples, written with h5py alone."""

from pathlib import Path

import h5py
import numpy as np

TRAIN = [
    "n01518878_10042",
    "n01518878_12028",
    "n03079230_8270",
    "n04507155_21299",
]  # sorted, as image_index counts them


def identifier(name: str) -> float:
    """Return the number that spells a name of ImageNet."""
    synset, number = name[1:].split("_")
    return int(synset) + int(number) / 1e6


def write_file(
    path: Path,
    voxels: np.ndarray,
    described: dict[str, np.ndarray],
    design: dict[str, np.ndarray],
    texts: dict[str, dict[int, str]] | None = None,
    *,
    voxel_key: bool = True,
    legacy: bool = False,
    matlab: bool = False,
) -> Path:
    """Write one file.

    Parameters
    ----------
    voxels : array of shape (n_rows, n_voxels)
    described : key and values (n_voxels,) of what describes voxels
    design : key and values (n_rows,) or (n_rows, n_columns) of the other columns
    texts : value maps
    voxel_key : bool
        Whether there is a key VoxelData.
    legacy : bool
        Old names of the groups.
    matlab : bool
        Tables transposed and keys as references, as MATLAB writes them.
    """
    columns = [voxels, *(np.reshape(values, (len(voxels), -1)) for values in design.values())]
    data = np.hstack(columns)
    widths = [part.shape[1] for part in columns]
    rows = {"VoxelData": np.where(np.arange(data.shape[1]) < widths[0], 1, np.nan)} if voxel_key else {}
    for key, values in described.items():
        rows[key] = np.concatenate([values, np.full(data.shape[1] - widths[0], np.nan)])
    for key, start, width in zip(design, np.cumsum(widths)[:-1], widths[1:], strict=True):
        rows[key] = np.full(data.shape[1], np.nan)
        rows[key][start : start + width] = 1
    values = np.array(list(rows.values()))
    group = "metaData" if legacy else "metadata"
    with h5py.File(path, "w") as file:
        file["dataSet" if legacy else "dataset"] = data.T if matlab else data
        file[f"{group}/value"] = values.T if matlab else values
        if matlab:
            references = []
            for number, key in enumerate(rows):
                file[f"#refs#/{number}"] = np.array([[ord(letter)] for letter in key], dtype=np.uint16)
                references.append([file[f"#refs#/{number}"].ref])
            file.create_dataset(f"{group}/key", data=np.array(references, dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
        else:
            file[f"{group}/key"] = np.array([key.encode() for key in rows])
        for key, labels in (texts or {}).items():
            for number, text in labels.items():
                file[f"vmap/{key}/{float(number)}"] = np.bytes_(text)
    return path


def spm_file(path: Path, order: list[str], voxels: np.ndarray, **options: bool) -> Path:
    """Write the dialect of the SPM files of ds001506; stimuli in the given order, five rows per run."""
    index = np.array([sorted(set(order)).index(name) + 1 for name in order], dtype=float)
    ids = np.array([identifier(name) for name in order])
    n_voxels = voxels.shape[1]
    described = {f"ROI_{name}": np.zeros(n_voxels) for name in ("V1", "V2", "V3", "V4", "HVC", "LVC", "VC")}
    for number, name in enumerate(("V1", "V2", "V3", "V4", "HVC")):
        described[f"ROI_{name}"][number::5] = 1
    described["ROI_LVC"] = described["ROI_V1"] + described["ROI_V2"] + described["ROI_V3"]
    described["ROI_VC"] = np.ones(n_voxels)
    run = np.arange(len(order)) // 5 + 1.0
    design = {"Run": run, "Label": np.column_stack([ids, index]), "stimulus_id": ids, "image_index": index}
    return write_file(path, voxels, described, design, **options)


def fmriprep_file(path: Path, order: list[str], voxels: np.ndarray, places: np.ndarray) -> Path:
    """Write the dialect of bdpy's fMRIPrep files: hV4, value maps, motion, places; n/a rows are rest."""
    names = sorted(set(order) - {"n/a"})
    number = np.array([names.index(name) + 1.0 if name != "n/a" else np.nan for name in order])
    ids = np.array([identifier(name) if name != "n/a" else np.nan for name in order])
    n_voxels = voxels.shape[1]
    described = {f"voxel_{axis}": places[:, column] for column, axis in enumerate("ijk")}
    described |= {f"voxel_{axis}": 2.0 * places[:, column] - 7.5 for column, axis in enumerate("xyz")}
    for position, name in enumerate(("V1", "V2", "V3", "hV4", "HVC")):
        described[f"ROI_{name}"] = (places.sum(axis=1) % 5 == position).astype(float)
    described["hcpVC"] = np.ones(n_voxels)
    rows = np.arange(len(order))
    design = {
        "Session": rows // 10 + 1.0,
        "Run": rows // 5 + 1.0,
        "Block": rows + 2.0,
        "Label": np.column_stack([ids, number]),
        "MotionParameter": np.ones((len(order), 6)),
        "MotionParameter_trans_x": np.ones(len(order)),
        "stimulus_id": ids,
        "stimulus_name": number,
        "evaluation": np.where(np.isfinite(ids), 4.0, np.nan),
    }
    return write_file(path, voxels, described, design, {"stimulus_name": dict(enumerate(names, start=1))})
