"""What a run says for people: its first line, and at its end one sentence for every job that failed.

The main process of Snakemake calls these functions through the Snakefile; jobs never do. Standard library only.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError, Fmri2imageError
from fmri2image.core.job import LAST_LINE
from fmri2image.study.plan_rule import print_plan
from fmri2image.study.study import Study, load_study

PROFILES = WORKFLOW.parent / "profiles"
# Without one of these no NVIDIA, AMD or Tegra device can be reached on Linux.
DEVICE_FILES = ("nvidia[0-9]*", "dxg", "kfd", "nvhost-gpu", "nvgpu*")
ASK_TORCH = "import torch; print(torch.cuda.is_available())"


def study_or_exit(config: Mapping[str, Any], arguments: Sequence[str] = ()) -> Study:
    """Return the study of a configuration, or end the process with one sentence.

    Parameters
    ----------
    config : mapping
    arguments : sequence of str
        The command line, of which Snakemake leaves a wrong ``--workflow-profile`` unsaid.
    """
    try:
        check_profile(arguments)
        study = load_study(config)
        study.check_folders()
        return study
    except Fmri2imageError as error:
        sys.exit(str(error))


def check_profile(arguments: Sequence[str]) -> None:
    """Raise ConfigError if ``--workflow-profile`` names no profile: Snakemake would go on without any."""
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        option, _, value = argument.partition("=")
        name = value or following
        if option == "--workflow-profile" and name != "none":
            places = (Path(name), Path("profiles") / name, PROFILES / name)
            if not any(place.exists() for place in places):
                known = ", ".join(sorted(path.name for path in PROFILES.iterdir() if path.is_dir()))
                raise ConfigError(f"--workflow-profile: there is no profile '{name}'; choose one of {known}.")


def first_line(study: Study, executor: str, cores: int | None, own_environments: bool = False) -> str:
    """Return what a run is: executor, study, device, cores.

    Parameters
    ----------
    study : Study
    executor : str
        Name of Snakemake's executor, for example ``local`` or ``slurm``.
    cores : int or None
        Cores of the local executor; None says nothing.
    own_environments : bool
        Whether jobs run in conda environments or containers, whose torch is not the one of this process.
    """
    kind = " (simulated)" if study.simulated else ""
    setting = study.config["device"]
    elsewhere = own_environments or executor not in ("local", "touch")
    device = f"{setting} (each job decides)" if setting == "auto" and elsewhere else decide_device(setting)
    tail = f", {cores} core{'s' * (cores > 1)}" if cores else ""
    return f"{LAST_LINE}executor {executor}, study {study.dataset}{kind}, device {device}{tail}"


def decide_device(setting: str) -> str:
    """Return ``cpu`` or ``cuda``, as `core.device.choose_device` decides in this environment on this machine.

    Torch takes seconds to load and is asked only if its build and the files of the machine leave the answer open.
    """
    if setting != "auto":
        return setting
    spec = find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    text = version.read_text(encoding="utf-8") if version and version.is_file() else "cuda = 'unknown'"
    if not re.search(r"^(cuda|hip)\b[^=\n]*= *['\"]", text, re.MULTILINE):
        return "cpu"  # torch is built for the CPU alone
    if sys.platform.startswith("linux") and not any(any(Path("/dev").glob(name)) for name in DEVICE_FILES):
        return "cpu"
    asked = subprocess.run([sys.executable, "-c", ASK_TORCH], capture_output=True, text=True, check=False)
    return "cuda" if asked.stdout.strip() == "True" else "cpu"


def failure_lines(jobs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Return one line for every cause, from the end of the logs of failed jobs, and the traceback of an unexpected error.

    Jobs that say the same, such as all runs whose masks are wrong, share a line that names the first log.

    Parameters
    ----------
    jobs : iterable of (rule, log file or None)
    """
    lines: list[str] = []
    sentences: dict[str, list[str]] = {}
    for rule, log in sorted(jobs, key=str):
        text = Path(log).read_text(encoding="utf-8", errors="replace") if log and Path(log).is_file() else ""
        last = text.strip().rpartition("\n")[2]
        if not last.startswith(LAST_LINE):
            lines.append(f"{LAST_LINE}{rule} was stopped from outside or ran out of memory; see {log or 'its output'}.")
            continue
        sentence = last.removeprefix(LAST_LINE)
        if sentence.startswith("unexpected "):
            lines.append(text[text.rfind("Traceback") :].strip().rpartition("\n")[0].strip())
        sentences.setdefault(sentence, []).append(str(log))
    for sentence, logs in sentences.items():
        more = f" and {len(logs) - 1} more" if len(logs) > 1 else ""
        lines.append(f"{LAST_LINE}{sentence} (log: {logs[0]}{more})")
    return lines


def on_start(study: Study, workflow: Any) -> None:
    """Say what starts: on the terminal, in Snakemake's log, and as the first line of ``results/logs/<dataset>.log``.

    What every job would fail on, such as a missing container engine, ends the run here, before anything is submitted.
    """
    try:
        study.check_programs()
    except ConfigError as error:
        _say([f"{LAST_LINE}{error}"], run_log(study), "w")
        sys.exit(f"{LAST_LINE}{error}")
    executor = workflow.executor_plugin.name
    cores = workflow.resource_settings.cores if executor == "local" else None
    line = first_line(study, executor, cores, bool(workflow.deployment_settings.deployment_method))
    _say([line], run_log(study), "w")


def on_error(study: Study, workflow: Any) -> None:
    """Say at the end what failed, one sentence for every job, where it cannot be overlooked."""
    failed = [(job.rule.name, str(job.log[0]) if job.log else None) for job in workflow.scheduler.failed]
    count = "1 job" if len(failed) == 1 else f"{len(failed)} jobs"
    closing = f"{LAST_LINE}{count} failed; what was finished is kept, and the same command goes on from there."
    _say([*failure_lines(failed), *([closing] if failed else [])], run_log(study), "a")


def on_success(study: Study, workflow: Any) -> None:
    """Print what the run was asked to tell: the plan, if that was its target."""
    print_plan(study, workflow)


def run_log(study: Study) -> Path:
    """Return the file that says how the last run of a study began and ended."""
    return Path("results/logs") / f"{study.dataset}.log"


def _say(lines: Sequence[str], path: Path, mode: str) -> None:
    from snakemake.logging import logger

    for line in lines:
        logger.info(line)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:  # a full disk must not hide the sentences
        logger.warning(f"{path} could not be written ({error}).")
