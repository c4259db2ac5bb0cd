"""Speed and accuracy of our motion correction beside ANTs `Rigid`, on the same volumes and in the same process.

``python tests/benchmarks/realign.py`` simulates a head of nilearn's template at the size of ds001506 (96×96×76 voxels of
2 mm) in known small poses, makes an environment with antspyx and torch (or uses the Python that FMRI2IMAGE_ANTS_PYTHON
names) and prints one JSON line per comparison: ``realign_estimate``, ``realign_total`` (with cubic reslicing),
``realign_memory`` (a run of 239 volumes) and ``realign_gpu``.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(Path(__file__).parent)]

from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters  # noqa: E402

SHAPE, ZOOM = (96, 96, 76), 2.0
N_VOLUMES, N_REPEATS, N_RUN, THREADS = 40, 5, 239, 2
TSNR = 60
# ds001506: 588 runs of about 230 volumes.
N_DATASET = 588 * 230


def simulate(folder: Path, n_volumes: int = N_VOLUMES) -> None:
    """Write volumes (T, X, Y, Z) int16, the reference, the affine and the true parameters (T, 6)."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template

    head = load_mni152_template(resolution=2)
    anatomy = np.asarray(head.dataobj, dtype=float)
    grey = np.asarray(load_mni152_gm_template(resolution=2).dataobj, dtype=float)
    # T2*-weighted contrast: grey matter and CSF brighter than white matter, no signal outside the brain.
    brain = anatomy > 0.05 * anatomy.max()
    signal = ndimage.gaussian_filter(brain * (900 - 450 * anatomy / anatomy.max() + 150 * grey / grey.max()), 0.5)
    affine = np.diag([-ZOOM, ZOOM, ZOOM, 1.0])
    affine = rigid_matrix(np.array([0, 0, 0, 0.15, 0.0, 0.03]), np.zeros(3)) @ affine
    affine[:3, 3] -= grid_centre(SHAPE, affine) - np.array([0.0, -18.0, 12.0])
    rng = np.random.default_rng(0)
    centre = grid_centre(SHAPE, affine)
    truth = np.cumsum(rng.normal(0, [0.06] * 3 + [0.001] * 3, (n_volumes, 6)), axis=0)
    truth -= truth[0]
    voxels = np.indices(SHAPE).reshape(3, -1)
    coefficients = ndimage.spline_filter(signal, 3)

    def acquire(pose: np.ndarray, noise: float) -> np.ndarray:
        to_head = np.linalg.inv(head.affine) @ np.linalg.inv(pose) @ affine
        at = to_head[:3, :3] @ voxels + to_head[:3, 3:]
        values = ndimage.map_coordinates(coefficients, at, order=3, prefilter=False).reshape(SHAPE)
        return np.clip(values + rng.normal(20, noise, SHAPE), 0, 32000).round().astype(np.int16)

    noise = 700 / TSNR
    volumes = np.stack([acquire(pose, noise) for pose in rigid_matrix(truth, centre)])
    reference = acquire(np.eye(4), noise / 7)
    np.savez(folder / "volumes.npz", volumes=volumes, reference=reference, affine=affine, truth=truth)


def compare(folder: Path) -> None:
    """Time both engines in turn on the simulated volumes and print a JSON line per comparison.

    One repeat is a whole run of ours and one volume of ANTs, which takes each volume on its own. `ratio` is that of the
    medians; ANTs' errors are those of the timed registrations.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(THREADS)
    import ants
    import torch

    from fmri2image.preprocess.ants import read_pose, to_ants
    from fmri2image.preprocess.realign import fit_run
    from fmri2image.preprocess.reslice import reslice

    torch.set_num_threads(THREADS)
    with np.load(folder / "volumes.npz") as file:
        volumes, reference, affine, truth = (file[name] for name in ("volumes", "reference", "affine", "truth"))
    centre = grid_centre(SHAPE, affine)
    fit_run(volumes[:4], affine, reference, affine)  # warm up

    def ours() -> tuple[np.ndarray, float, float]:
        started = time.perf_counter()
        parameters = fit_run(volumes, affine, reference, affine).parameters
        middle = time.perf_counter()
        reslice(volumes, affine, rigid_matrix(parameters, centre), SHAPE, affine, 3, threads=THREADS)
        return parameters, (middle - started) / len(volumes), (time.perf_counter() - started) / len(volumes)

    fixed = to_ants(ants, reference.astype(np.float32), affine)

    def theirs(t: int) -> tuple[np.ndarray, float, float]:
        started = time.perf_counter()
        moving = to_ants(ants, volumes[t].astype(np.float32), affine)
        result = ants.registration(fixed, moving, type_of_transform="Rigid")
        middle = time.perf_counter()
        ants.apply_transforms(fixed, moving, result["fwdtransforms"], interpolator="bSpline")
        ended = time.perf_counter()
        return read_pose(ants, result["fwdtransforms"][0]), middle - started, ended - started

    # In turn, each as often as the other, so that whatever else the machine does slows both alike.
    chosen = np.linspace(1, len(volumes) - 1, N_REPEATS).round().astype(int)
    turns = [(ours(), theirs(t)) for t in chosen]
    parameters = turns[0][0][0]
    poses = np.stack([ants_turn[0] for _, ants_turn in turns])
    seconds = {who: np.array([turn[i][1:] for turn in turns]) for i, who in enumerate(("ours", "ants"))}
    errors = {
        "ours": accuracy(parameters[chosen], truth[chosen]),
        "ants": accuracy(rigid_parameters(poses, centre), truth[chosen]),
        "ours_all": accuracy(parameters, truth),
    }
    for i, (name, target) in enumerate((("realign_estimate", 15), ("realign_total", 8))):
        mine, other = (float(np.median(seconds[who][:, i])) for who in ("ours", "ants"))
        line = {"name": name, "ours_seconds_per_volume": mine, "ants_seconds_per_volume": other, "ratio": other / mine}
        line |= {
            f"{who}_seconds_range": [float(f(times[:, i])) for f in (np.min, np.max)] for who, times in seconds.items()
        }
        line |= {"target": target, "threads": THREADS, "n_repeats": N_REPEATS, "n_volumes": len(volumes)}
        line |= {f"{who}_rms_{unit}": value for who, error in errors.items() for unit, value in error.items()}
        print(json.dumps(rounded(line)), flush=True)
    print(json.dumps(rounded(on_gpu(volumes, affine, reference))), flush=True)


def measure_memory(folder: Path) -> None:
    """Print the largest memory of a process that estimates a run of 239 volumes."""
    import torch

    from fmri2image.preprocess.realign import fit_run

    torch.set_num_threads(THREADS)
    with np.load(folder / "volumes.npz") as file:
        some, reference, affine = file["volumes"], file["reference"], file["affine"]
    volumes = np.empty((N_RUN, *SHAPE), dtype=np.int16)
    for t in range(N_RUN):
        volumes[t] = some[t % len(some)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    fit_run(volumes, affine, reference, affine)
    line = {"name": "realign_memory", "n_volumes": N_RUN, "seconds": time.perf_counter() - started}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line |= {"peak_gb": peak * 1024 / 1e9, "peak_before_gb": before * 1024 / 1e9, "volumes_gb": volumes.nbytes / 1e9}
    print(json.dumps(rounded(line)), flush=True)


def on_gpu(volumes: np.ndarray, affine: np.ndarray, reference: np.ndarray) -> dict:
    """Return volumes per second on a GPU and the hours for ds001506, or that there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        return {"name": "realign_gpu", "available": False}
    from fmri2image.preprocess.realign import fit_run
    from fmri2image.preprocess.reslice import reslice

    run = np.concatenate([volumes] * (N_RUN // len(volumes) + 1))[:N_RUN]
    fit_run(run[:4], affine, reference, affine, device="cuda")
    started = time.perf_counter()
    fit = fit_run(run, affine, reference, affine, device="cuda")
    middle = time.perf_counter()
    matrices = rigid_matrix(fit.parameters, grid_centre(SHAPE, affine))
    reslice(run, affine, matrices, SHAPE, affine, 3, device="cuda")
    ended = time.perf_counter()
    speeds = {"estimate": N_RUN / (middle - started), "total": N_RUN / (ended - started)}
    line = {"name": "realign_gpu", "available": True, "device": torch.cuda.get_device_name()}
    line |= {f"{part}_volumes_per_second": speed for part, speed in speeds.items()}
    return line | {f"{part}_hours_ds001506": N_DATASET / speed / 3600 for part, speed in speeds.items()}


def accuracy(parameters: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the root mean square over volumes and axes of the errors, mm and degrees."""
    error = parameters - truth
    return {
        "mm": float(np.sqrt((error[:, :3] ** 2).mean())),
        "degrees": float(np.degrees(np.sqrt((error[:, 3:] ** 2).mean()))),
    }


def rounded(line: dict) -> dict:
    """Round numbers to four significant digits."""

    def short(value: object) -> object:
        if isinstance(value, list):
            return [short(one) for one in value]
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {key: short(value) for key, value in line.items()}


def main() -> None:
    """Simulate here, compare in the environment with antspyx, measure memory here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, help="folder of the environment with antspyx, kept if given")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=["compare", "memory"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        {"compare": compare, "memory": measure_memory}[arguments.part](arguments.folder)
        return
    from ants_environment import ants_python

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = ants_python(arguments.environment or folder / "environment", "torch")
        simulate(folder)
        for part, program in (("compare", python), ("memory", sys.executable)):
            subprocess.run([program, __file__, "--part", part, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
