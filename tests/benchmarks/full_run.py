"""One simulated run of real size from the scanner to samples: `python tests/benchmarks/full_run.py [--cores 2]`.

Plain Snakemake runs every stage (configuration: full_run.yaml beside this file). Then one JSON line per stage gives its
seconds and its peak memory as Snakemake measured them, one line the error of the motion against the simulated truth, and
one per public dataset and number of cores the hours that the whole of it would take, one thread per job. A folder given
with --folder is kept, and only what is missing or out of date there runs.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY, TARGET = "full-run", "results/full-run/samples/sub-01.h5"
# Stages whose time grows with the subjects, the volumes (of this size) and the runs.
PER_SUBJECT, PER_VOLUME, PER_RUN = ("make_reference", "coregister"), ("correct_motion",), ("build_samples",)
# Subjects, runs and volumes from the events files (volumes: length of the run over the repetition time), voxels of a
# volume; OpenNeuro ds001506 1.3.1 and ds001246 1.2.1.
DATASETS = {
    "ds001506": {
        "subjects": 3,
        "runs": 588,
        "volumes": 3 * (144 * 239 + 20 * 195 + 12 * 151 + 20 * 227),
        "voxels": 96 * 96 * 76,
    },
    "ds001246": {"subjects": 5, "runs": 395, "volumes": 5 * (59 * 178 + 20 * 213), "voxels": 64 * 64 * 50},
}
CORES = (2, 16)


def main(folder: Path, cores: int) -> None:
    """Run the workflow in a folder and print the lines."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "workflow/Snakefile"]
    where = ["--directory", folder, "--configfile", REPOSITORY / "tests/benchmarks/full_run.yaml"]
    done = subprocess.run([*snakemake, *where, "--cores", str(cores), "--", TARGET], cwd=REPOSITORY, stdout=sys.stderr)
    if done.returncode:
        sys.exit(f"The workflow failed; its logs are in {folder / 'results/logs'}.")
    measured = {path.parent.name: read_benchmark(path) for path in (folder / "results/benchmarks").rglob("*.tsv")}
    for name, values in sorted(measured.items()):
        print(json.dumps({"name": name, **values}))
    size = run_size(folder)
    print(json.dumps({"name": "motion_error", **size, **motion_error(folder)}))
    for dataset, counts in DATASETS.items():
        seconds = whole_dataset({name: values["seconds"] for name, values in measured.items()}, counts, size)
        for n in CORES:
            hours = round(seconds / n / 3600, 2)
            print(json.dumps({"name": "whole_dataset", "dataset": dataset, "cores": n, "hours": hours, **counts}))


def read_benchmark(path: Path) -> dict:
    """Return seconds and peak memory (MB, resident) that Snakemake measured of a job."""
    with path.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    return {"seconds": float(row["s"]), "memory_mb": float(row["max_rss"])}


def run_size(folder: Path) -> dict:
    """Return the number of volumes and of voxels per volume of the raw run."""
    import nibabel

    (bold,) = (folder / f"results/{STUDY}/bids").rglob("*_bold.nii.gz")
    *grid, n_volumes = nibabel.load(bold).shape
    return {"volumes": n_volumes, "voxels": grid[0] * grid[1] * grid[2]}


def motion_error(folder: Path) -> dict:
    """Return the root mean square errors of the estimated motion, mm and degrees."""
    sys.path.insert(0, str(REPOSITORY / "workflow"))
    from fmri2image.evaluate.motion import score_runs

    preprocess = folder / f"results/{STUDY}/preprocess/sub-01"
    tables = [str(path) for path in preprocess.rglob("*_desc-confounds_timeseries.tsv")]
    truth = folder / f"results/{STUDY}/truth/sub-01_truth.h5"
    (row,) = score_runs("01", tables, str(preprocess / "sub-01_boldref.nii.gz"), str(truth)).to_dict("records")
    return {key: round(row[key], 4) for key in ("rms_translation", "rms_rotation", "largest_translation")}


def whole_dataset(seconds: dict, counts: dict, size: dict) -> float:
    """Return the seconds of one core for a dataset; what is done to every volume grows with its voxels."""
    total = counts["subjects"] * sum(seconds[name] for name in PER_SUBJECT)
    total += counts["runs"] * sum(seconds[name] for name in PER_RUN)
    share = counts["volumes"] / size["volumes"] * counts["voxels"] / size["voxels"]
    return total + share * sum(seconds[name] for name in PER_VOLUME)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where results are written and kept; a temporary one otherwise")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main((given.folder or Path(temporary)).resolve(), given.cores)
