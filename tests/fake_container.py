"""Programs that stand for ``docker``, ``apptainer`` and the fMRIPrep in their image, for a machine that has none of them.

They take the same command lines, follow the mounts, and write what fMRIPrep would: a simulated subject's raw runs in T1w
space, brought there by the true poses of the head. How they were called goes to the file in ``FAKE_RECORD``;
``FAKE_FAILURE`` makes fMRIPrep fail, ``FAKE_HANG`` makes it wait in that many seconds.
"""

import argparse
import json
import os
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from fmriprep_tree import description, write_run
from scipy import ndimage

HERE = Path(__file__).resolve().parent


def install(folder: Path, *names: str) -> Path:
    """Write executables of these names into a folder for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(HERE), str(HERE.parent / "workflow")]
    for name in names:
        text = f"#!{sys.executable}\nimport sys\nsys.path[:0] = {paths}\n"
        text += f"from fake_container import main\nsys.exit(main({name!r}, sys.argv[1:]))\n"
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    return folder


def main(name: str, words: Sequence[str]) -> int:
    """Do what an engine does with its arguments."""
    if name == "docker" and words[0] == "version":
        print("27.0")
        return 0
    if name == "docker" and words[0] == "images":
        print("0123456789ab")
        return 0
    if "--entrypoint=free" in words:
        print("Mem: 64000 1 63999")
        return 0
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("verb", choices=["run"])
    for flag in ("--rm", "--cleanenv"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--bind", "-v", action="append", default=[])
    parser.add_argument("--env", "-e", action="append", default=[])
    parser.add_argument("-u")
    parser.add_argument("image")
    parser.add_argument("inside", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    mounts = {bind.split(":")[1]: bind.split(":")[0] for bind in given.bind}
    missing = [host for host in mounts.values() if not Path(host).exists()]
    if missing:
        print(f"{missing[0]} cannot be mounted", file=sys.stderr)
        return 125
    outside = [on_host(word, mounts) for word in given.inside]
    if record := os.environ.get("FAKE_RECORD"):
        environment = {key: on_host(value, mounts) for key, value in (pair.split("=", 1) for pair in given.env)}
        called = {"image": given.image, "inside": given.inside, "outside": outside}
        Path(record).write_text(json.dumps({**called, "mounts": mounts, "environment": environment}))
    return fmriprep(outside)


def on_host(word: str, mounts: dict[str, str]) -> str:
    """Return a path of the container as this machine knows it; other words as they are."""
    for inside, host in mounts.items():
        if word == inside or word.startswith(inside + "/"):
            return host + word[len(inside) :]
    return word


def fmriprep(words: Sequence[str]) -> int:
    """Write one subject's output tree."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("bids", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("level", choices=["participant"])
    parser.add_argument("--participant-label", required=True)
    parser.add_argument("--bids-filter-file", type=Path)
    parser.add_argument("--dummy-scans", type=int, default=0)
    parser.add_argument("--work-dir", "-w", type=Path)
    given = parser.parse_known_args(words)[0]
    print("fMRIPrep starts", flush=True)
    if seconds := os.environ.get("FAKE_HANG"):
        time.sleep(float(seconds))
    (given.work_dir / "fmriprep_25_2_wf").mkdir(exist_ok=True)
    subject = given.participant_label
    if os.environ.get("FAKE_FAILURE"):
        crashes = given.output / f"sub-{subject}" / "log" / "20250101-000000_run"
        crashes.mkdir(parents=True)
        (crashes / "crash-20250101-node.txt").write_text("Traceback")
        return 1
    query = json.loads(given.bids_filter_file.read_text())["bold"] if given.bids_filter_file else {}
    description(given.output)
    for raw in sorted(given.bids.glob(f"sub-{subject}/**/func/*_bold.nii.gz")):
        entities = dict(part.split("-", 1) for part in raw.name.split("_")[:-1])
        if all(
            entities.get({"session": "ses"}.get(key, key)) in query[key] for key in ("task", "session") if key in query
        ):
            _write_scanned(given.output, raw, entities, given.bids.parent / "truth", given.dummy_scans)
    (given.output / f"sub-{subject}.html").write_text("<html></html>")
    return 0


def _write_scanned(output: Path, raw: Path, entities: dict[str, str], truth: Path, n_dummy: int) -> None:
    """Bring a simulated run into T1w space by the true poses, on a grid of fMRIPrep's kind: straight along the axes."""
    from fmri2image.core.arrays import read_array
    from fmri2image.core.geometry import grid_centre, rigid_parameters

    image = nibabel.load(raw)
    volumes = np.moveaxis(np.asarray(image.dataobj, dtype=np.float32), -1, 0)
    poses = read_array(truth / f"sub-{entities['sub']}_truth.h5", f"pose_ses-{entities['ses']}_run-{entities['run']}")
    size = float(image.header.get_zooms()[0])
    affine = np.diag([size, size, size, 1.0])
    shape = np.rint(np.array([145.0, 190.0, 160.0]) / size).astype(int)
    affine[:3, 3] = -shape * size / 2 + (0, -18, 10)
    to_raw = np.linalg.inv(image.affine) @ poses.values @ affine
    moved = [
        ndimage.affine_transform(volume, matrix, output_shape=tuple(shape), order=1)
        for volume, matrix in zip(volumes, to_raw, strict=True)
    ]
    motion = rigid_parameters(poses.values @ np.linalg.inv(poses.values[0]), grid_centre(image.shape, image.affine))
    mean = np.mean(moved, axis=0)
    name = raw.name.removesuffix("_bold.nii.gz")
    write_run(output, name, np.array(moved), affine, 2.0, motion, mean > mean.max() / 4, n_dummy)
