"""fMRIPrep's command line, through fmriprep-docker or Apptainer, and what must be there before it starts.

Standard library only: the main process of Snakemake checks the settings before it submits anything. Esteban et al. 2019,
Nature Methods 16:111, describe fMRIPrep.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fmri2image.core.errors import ConfigError
from fmri2image.preprocess.container import apptainer_command, find_programs

VERSION = "25.2.7"
KEY = "preprocess.fmriprep"
# Places inside the container; fmriprep-docker uses the same.
DATA, OUT, SCRATCH = "/data", "/out", "/scratch"
LICENCE, TEMPLATES = "/opt/freesurfer/license.txt", "/templateflow"
# Options that the other settings give; a second mention would silently replace the first.
OWN_OPTIONS = (
    *("--participant-label", "--participant_label", "--session-label", "--task-id", "-t", "--bids-filter-file"),
    *("--output-spaces", "--output-layout", "--work-dir", "-w", "--clean-workdir", "--image", "-i"),
    *("--fs-license-file", "--fs-no-reconall", "--nthreads", "--nprocs", "--n-cpus", "--n_cpus", "--omp-nthreads"),
    *("--mem", "--mem-mb", "--mem_mb", "--skip-bids-validation", "--skip_bids_validation", "--ignore"),
    *("--slice-time-ref", "--dummy-scans", "--anat-only", "--level", "--boilerplate-only", "--boilerplate_only"),
    "--reports-only",
)


@dataclass(frozen=True)
class FmriprepSettings:
    """How fMRIPrep runs.

    Parameters
    ----------
    engine : {"docker", "apptainer"}
    image : str, optional
        Docker tag, or for Apptainer a ``.sif`` file or a ``docker://`` address; None is nipreps/fmriprep of `VERSION`.
    licence : str, optional
        FreeSurfer's licence file; None takes the environment variable FS_LICENSE.
    templateflow : str, optional
        TemplateFlow's home; None leaves it to the image. fmriprep-docker mounts no folder of its own for it, so that with
        ``docker`` it must lie inside `work`.
    work : str, optional
        Folder of intermediate results, kept after an interruption because fMRIPrep goes on from it.
    mem_mb, threads, threads_per_process : int
    surfaces : bool
        FreeSurfer's surface reconstruction, six hours or more per subject; without it coregistration uses FSL's.
    ignore : tuple of str
        Parts that are left out, as in ``--ignore``: fieldmaps, sbref, t2w, flair, fmap-jacobian.
    skip_validation : bool
        Do not validate the BIDS folder.
    options : tuple of str
        More options, word by word.
    output : str, optional
        Folder of finished fMRIPrep output: then nothing is run and it is only read.
    """

    engine: str = "docker"
    image: str | None = None
    licence: str | None = None
    templateflow: str | None = None
    work: str | None = None
    mem_mb: int = 16000
    threads: int = 8
    threads_per_process: int = 4
    surfaces: bool = True
    ignore: tuple[str, ...] = ()
    skip_validation: bool = False
    options: tuple[str, ...] = ()
    output: str | None = None

    def image_name(self) -> str:
        """Return the image that is run."""
        address = "docker://" if self.engine == "apptainer" else ""
        return self.image or f"{address}nipreps/fmriprep:{VERSION}"

    def licence_file(self) -> str | None:
        """Return FreeSurfer's licence file."""
        return self.licence or os.environ.get("FS_LICENSE")


def fmriprep_settings(chapter: Mapping) -> FmriprepSettings:
    """Return the settings of the configuration's chapter ``preprocess.fmriprep``."""
    lists = {key: tuple(value) for key, value in chapter.items() if key in ("ignore", "options")}
    return FmriprepSettings(**{**chapter, **lists})


def check_fmriprep(settings: FmriprepSettings, slice_timing: str | None = None) -> None:
    """Check what can be known before anything is submitted.

    Raises
    ------
    ConfigError
        If the finished output, the licence, the container engine, the image file, the work folder or TemplateFlow's folder
        is missing or cannot be used, an option is given twice, or a slice-timing order is asked for that fMRIPrep lacks.
    """
    if settings.output is not None:
        if not Path(settings.output).is_dir():
            raise ConfigError(f"config: {KEY}.output: {settings.output} is no folder; name fMRIPrep's finished output.")
        return
    if slice_timing == "after":
        raise ConfigError(
            "config: preprocess.slice_timing: fMRIPrep corrects slice timing before it interpolates; choose before or null."
        )
    given = [word for word in settings.options if word.partition("=")[0] in OWN_OPTIONS]
    if given:
        raise ConfigError(f"config: {KEY}.options: {given[0]} follows from other settings; take it out.")
    find_programs(settings.engine, f"{KEY}.engine")
    licence = settings.licence_file()
    if licence is None:
        raise ConfigError(
            f"config: {KEY}.licence: fMRIPrep needs FreeSurfer's licence file; name it there or in the environment variable "
            "FS_LICENSE (free at https://surfer.nmr.mgh.harvard.edu/registration.html)."
        )
    if not Path(licence).is_file() or not Path(licence).stat().st_size:
        raise ConfigError(f"config: {KEY}.licence: FreeSurfer's licence file {licence} does not exist or is empty.")
    image = settings.image_name()
    if settings.engine == "apptainer" and "://" not in image and not Path(image).exists():
        raise ConfigError(
            f"config: {KEY}.image: the image {image} does not exist; build it or name a docker:// address."
        )
    if settings.work is None:
        raise ConfigError(f"config: {KEY}.work: name a folder for fMRIPrep's intermediate results, with room for them.")
    _writable(settings.work, "work")
    if settings.templateflow is not None:
        if not Path(settings.templateflow).is_dir():
            raise ConfigError(f"config: {KEY}.templateflow: {settings.templateflow} is no folder; make it.")
        _writable(settings.templateflow, "templateflow")
        if settings.engine == "docker" and _inside(settings.templateflow, settings.work) is None:
            raise ConfigError(
                f"config: {KEY}.templateflow: fmriprep-docker shows the container only some folders; choose one inside "
                f"{KEY}.work ({settings.work}), or null for the templates in the image."
            )


def fmriprep_command(
    settings: FmriprepSettings,
    bids: str | Path,
    output: str | Path,
    subject: str,
    filters: str | Path | None = None,
    dummy_scans: int | None = None,
    slice_time_ref: float | None = None,
) -> list[str]:
    """Return the command line that preprocesses one subject.

    Parameters
    ----------
    settings : FmriprepSettings
    bids, output : path
        The raw dataset and the folder of fMRIPrep's derivatives.
    subject : str
        Label without ``sub-``.
    filters : path, optional
        JSON file with the runs to take (`bids_filter`); inside the work folder.
    dummy_scans : int, optional
        Volumes at the start of every run that later stages drop; nuisance components are made without them. None lets
        fMRIPrep find them.
    slice_time_ref : float, optional
        Moment within the volume to which slices are shifted, as a share; None leaves slice timing uncorrected.

    Returns
    -------
    command : list of str
    """
    work, licence = Path(settings.work or "work").absolute(), settings.licence_file()
    bids, output = Path(os.path.realpath(bids)), Path(output).absolute()
    filters = None if filters is None else Path(filters).absolute()
    words = _options(settings, subject, dummy_scans, slice_time_ref)
    if settings.engine == "docker":
        templates = settings.templateflow and f"{SCRATCH}/{_inside(settings.templateflow, work)}"
        return [
            *(find_programs("docker", f"{KEY}.engine")[1], "--no-tty", "--image", settings.image_name()),
            *("--user", f"{os.getuid()}:{os.getgid()}"),
            *(["--env", "TEMPLATEFLOW_HOME", templates] if templates else []),
            *(str(bids), str(output), "participant"),
            *("--work-dir", str(work)),
            *(["--fs-license-file", str(Path(licence).absolute())] if licence else []),
            *(["--bids-filter-file", str(filters)] if filters else []),
            *words,
        ]
    mounts = [(str(bids), f"{DATA}:ro"), (str(output), OUT), (str(work), SCRATCH)]
    variables = {}
    if licence:
        mounts.append((str(Path(licence).absolute()), f"{LICENCE}:ro"))
        words = ["--fs-license-file", LICENCE, *words]
    if filters:
        words = ["--bids-filter-file", f"{SCRATCH}/{filters.relative_to(work)}", *words]
    if settings.templateflow:
        mounts.append((str(Path(settings.templateflow).absolute()), TEMPLATES))
        variables["TEMPLATEFLOW_HOME"] = TEMPLATES
    program, image = find_programs("apptainer", f"{KEY}.engine")[0], settings.image_name()
    image = image if "://" in image else str(Path(image).absolute())
    words = [DATA, OUT, "participant", "--work-dir", SCRATCH, *words]
    return apptainer_command(program, image, mounts, variables, words)


def _options(
    settings: FmriprepSettings, subject: str, dummy_scans: int | None, slice_time_ref: float | None
) -> list[str]:
    """Return the options that need no path."""
    ignore = [*settings.ignore, *(["slicetiming"] if slice_time_ref is None else [])]
    return [
        *("--participant-label", subject),
        *("--output-spaces", "T1w"),
        *("--output-layout", "bids"),
        *("--nthreads", str(settings.threads)),
        *("--omp-nthreads", str(min(settings.threads_per_process, settings.threads))),
        # Spelt with an underscore because fmriprep-docker else asks on the terminal where memory is scarce.
        *("--mem_mb", str(settings.mem_mb)),
        *(["--ignore", *dict.fromkeys(ignore)] if ignore else []),
        *([] if slice_time_ref is None else ["--slice-time-ref", f"{slice_time_ref:g}"]),
        *([] if dummy_scans is None else ["--dummy-scans", str(dummy_scans)]),
        *([] if settings.surfaces else ["--fs-no-reconall"]),
        *(["--skip-bids-validation"] if settings.skip_validation else []),
        *settings.options,
    ]


def _inside(path: str | Path, folder: str | Path) -> str | None:
    """Return the path relative to a folder that holds it, None if it does not."""
    real, holder = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return str(real.relative_to(holder)) if real.is_relative_to(holder) else None


def _writable(folder: str, key: str) -> None:
    """Raise ConfigError unless a folder can be written to, or made."""
    path = Path(folder).absolute()
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"config: {KEY}.{key}: {folder} cannot be written to; choose another folder.")
