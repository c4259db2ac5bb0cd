"""Where another program's preprocessed runs lie: a tree of fMRIPrep, or any folder whose names follow a pattern.

Nothing here reads an image, because rules ask for these files too.
"""

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError

PLACES = ("subject", "session", "task", "run")
# Generic object decoding (OpenNeuro ds001246): SPM's realigned and coregistered runs; the first 3 volumes, 9 s, are gone.
PRESETS = {
    "preproc-spm": {
        "bold": "output/sub-{subject}/ses-{session}/func/"
        "sub-{subject}_ses-{session}_task-{task}_run-{run}_bold_preproc.nii.gz",
        "discarded_volumes": 3,
        "software": "SPM",
    }
}
# Entities that tell apart raw runs, beside `PLACES`.
OTHER_RUNS = ("acq", "ce", "rec", "dir")
# Entities that tell apart versions of the same run; fMRIPrep's output for us has none of them.
OTHER_VERSIONS = ("echo", "part", "res", "hemi", "den", "cohort")


@dataclass(frozen=True)
class RunFiles:
    """Another program's files of one run.

    Parameters
    ----------
    bold : Path
        Preprocessed, in the space of the T1-weighted image.
    n_discarded : int
        Volumes at the start that the program has dropped already.
    generated_by : dict
        ``Name`` and ``Version`` of the program.
    confounds, reference, mask : Path, optional
        Table of confounds, mean image, brain mask.
    """

    bold: Path
    n_discarded: int = 0
    generated_by: dict = field(default_factory=dict)
    confounds: Path | None = None
    reference: Path | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class DerivativesSettings:
    """Preprocessed runs whose names follow a pattern.

    Parameters
    ----------
    folder : str
    bold : str
        Path of a run below the folder, with {subject}, {session}, {task} and {run}.
    discarded_volumes : int
        Volumes at the start that are dropped already; onsets in events.tsv count from the start of the scan.
    mask : str, optional
        Path of a brain mask below the folder, with the same places.
    software, version : str
        What made them.
    """

    folder: str
    bold: str
    discarded_volumes: int = 0
    mask: str | None = None
    software: str = "unknown"
    version: str = "unknown"


def derivatives_settings(chapter: Mapping) -> DerivativesSettings:
    """Return the settings of the configuration's chapter ``preprocess.derivatives``; its ``preset`` fills what is not given.

    Raises
    ------
    ConfigError
        If the preset is unknown, ``folder`` or ``bold`` is missing, or a pattern has a place that does not exist.
    """
    key = "config: preprocess.derivatives"
    preset = chapter.get("preset")
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"{key}.preset: '{preset}' is unknown; there are {shorten(sorted(PRESETS))}.")
    own = {name: value for name, value in chapter.items() if name != "preset" and value is not None}
    values = {**PRESETS.get(preset, {}), **own}
    for name in ("folder", "bold"):
        if name not in values:
            raise ConfigError(f"{key}: '{name}' is missing; name where the preprocessed runs are.")
    unknown = set(values) - {entry.name for entry in fields(DerivativesSettings)}
    if unknown:
        raise ConfigError(f"{key}: unknown key {shorten(sorted(unknown))}.")
    for name in ("bold", "mask"):
        try:
            parts = [part for part in string.Formatter().parse(values.get(name) or "") if part[1] is not None]
        except ValueError as error:
            raise ConfigError(f"{key}.{name}: '{values[name]}' cannot be read ({error}).") from error
        wrong = [place for _, place, kind, how in parts if kind or how or place not in PLACES]
        if wrong:
            raise ConfigError(
                f"{key}.{name}: {{{wrong[0]}}} is no part of a run's name; there are {', '.join(PLACES)}."
            )
    return DerivativesSettings(**values)


def derivative_run(settings: DerivativesSettings, run: Mapping[str, str]) -> RunFiles:
    """Return the files of a run, whose keys are `PLACES`.

    Raises
    ------
    DataError
        If the BOLD file or the mask that the settings name does not exist.
    """
    paths = {}
    for name in ("bold", "mask"):
        pattern = getattr(settings, name)
        if pattern is not None:
            paths[name] = Path(settings.folder) / pattern.format(**run)
            if not paths[name].is_file():
                raise DataError(
                    f"{paths[name]} does not exist; correct preprocess.derivatives ({name}, folder) or get it."
                )
    made = {"Name": settings.software, "Version": settings.version}
    return RunFiles(n_discarded=settings.discarded_volumes, generated_by=made, **paths)


def raw_names(path: str | Path) -> dict:
    """Return what the name of a raw BOLD file says of its run, as `find_run` takes it.

    Returns
    -------
    names : dict
        ``subject``, ``session``, ``task``, ``run`` and ``other``, a mapping of `OTHER_RUNS`; None where the name has no
        such entity.
    """
    given = _entities(Path(path).name)[0]
    places = {place: given.get(key) for place, key in zip(PLACES, ("sub", "ses", "task", "run"), strict=True)}
    return {**places, "other": {key: given.get(key) for key in OTHER_RUNS}}


def find_run(
    tree: str | Path,
    subject: str,
    session: str | None,
    task: str,
    run: str | None,
    generated_by: Mapping | None = None,
    other: Mapping[str, str | None] | None = None,
) -> RunFiles:
    """Find fMRIPrep's files of a run in T1w space.

    Names are compared entity by entity, so that ``run-1`` and ``run-01`` are the same run. Confounds were called
    ``desc-confounds_regressors`` until fMRIPrep 20.1; the folder ``fmriprep`` was part of the output until 21.0.

    Parameters
    ----------
    tree : path
        Output folder of fMRIPrep.
    subject, task : str
        Labels.
    session, run : str or None
        None where the raw names have no such entity.
    generated_by : mapping, optional
        `fmriprep_version` of the tree.
    other : mapping, optional
        `OTHER_RUNS` of the raw name; not compared if it is not given.

    Raises
    ------
    DataError
        If BOLD or confounds are missing, or two files fit.
    """
    wanted = {"sub": subject, "ses": session, "task": task, "run": run, **(other or {})}
    name = "_".join(f"{key}-{value}" for key, value in wanted.items() if value is not None)
    folders = [
        Path(tree) / part / f"sub-{subject}" / (f"ses-{session}" if session else "") for part in ("", "fmriprep")
    ]
    files = [file for folder in folders for file in sorted(folder.glob("func/*")) if _same_run(file.name, wanted)]
    bold = _only(files, name, "bold", (".nii.gz", ".nii"), space="T1w", desc="preproc")
    if bold is None:
        spaces = sorted({_entities(file.name)[0].get("space", "native") for file in files if "_bold.nii" in file.name})
        there = f"it has {shorten(spaces)} space" if spaces else "it has none of this run"
        raise DataError(
            f"{tree} holds no BOLD in T1w space, {name}_space-T1w_desc-preproc_bold.nii.gz ({there}); run fMRIPrep on it "
            "with --output-spaces T1w."
        )
    table = [_only(files, name, suffix, (".tsv",), desc="confounds") for suffix in ("timeseries", "regressors")]
    confounds = table[0] or table[1]
    if confounds is None:
        raise DataError(f"{tree} holds no {name}_desc-confounds_timeseries.tsv beside {bold.name}; run fMRIPrep again.")
    return RunFiles(
        bold,
        0,  # fMRIPrep marks volumes before the steady state but drops none
        dict(generated_by or {}),
        confounds,
        _only(files, name, "boldref", (".nii.gz", ".nii"), space="T1w"),
        _only(files, name, "mask", (".nii.gz", ".nii"), space="T1w", desc="brain"),
    )


def fmriprep_version(tree: str | Path) -> dict[str, str]:
    """Return ``Name`` and ``Version`` of what made a tree, from its dataset_description.json.

    Raises
    ------
    DataError
        If the file is missing, is not JSON, or does not name fMRIPrep.
    """
    name = "dataset_description.json"
    path = next(
        (file for file in (Path(tree) / name, Path(tree) / "fmriprep" / name) if file.is_file()), Path(tree) / name
    )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; {tree} is no output folder of fMRIPrep.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON ({error}); get the file again.") from error
    makers = [*content.get("GeneratedBy", []), content.get("PipelineDescription", {})]  # the latter until fMRIPrep 20.1
    for maker in makers:
        if str(maker.get("Name", "")).lower() == "fmriprep":
            return {"Name": "fMRIPrep", "Version": str(maker.get("Version", "unknown"))}
    raise DataError(f"{path} does not say that fMRIPrep made {tree}; name the folder of its derivatives.")


def _entities(name: str) -> tuple[dict[str, str], str, str]:
    """Split a BIDS name into entities, suffix and extension."""
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    pairs = (part.partition("-") for part in parts)
    return {key: value for key, _, value in pairs}, suffix, dot + extension


def _same_run(name: str, wanted: Mapping[str, str | None]) -> bool:
    entities = _entities(name)[0]
    if any(key in entities for key in OTHER_VERSIONS):
        return False
    return all(_label(entities.get(key)) == _label(value) for key, value in wanted.items())


def _label(value: str | None) -> str | None:
    """Return a label without the zeros that pad a number."""
    return re.sub(r"^0+(?=\d+$)", "", value) if value else None


def _only(
    files: list[Path],
    run: str,
    suffix: str,
    extensions: tuple[str, ...],
    space: str | None = None,
    desc: str | None = None,
) -> Path | None:
    found = []
    for file in files:
        entities, own, extension = _entities(file.name)
        if (entities.get("space"), entities.get("desc"), own) == (space, desc, suffix) and extension in extensions:
            found.append(file)
    if len(found) > 1:
        raise DataError(f"{found[0]} and {found[1]} both are the {suffix} of {run}; remove one.")
    return found[0] if found else None
