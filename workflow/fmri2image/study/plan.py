"""Budget before a run: downloads, disk, jobs and hours, from the manifests, a dry run and measured rates.

docs/plan.md says how the estimates are made and how wrong they may be.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmri2image.study.plan_amounts import Amounts
from fmri2image.study.plan_downloads import Download, downloads, needed
from fmri2image.study.plan_jobs import Job
from fmri2image.study.plan_rates import STAGES, Rate, rates_of
from fmri2image.study.study import Study

DOWNLOADED = "resources/downloaded"
# Rules whose jobs work on a GPU where there is one; others say so by asking for it.
GPU_RULES = ("train_network", "extract_features", "decode_features", "fit_method", "reconstruct_images", "judge_images")
UNKNOWN = Rate("other", "", "jobs", 10.0, 1, None, 1.0, 0.0, 0.0, "guess")  # a rule that the table lacks


@dataclass(frozen=True)
class RuleCost:
    """Estimate for all jobs of a rule.

    Parameters
    ----------
    stage, rule : str
    jobs : int
    cpu_hours : float
        Of one core.
    longest_hours : float
        CPU hours of the longest job.
    gpu_hours : float or None
        None if somebody has yet to measure it.
    asks_gpu : bool
        Whether its jobs work on a GPU where there is one.
    output_gb, temporary_gb : float
        Files that stay, and the most that one job deletes at its end.
    declared_mb, needed_mb : float
        Memory that the rule asks for, and that its largest job needs by the table.
    measured : str
        First words of the sources: measured, scaled, guess.
    """

    stage: str
    rule: str
    jobs: int
    cpu_hours: float
    longest_hours: float
    gpu_hours: float | None
    asks_gpu: bool
    output_gb: float
    temporary_gb: float
    declared_mb: float
    needed_mb: float
    measured: str


@dataclass(frozen=True)
class Disk:
    """One file system.

    Parameters
    ----------
    folders : tuple of str
        Folders of the study that lie on it.
    now_gb : float
        What the study has there.
    end_gb, peak_gb : float
        What is to be added by the end of a run, and the most during it.
    free_gb : float
    """

    folders: tuple[str, ...]
    now_gb: float
    end_gb: float
    peak_gb: float
    free_gb: float


@dataclass(frozen=True)
class Plan:
    """A study's budget.

    Parameters
    ----------
    dataset, title : str
    failure : str
        Why there are no jobs, empty if there are.
    downloads : list of Download
    rules : list of RuleCost
        In the order of the stages.
    disks : list of Disk
    skipped : list of (what, reason)
    warnings, notes : list of str
    """

    dataset: str
    title: str
    failure: str
    downloads: list[Download]
    rules: list[RuleCost]
    disks: list[Disk]
    skipped: list[tuple[str, str]]
    warnings: list[str]
    notes: list[str]


def make_plan(study: Study, jobs: Sequence[Job] | None, rates: Mapping[str, list[Rate]], failure: str = "") -> Plan:
    """Return the budget of a study.

    Parameters
    ----------
    study : Study
    jobs : sequence of Job or None
        What a run would start now; None if the dry run failed.
    rates : mapping
        Of `fmri2image.study.plan_rates.read_rates`.
    failure : str
        Why `jobs` is None.
    """
    amounts = Amounts(study)
    wanted = downloads(study, amounts)
    if jobs is not None:
        wanted = needed(wanted, jobs)
    amounts.downloads = {one.target: one.left / 1e9 for one in wanted if one.left}
    costs = rule_costs(jobs or [], rates, amounts)
    disks = disk_needs(study, wanted, costs)
    return Plan(
        study.dataset,
        study.config["title"],
        failure,
        wanted,
        costs,
        disks,
        [(one.what, one.reason) for one in study.skipped],
        [*disk_warnings(disks), *memory_warnings(costs), *time_warnings(jobs or [], rates, amounts)],
        [*amounts.notes, *_unknown_rules(costs)],
    )


def job_cost(job: Job, rates: Iterable[Rate], amounts: Amounts) -> dict[str, float | None]:
    """Return CPU and GPU seconds and MB of one job; GPU seconds are None if any row that costs time lacks them."""
    total: dict[str, float | None] = {"cpu": 0.0, "gpu": 0.0, "output": 0.0, "temporary": 0.0, "memory": 0.0}
    for rate in rates:
        amount = amounts.amount(rate.driver, job)
        for key, value in (
            ("cpu", rate.cpu_seconds),
            ("output", rate.output_mb),
            ("temporary", rate.temporary_mb),
            ("memory", rate.memory_mb),
        ):
            total[key] += value * amount
        if rate.driver != "jobs" and rate.cpu_seconds * amount:  # what a job costs to start, it costs the CPU
            unmeasured = rate.gpu_seconds is None or total["gpu"] is None
            total["gpu"] = None if unmeasured else total["gpu"] + rate.gpu_seconds * amount
    return total


def rule_costs(jobs: Sequence[Job], rates: Mapping[str, list[Rate]], amounts: Amounts) -> list[RuleCost]:
    """Return the estimate of every rule, by stage."""
    by_rule: dict[str, list[Job]] = {}
    for job in jobs:
        rows = rates_of(job.rule, rates)
        by_rule.setdefault(rows[0].rule if rows else job.rule, []).append(job)
    found = []
    for rule, mine in by_rule.items():
        rows = rates_of(rule, rates) or [UNKNOWN]
        costs = [job_cost(job, rows, amounts) for job in mine]
        gpu = None if any(cost["gpu"] is None for cost in costs) else sum(cost["gpu"] for cost in costs) / 3600
        found.append(
            RuleCost(
                stage=rows[0].stage,
                rule=rule,
                jobs=len(mine),
                cpu_hours=sum(cost["cpu"] for cost in costs) / 3600,
                longest_hours=max(cost["cpu"] for cost in costs) / 3600,
                gpu_hours=gpu,
                asks_gpu=any(job.gpu for job in mine)
                or (rule in GPU_RULES and amounts.study.config["device"] != "cpu"),
                output_gb=sum(cost["output"] for cost in costs) / 1e3,
                temporary_gb=max(cost["temporary"] for cost in costs) / 1e3,
                declared_mb=min(job.mem_mb for job in mine),
                needed_mb=max(cost["memory"] for cost in costs),
                measured="/".join(dict.fromkeys(row.source.split()[0].strip(",:;") for row in rows)),
            )
        )
    return sorted(found, key=lambda cost: STAGES.index(cost.stage))


# Disk -----------------------------------------------------------------------------------------------------------------


def disk_needs(study: Study, wanted: Sequence[Download], costs: Sequence[RuleCost]) -> list[Disk]:
    """Return what a run adds to each file system; results and downloads may share one."""
    # Nothing is deleted during a run but what a job deletes at its own end, so that the peak comes with the largest of these.
    end = {DOWNLOADED: sum(one.left for one in wanted) / 1e9, study.root: 0.0}
    for cost in costs:
        end[DOWNLOADED if cost.rule == "convert_weights" else study.root] += cost.output_gb
    temporary = max((cost.temporary_gb for cost in costs), default=0.0)
    there = {folder: _folder_gb(Path(folder)) for folder in end}
    there[DOWNLOADED] = sum(one.there for one in wanted) / 1e9
    groups: dict[int, list[str]] = {}
    for folder in end:
        groups.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    found = []
    for folders in groups.values():
        added = sum(end[folder] for folder in folders)
        peak = added + (temporary if study.root in folders else 0.0)
        free = shutil.disk_usage(_existing(folders[0])).free / 1e9
        found.append(Disk(tuple(folders), sum(there[folder] for folder in folders), added, peak, free))
    return found


def _existing(folder: str) -> Path:
    path = Path(folder).absolute()
    while not path.exists():
        path = path.parent
    return path


def _folder_gb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


# Warnings -------------------------------------------------------------------------------------------------------------


def disk_warnings(disks: Iterable[Disk]) -> list[str]:
    """Return a sentence for every file system that is too small."""
    return [
        f"the disk of {' and '.join(disk.folders)} is too small: {disk.peak_gb:.1f} GB are to be written and "
        f"{disk.free_gb:.1f} GB are free; make room, take fewer subjects, or link the folder to a larger disk."
        for disk in disks
        if disk.peak_gb > disk.free_gb
    ]


def memory_warnings(costs: Iterable[RuleCost]) -> list[str]:
    """Return a sentence for every rule that asks for less memory than it needs."""
    return [
        f"rule {cost.rule} asks for {cost.declared_mb / 1e3:.1f} GB of memory and its largest job needs about "
        f"{cost.needed_mb / 1e3:.1f} GB; run it where there is as much, and raise its mem_mb on a cluster."
        for cost in costs
        if 0 < cost.declared_mb < cost.needed_mb
    ]


def time_warnings(jobs: Iterable[Job], rates: Mapping[str, list[Rate]], amounts: Amounts) -> list[str]:
    """Return a sentence for every rule whose longest job takes longer than it asks for."""
    longest: dict[str, tuple[float, float]] = {}
    for job in jobs:
        rows = rates_of(job.rule, rates) or [UNKNOWN]
        hours, declared = job_cost(job, rows, amounts)["cpu"] / 3600, job.runtime / 60
        if declared and hours > declared:
            rule = rows[0].rule if rows[0] is not UNKNOWN else job.rule
            longest[rule] = max(longest.get(rule, (0.0, 0.0)), (hours, declared))
    return [
        f"rule {rule} asks a cluster for {declared:.1f} h and its longest job takes about {hours:.1f} h on one core; "
        "raise its runtime there, or give it a GPU if it can use one."
        for rule, (hours, declared) in longest.items()
    ]


def _unknown_rules(costs: Iterable[RuleCost]) -> list[str]:
    names = [cost.rule for cost in costs if cost.stage == "other"]
    return [f"resources/rates.tsv has no row for {', '.join(names)}; 10 s a job are assumed"] if names else []
