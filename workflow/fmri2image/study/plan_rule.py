"""What the rule `plan` needs of Snakemake, and how its text reaches the terminal. Only light imports."""

import sys
import time
from pathlib import Path
from typing import Any

from fmri2image.study.study import Study


def plan_settings(study: Study, workflow: Any) -> dict:
    """Return the configuration in force, and what starts a dry run.

    The time is among them so that the rule runs whenever it is asked for: its result depends on what is there.
    """
    return {
        "config": study.config,
        "python": sys.executable,
        "snakefile": str(Path(workflow.main_snakefile).absolute()),
        "time": time.time(),
    }


def plan_file(study: Study) -> str:
    """Return the file with the plan's text."""
    return f"{study.root}/plan/plan.txt"


def print_plan(study: Study, workflow: Any) -> None:
    """Print the plan to standard output if this run has made it."""
    path = plan_file(study)
    if any(job.rule.name == "plan" for job in workflow.dag.finished_jobs) and Path(path).is_file():
        print(f"\n{Path(path).read_text(encoding='utf-8')}", flush=True)
