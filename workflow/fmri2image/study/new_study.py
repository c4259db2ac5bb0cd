"""A study of your own BIDS folder: writes its manifest and configuration, and says what is missing.

``python -m fmri2image.study.new_study BIDS NAME`` (``make new-study BIDS=… NAME=…``) reads the folder with pybids, outside
of the workflow. docs/own-data.md explains what is checked and how sets and areas are chosen.
"""

import argparse
import csv
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from fmri2image.acquire.manifests import write_manifest
from fmri2image.core.errors import ConfigError, Fmri2imageError
from fmri2image.core.files import replacing
from fmri2image.study.check import check_config
from fmri2image.study.findings import SHOWN, Findings
from fmri2image.study.own_bids import DESCRIPTION, OwnDataset, read_dataset
from fmri2image.study.own_checks import choose_timing, compare_scans, read_run_events, read_scan
from fmri2image.study.own_config import ACTIVE, BRAIN, OwnStudy, ordered, primary_area, write_config
from fmri2image.study.own_manifest import manifest_rows
from fmri2image.study.own_masks import OwnMask, check_masks, find_masks
from fmri2image.study.own_sets import LOCALIZER, assign_sets, choose_tests, parse_sets, shown_sets
from fmri2image.study.own_stimuli import Pictures, find_pictures, parse_folders, stimulus_files
from fmri2image.study.own_summary import table_of_areas, table_of_runs, table_of_sets

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Parameters
    ----------
    bids : Path
        Absolute.
    name : str
        Of the study.
    masks : str, optional
        Pattern of mask files, see `own_masks.find_masks`.
    stimuli, sets : str
        See `own_stimuli.parse_folders` and `own_sets.parse_sets`.
    config : Path
        Folder of configurations.
    force : bool
        Whether files of an earlier call may be replaced.
    """

    bids: Path
    name: str
    masks: str | None = None
    stimuli: str = ""
    sets: str = ""
    config: Path = Path("config")
    force: bool = False

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.config / f"{self.name}.yaml"

    @property
    def manifest(self) -> Path:
        """The table of the files that are used."""
        return self.config / self.name / "manifest.tsv"


def new_study(request: Request) -> tuple[Findings, list[str]]:
    """Write manifest, configuration and report of a study, and return what was found and the summary's lines.

    Raises
    ------
    ConfigError
        If the name is taken or an option is wrong.
    DataError
        If nothing in the folder can be used; nothing is written then.
    """
    _check_name(request)
    pairs, folders = parse_sets(request.sets), parse_folders(request.stimuli)
    findings = Findings()
    dataset = read_dataset(request.bids, findings)
    runs = assign_sets(dataset.runs, pairs, findings)
    dataset = OwnDataset(dataset.folder, runs, dataset.t1w, dataset.inplane, dataset.anatomical_sidecars)
    scans = {run.bold: scan for run in runs if (scan := read_scan(request.bids, run, findings))}
    compare_scans(((run, scans[run.bold]) for run in runs if run.bold in scans), findings)
    events = {
        run.bold: table
        for run in runs
        if (table := read_run_events(request.bids, run, scans.get(run.bold), findings)) is not None
    }
    shown = shown_sets(runs, events)
    split = choose_tests(shown, findings)
    used = {name: shown[name] for name in split.sets}
    pictures = find_pictures(request.bids, used, stimulus_files(runs, events), folders, findings)
    timed = [(scans[run.bold], events[run.bold]) for run in runs if run.bold in scans and run.bold in events]
    timing = choose_timing(timed, findings)
    masks = find_masks(request.bids, dataset.subjects, request.masks, findings)
    t1w = {subject: request.bids / path for subject, path in dataset.t1w.items()}
    voxels = check_masks(masks, dataset.subjects, t1w, findings)
    areas = {area: voxels[area] for area in ordered(list(voxels))}
    # A run whose events cannot be read has no known stimuli and would stop the whole workflow: it is left out.
    usable = [run for run in runs if run.bold in events]
    study = OwnStudy(
        name=request.name,
        title=_title(dataset),
        folder=str(request.bids),
        manifest=request.manifest.as_posix(),
        subjects=dataset.subjects,
        split=split,
        shown=shown,
        run_sets=_run_sets(usable, split.sets),
        stimuli={
            name: one.chapter or {"from": "folder", "folder": None, "show": True} for name, one in pictures.items()
        },
        timing=timing,
        areas=list(areas),
        inplane=all((run.subject, run.session) in dataset.inplane for run in runs),
        fmriprep=_fmriprep(request.bids),
    )
    if not areas:
        area = {ACTIVE: "the voxels that respond most to the training stimuli", BRAIN: "the whole brain"}[
            primary_area(study)
        ]
        findings.know(
            f"There are no masks of areas, so the data come from {area} (area {primary_area(study)}); name masks with "
            "MASKS='derivatives/masks/sub-{subject}/*_{area}.nii.gz'."
        )
    text = write_config(study)
    try:
        check_config(yaml.safe_load(text))
    except ConfigError as error:
        findings.fix(f"{request.config_file} is not complete: {error}")
    _write_files(request, text, dataset, masks, pictures)
    summary = [
        *table_of_runs(dataset, scans),
        "",
        *table_of_sets(shown, split.training, pictures),
        "",
        *table_of_areas(areas, dataset.subjects),
        "",
    ]
    report = [*summary, *findings.lines(None), *_closing(request, findings)]
    with replacing(request.manifest.with_name("report.txt")) as partial:
        partial.write_text("\n".join(report) + "\n", encoding="utf-8")
    return findings, [*summary, *findings.lines(SHOWN), *_closing(request, findings)]


def _check_name(request: Request) -> None:
    if not NAME.fullmatch(request.name):
        raise ConfigError(
            f"NAME is '{request.name}'; it has lower-case letters, digits and hyphens only, such as my-study."
        )
    if request.force:
        return
    if request.config_file.exists():
        raise ConfigError(
            f"{request.config_file} exists; give another NAME, or write FORCE=1 to replace it and its manifest."
        )
    for path in sorted(request.config.glob("*.yaml")):
        if re.search(rf"^dataset: {re.escape(request.name)}$", path.read_text(encoding="utf-8"), re.MULTILINE):
            raise ConfigError(f"{path} has the dataset {request.name}, and results would mix; give another NAME.")


def _title(dataset: OwnDataset) -> str:
    described = yaml.safe_load((dataset.folder / DESCRIPTION).read_text(encoding="utf-8"))
    name = described.get("Name") if isinstance(described, Mapping) else None
    return str(name or dataset.folder.name)


def _run_sets(runs: Iterable, sets: Sequence[str]) -> list[str]:
    """Return the sets of runs, those of the study first and in its order; localizers are left out."""
    found = dict.fromkeys(run.stimulus_set for run in runs if run.stimulus_set != LOCALIZER)
    return [*(name for name in sets if name in found), *(name for name in found if name not in sets)]


def _fmriprep(folder: Path) -> str:
    found = sorted(path.parent for path in folder.glob(f"derivatives/fmriprep*/{DESCRIPTION}"))
    return str(found[0]) if found else ""


def _write_files(
    request: Request, text: str, dataset: OwnDataset, masks: Sequence[OwnMask], pictures: Mapping[str, Pictures]
) -> None:
    write_manifest(request.manifest, manifest_rows(dataset, masks))
    with replacing(request.config_file) as partial:
        partial.write_text(text, encoding="utf-8")
    missing = [(name, stimulus) for name, one in pictures.items() for stimulus in one.missing]
    listed = request.manifest.with_name("missing.tsv")
    listed.unlink(missing_ok=True)
    if missing:
        with replacing(listed) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerows([("stimulus_set", "stimulus"), *missing])


def _closing(request: Request, findings: Findings) -> list[str]:
    written = f"Written: {request.config_file}, {request.manifest} and, beside it, report.txt."
    command = f".venv/bin/snakemake --configfile {request.config_file}"
    if findings.must_fix:
        return [written, f"Fix what is listed above, run make new-study again with FORCE=1, then: {command} -n"]
    return [written, f"Next: {command} -n   # what would be done; without -n it is done"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 if something must be fixed."""
    parser = argparse.ArgumentParser(prog="new-study", description="Make a study of your own BIDS folder.")
    parser.add_argument("bids", help=f"the folder that holds {DESCRIPTION}")
    parser.add_argument("name", help="of the study: lower-case letters, digits and hyphens")
    parser.add_argument(
        "--masks", help="pattern of mask files, with {subject}, {area}, {hemisphere}, {session}, * and **"
    )
    parser.add_argument("--stimuli", default="", help="folder of the pictures, or set=folder,set=folder")
    parser.add_argument(
        "--sets", default="", help="pattern=set,pattern=set; a pattern fits a session, a task or a file name"
    )
    parser.add_argument("--config", type=Path, default=Path("config"), help="folder of configurations")
    parser.add_argument("--force", action="store_true", help="replace the files of an earlier call")
    chosen = parser.parse_args(arguments)
    if not chosen.bids or not chosen.name:
        parser.error("give the folder and a name: make new-study BIDS=/data/my-study NAME=my-study")
    logger = logging.getLogger("fmri2image")
    level = logger.level
    logger.setLevel(logging.ERROR)  # warnings are part of the summary
    request = Request(
        Path(chosen.bids).expanduser().absolute(), chosen.name, chosen.masks or None, chosen.stimuli, chosen.sets, chosen.config,
        chosen.force,
    )  # fmt: skip
    try:
        findings, lines = new_study(request)
    except Fmri2imageError as error:
        print(f"new-study: {error}", file=sys.stderr)
        return 1
    finally:
        logger.setLevel(level)
    print("\n".join(lines))
    return 1 if findings.must_fix else 0


if __name__ == "__main__":
    sys.exit(main())
