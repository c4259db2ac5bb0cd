"""What a job costs: the table ``resources/rates.tsv``, one row per rule and driver. docs/plan.md explains the columns."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError

RATES = WORKFLOW.parent / "resources" / "rates.tsv"
STAGES = ("acquire", "preprocess", "samples", "features", "decode", "reconstruct", "evaluate", "report", "other")


@dataclass(frozen=True)
class Rate:
    """Cost of one unit of a driver in a rule's jobs; the rows of a rule add up.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    rule : str
        Name of the rule, or its beginning where rules are made in a loop (``decode_features`` for all decoders).
    driver : str
        What the cost grows with, a name in `fmri2image.study.plan_amounts.DRIVERS`.
    cpu_seconds : float
        On one core, per unit.
    threads : int
        Threads of the measurement; the seconds are those of all threads together.
    gpu_seconds : float or None
        None where nobody has measured.
    output_mb, temporary_mb : float
        Megabytes (10^6 bytes) that stay, and that a job deletes at its end.
    memory_mb : float
        Largest memory of a job.
    source : str
        Begins with ``measured``, ``scaled`` or ``guess``.
    """

    stage: str
    rule: str
    driver: str
    cpu_seconds: float
    threads: int
    gpu_seconds: float | None
    output_mb: float
    temporary_mb: float
    memory_mb: float
    source: str


COLUMNS = [field.name for field in fields(Rate)]


def read_rates(path: str | Path = RATES) -> dict[str, list[Rate]]:
    """Return the rows of the table by rule.

    Raises
    ------
    DataError
        If the table cannot be read, or a row breaks its rules.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); it comes with the workflow.") from error
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise DataError(f"{path}: every row needs the columns {', '.join(COLUMNS)}, separated by tabs.")
    found: dict[str, list[Rate]] = {}
    for row in rows[1:]:
        rate = _rate(row, path)
        found.setdefault(rate.rule, []).append(rate)
    return found


def _rate(row: Sequence[str], path: str | Path) -> Rate:
    try:
        numbers = [float(row[3]), int(row[4]), float(row[5]) if row[5] else None, *map(float, row[6:9])]
    except ValueError as error:
        raise DataError(f"{path}: row {row[1]}, {row[2]}: a number is wrong ({error}).") from error
    if row[0] not in STAGES or not row[9].startswith(("measured", "scaled", "guess")):
        raise DataError(
            f"{path}: row {row[1]}, {row[2]}: the stage must be one of {', '.join(STAGES)}, and the source must begin "
            "with measured, scaled or guess."
        )
    return Rate(*row[:3], *numbers, row[9])


def rates_of(rule: str, rates: Mapping[str, list[Rate]]) -> list[Rate]:
    """Return the rows of a rule: those of its own name, or of the longest name that it begins with; none if unknown."""
    names = [name for name in rates if rule == name or rule.startswith(f"{name}_")]
    return rates[max(names, key=len)] if names else []
