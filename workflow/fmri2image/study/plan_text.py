"""A plan as people read it: on the terminal and in three tables."""

import textwrap
from collections.abc import Iterable, Sequence

import pandas as pd

from fmri2image.study.plan import Plan, RuleCost
from fmri2image.study.plan_downloads import Download
from fmri2image.study.plan_rates import STAGES

WIDTH = 110
MEGABITS = (10, 100, 1000)
COSTLIEST = 8  # rules on the terminal

DOWNLOAD_COLUMNS = {
    "collection": "where the files were published",
    "what": "what they are",
    "stage": "the stage that reads them first",
    "files": "number of files",
    "gb": "10^9 bytes of the files whose size is published",
    "files_there": "files that are there already",
    "gb_there": "10^9 bytes that are there already, parts of files included",
    "files_of_unknown_size": "files whose size nobody has published",
    "gb_guessed": "10^9 bytes guessed for those that are not there; see docs/plan.md",
    "gb_left": "10^9 bytes still to be fetched, guesses included",
}
STAGE_COLUMNS = {
    "stage": "stage of docs/stages.md",
    "jobs": "jobs that would run now",
    "cpu_hours": "hours of one core",
    "gpu_hours": "hours of a GPU; n/a where nobody has measured, 0 where none is asked for",
    "download_gb": "10^9 bytes to fetch for this stage",
    "output_gb": "10^9 bytes of new results",
    "total_gb": "10^9 bytes of new files from the first stage to the end of this one",
    "peak_gb": "most of them at any time, with what jobs of this stage delete at their end",
}
RULE_COLUMNS = {
    "stage": "stage of docs/stages.md",
    "rule": "rule, or the beginning of its name where rules are made in a loop",
    "jobs": "jobs that would run now",
    "cpu_hours": "hours of one core, all jobs",
    "longest_hours": "hours of one core, the longest job",
    "gpu_hours": "hours of a GPU; n/a where nobody has measured, 0 where none is asked for",
    "output_gb": "10^9 bytes of new results",
    "declared_gb": "10^9 bytes of memory that the rule asks for",
    "needed_gb": "10^9 bytes of memory that its largest job needs",
    "rates": "how its rates in resources/rates.tsv came about",
}


def download_table(found: Iterable[Download]) -> pd.DataFrame:
    """Return one row per collection and kind of file."""
    groups: dict[tuple[str, str, str], list[Download]] = {}
    for one in found:
        groups.setdefault((one.collection, one.what, one.stage), []).append(one)
    rows = []
    for key, files in sorted(groups.items(), key=lambda item: (STAGES.index(item[0][2]), item[0])):
        unknown = [one for one in files if one.size is None]
        rows.append(
            (
                *key,
                len(files),
                sum(one.size or 0 for one in files) / 1e9,
                sum(one.done for one in files),
                sum(one.there for one in files) / 1e9,
                len(unknown),
                sum(one.left for one in unknown) / 1e9,
                sum(one.left for one in files) / 1e9,
            )
        )
    return pd.DataFrame(rows, columns=list(DOWNLOAD_COLUMNS))


def stage_table(plan: Plan) -> pd.DataFrame:
    """Return one row per stage that has jobs or downloads."""
    rows, total = [], 0.0
    for stage in STAGES:
        costs = [cost for cost in plan.rules if cost.stage == stage]
        fetched = sum(one.left for one in plan.downloads if one.stage == stage) / 1e9
        if not costs and not fetched:
            continue
        output = sum(cost.output_gb for cost in costs)
        total += fetched + output
        peak = total + max((cost.temporary_gb for cost in costs), default=0.0)
        cpu = sum(cost.cpu_hours for cost in costs)
        rows.append((stage, sum(cost.jobs for cost in costs), cpu, gpu_hours(costs), fetched, output, total, peak))
    return pd.DataFrame(rows, columns=list(STAGE_COLUMNS))


def rule_table(costs: Iterable[RuleCost]) -> pd.DataFrame:
    """Return one row per rule."""
    rows = [
        (
            cost.stage,
            cost.rule,
            cost.jobs,
            cost.cpu_hours,
            cost.longest_hours,
            gpu_hours([cost]),
            cost.output_gb,
            cost.declared_mb / 1e3,
            cost.needed_mb / 1e3,
            cost.measured,
        )
        for cost in costs
    ]
    return pd.DataFrame(rows, columns=list(RULE_COLUMNS))


def gpu_hours(costs: Iterable[RuleCost]) -> float:
    """Return the GPU hours of some rules: not a number if one that asks for a GPU was never measured on it."""
    asking = [cost for cost in costs if cost.asks_gpu]
    return float("nan") if any(cost.gpu_hours is None for cost in asking) else sum(cost.gpu_hours for cost in asking)


def plan_text(plan: Plan) -> str:
    """Return all of a plan as text for a terminal."""
    parts = [[f"Plan of {plan.dataset}: {plan.title}", ""]]
    if plan.failure:
        parts.append([*_wrapped("jobs are not known: ", plan.failure), ""])
    parts += [_downloads(plan), _stages(plan), _rules(plan), _disks(plan)]
    parts.append(_listed("Left out", [f"{what}: {reason}" for what, reason in plan.skipped]))
    parts.append(_listed("Assumed", plan.notes))
    parts.append(_listed("WARNING", plan.warnings))
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _downloads(plan: Plan) -> list[str]:
    table = download_table(plan.downloads)
    if table.empty:
        return ["Nothing is downloaded.", ""]
    shown = table[
        ["collection", "what", "files", "gb", "files_there", "gb_there", "files_of_unknown_size", "gb_guessed"]
    ]
    header = ["collection", "what", "files", "GB", "there", "GB there", "size unknown", "GB guessed"]
    total = ["all", "", *shown.iloc[:, 2:].sum().tolist()]
    lines = ["Downloads", *_table(header, [*shown.values.tolist(), total], [0, 0, 0, 2, 0, 2, 0, 2])]
    left = table["gb_left"].sum()
    hours = ", ".join(f"{_hours(left * 8e3 / speed / 3600)} at {speed} Mbit/s" for speed in MEGABITS)
    guessed = table["gb_guessed"].sum()
    share = f", {guessed:.2f} GB of them guessed" if guessed else ""
    return [*lines, f"Still to be fetched: {left:.2f} GB{share}; {hours}." if left else "All of it is there.", ""]


def _stages(plan: Plan) -> list[str]:
    table = stage_table(plan)
    if table.empty:
        return [] if plan.failure else ["Nothing is left to do.", ""]
    header = ["stage", "jobs", "CPU hours", "GPU hours", "GB to fetch", "GB of results", "GB in all", "GB at peak"]
    rows = table.values.tolist()
    sums = table[["jobs", "cpu_hours", "gpu_hours", "download_gb", "output_gb"]].sum(skipna=False).tolist()
    rows.append(["all", *sums, table["total_gb"].iloc[-1], table["peak_gb"].max()])
    legend = "CPU hours are those of one core and no GPU. GPU hours: ? = nobody has measured what a GPU would take."
    return ["Stages", *_table(header, rows, [0, 0, 2, 2, 2, 2, 2, 2]), legend, ""]


def _rules(plan: Plan) -> list[str]:
    """Return the rules that cost most; the table has all of them."""
    if not plan.rules:
        return []
    largest = sorted(plan.rules, key=lambda cost: -cost.cpu_hours - cost.output_gb)[:COSTLIEST]
    table = rule_table(cost for cost in plan.rules if cost in largest).drop(columns=["stage"])
    header = ["rule", "jobs", "CPU hours", "longest job", "GPU hours", "GB", "memory asked", "needed (GB)", "rates"]
    lines = _table(header, table.values.tolist(), [0, 0, 2, 2, 2, 2, 1, 1, 0])
    return [f"Costliest rules (all: results/{plan.dataset}/plan/rules.tsv)", *lines, ""]


def _disks(plan: Plan) -> list[str]:
    rows = [[" and ".join(disk.folders), disk.now_gb, disk.end_gb, disk.peak_gb, disk.free_gb] for disk in plan.disks]
    return ["Disk (GB)", *_table(["folder", "now", "added at the end", "at peak", "free"], rows, [0, 2, 2, 2, 1]), ""]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], digits: Sequence[int]) -> list[str]:
    cells = [list(header), *([_cell(value, n) for value, n in zip(row, digits, strict=True)] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numbers = [
        all(not isinstance(row[column], str) for row in rows if row[column] != "") for column in range(len(header))
    ]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    rule = "  " + "  ".join("-" * width for width in widths)
    return [lines[0], rule, *lines[1:]]


def _cell(value: object, digits: int) -> str:
    if isinstance(value, str):
        return value
    if value != value:  # not a number
        return "?"
    return f"{value:,.{digits}f}"


def _hours(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    return [title, *[line for entry in entries for line in _wrapped("- ", entry)], ""]


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(f"{start}{text}", WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
