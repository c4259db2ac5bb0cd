"""Two runs from nothing, with the same threads for every job, write the same bytes; other threads change little."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, copy_repository

RESULTS = "results/tiny"
# One job at a time, each with the threads that it has when two run side by side.
ONE_BY_ONE = ("--cores", "2", "--default-resources", "turn=1", "--resources", "turn=1")


def run_anew(tmp_path_factory, *arguments: str) -> Checkout:
    checkout = copy_repository(tmp_path_factory.mktemp("anew") / "checkout")
    done = checkout.snakemake(*arguments)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout


def contents(checkout: Checkout) -> dict[str, bytes]:
    """Return every result, temporary files and what Snakemake adds aside."""
    root = checkout / RESULTS
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_two_runs_write_the_same_bytes(tiny_run, tmp_path_factory):
    """Tables, reconstructions, figures: in another folder, at another time, in another order of jobs."""
    first, second = contents(tiny_run), contents(run_anew(tmp_path_factory, *ONE_BY_ONE))
    assert first.keys() == second.keys()
    for kind in (".tsv", ".h5", ".png", ".nii.gz"):
        assert any(name.endswith(kind) for name in first), kind
    assert not [name for name in first if first[name] != second[name]]


@pytest.mark.slow
def test_other_threads_agree_within_a_thousandth(tiny_run, tmp_path_factory):
    other = run_anew(tmp_path_factory, "--cores", "1")
    tables = sorted((tiny_run / RESULTS / "tables").glob("*.tsv"))
    assert len(tables) >= 3
    for path in tables:
        compare_tables(path, other / RESULTS / "tables" / path.name)


def compare_tables(path: Path, other: Path) -> None:
    ours, theirs = pd.read_csv(path, sep="\t"), pd.read_csv(other, sep="\t")
    numbers = list(ours.select_dtypes("number").columns)
    assert numbers
    pd.testing.assert_frame_equal(ours.drop(columns=numbers), theirs.drop(columns=numbers))
    np.testing.assert_allclose(ours[numbers], theirs[numbers], rtol=0, atol=1e-3, err_msg=path.name)
