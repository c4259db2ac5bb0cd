"""Peak memory of decoding conv1_1 of VGG19 at full width, for 10,000 and for 50,000 units.

Each run is a process of its own (``python decode_memory.py``): 1,200 training trials, 50 test stimuli, 8,000 voxels, ridge with
500 voxels per unit, under the default limit. Features lie on the disk as those of the whole layer would (rows of
64 × 224 × 224 float32 units, one after the other); only the bytes of the units that are decoded take space, the rest is a hole
in the file. The parent adds up the memory of the job and its workers from outside, from /proc: private pages of every process,
and shared pages once (Pss), and takes the kernel's own peak of the job's process (VmHWM) where that is more, because a peak can
fall between two looks. It prints one JSON line.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

N_TRAIN, N_TEST, N_VOXELS, N_CHOSEN = 1200, 50, 8000, 500
SHAPE = (64, 224, 224)
INTERVAL = 0.1


def write_features(path: Path, n_rows: int, prefix: str, n_units: int) -> None:
    """Write features of which only the first units of each row are there; units differ as images do, smoothly."""
    rng = np.random.default_rng(len(prefix))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("features", (n_rows, *SHAPE), dtype="f4")
        file.create_dataset("features_rows", data=[f"{prefix}{i}" for i in range(n_rows)], dtype=h5py.string_dtype())
        n_lines = -(-n_units // SHAPE[2])
        for row in range(n_rows):
            block = rng.standard_normal((n_lines, SHAPE[2]), dtype=np.float32)
            done = 0
            for channel in range(-(-n_lines // SHAPE[1])):
                lines = min(SHAPE[1], n_lines - done)
                dataset[row, channel, :lines] = block[done : done + lines]
                done += lines


def child(folder: Path, n_units: int, memory_gb: float, workers: int) -> None:
    """Decode the first units of the layer and say how it went."""
    import pandas as pd
    import torch

    from fmri2image.core.samples import Samples
    from fmri2image.decode import feature_rows, layers, memory

    torch.set_num_threads(workers)
    rng = np.random.default_rng(0)
    names = [f"train{i}" for i in range(N_TRAIN)] + [f"test{i}" for i in range(N_TEST)]
    trials = pd.DataFrame({"stimulus": names, "stimulus_set": ["train"] * N_TRAIN + ["test"] * N_TEST})
    data = rng.standard_normal((N_TRAIN + N_TEST, N_VOXELS), dtype=np.float32)
    samples = Samples(data, trials, pd.DataFrame({"number": range(N_VOXELS)}))
    tests = {"test": {"training": "train", "stimuli": "test", "rows": "stimulus"}}
    settings = {"decoder": "ridge", "alpha": 100, "n_voxels": N_CHOSEN, "norm_reference": "training"}
    plan = feature_rows.plan_chunks
    layers.plan_chunks = lambda shape, most: [one for one in plan(shape, most) if one.start < n_units]
    decoding = layers.LayerDecoding(
        samples, tests, settings, torch.device("cpu"), limits=memory.Limits(memory_gb), workers=workers
    )
    chunks = layers.plan_chunks(SHAPE, decoding.allowance.units)
    started = time.monotonic()
    decoding.decode({"train": folder / "train.h5"}, folder / f"decoded-{n_units}.h5", {})
    seconds = time.monotonic() - started
    found = {"units": sum(one.n_units for one in chunks), "chunk_units": max(one.n_units for one in chunks)}
    print(json.dumps({**found, "seconds": round(seconds, 1)}), flush=True)


def memory_of(pid: int) -> int:
    """Return the bytes that a process and its children take, shared pages once."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(number) for number in (task / "children").read_text().split()]
        except (OSError, StopIteration):
            continue  # it has ended
    return total


def own_peak(pid: int) -> int:
    """Return the largest memory that a process has had, without its children."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


def measure(folder: Path, n_units: int, memory_gb: float, workers: int) -> dict:
    """Run a child and watch its memory."""
    command = [sys.executable, __file__, "--child", str(folder), "--units", str(n_units)]
    command += ["--memory-gb", str(memory_gb), "--workers", str(workers)]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid), own_peak(process.pid))
            time.sleep(INTERVAL)
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(process.returncode)
    return {**json.loads(told), "peak_gb": round(peak / 1e9, 3)}


def main() -> None:
    """Measure both numbers of units and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--units", type=int)
    parser.add_argument("--memory-gb", type=float, default=4.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs=2, default=[10_000, 50_000])
    given = parser.parse_args()
    if given.child:
        child(given.child, given.units, given.memory_gb, given.workers)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_features(folder / "train.h5", N_TRAIN, "train", max(given.sizes))
        few, many = (measure(folder, n, given.memory_gb, given.workers) for n in given.sizes)
    line = {
        "name": "decode_memory",
        "limit_gb": given.memory_gb,
        "workers": given.workers,
        "peak_gb": many["peak_gb"],
        "peak_gb_few": few["peak_gb"],
        "units": many["units"],
        "units_few": few["units"],
        "units_layer": int(np.prod(SHAPE)),
        "chunk_units": many["chunk_units"],
        "units_per_second": round(many["units"] / many["seconds"], 1),
        "ratio": round(many["peak_gb"] / few["peak_gb"], 3),
        "within": many["peak_gb"] <= given.memory_gb,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
