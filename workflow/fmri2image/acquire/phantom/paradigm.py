"""Paradigm of the simulated experiment: sessions, runs, blocks and file names (Shen et al. 2019, at small size).

Everything here is known before anything is simulated, so that a workflow can list its outputs; only light imports.

Settings are one plain dict (configuration key ``simulate``); this module uses

``dialect``
    ``ds001506`` (default) or ``ds001246``: the public dataset whose events and sidecars the files follow.
``repetition_time``
    Seconds.
``initial_rest``, ``final_rest``
    Seconds.
``stimulus_sets``
    From the name of a set to ``kind`` (``perception``, the default, or ``imagery``), ``session`` (name without number),
    ``runs`` (runs of each session: a list, or a mapping from subject to list with the key ``default``) and ``repeats``
    (presentations of every image, all runs together). Perception also has ``images``, ``one_back`` (repetition blocks
    per run), ``block`` (seconds) and ``rest`` (seconds after every block); imagery has ``from`` (how many images of
    which other set) and the seconds of ``cue``, ``imagery``, ``evaluation`` and ``rest`` (defaults: `IMAGERY_TIMES`).
"""

from collections.abc import Mapping

import pandas as pd

from fmri2image.core.errors import ConfigError

PERCEPTION, IMAGERY = "perception", "imagery"
DIALECTS = ("ds001506", "ds001246")
# Seconds of a trial of ds001506's imagery sessions (its events files).
IMAGERY_TIMES = {"cue": 4.0, "imagery": 8.0, "evaluation": 3.0, "rest": 1.0}
# Keys of a stimulus set that only one of the two tasks has.
ONLY_IN = {PERCEPTION: ("images", "one_back", "block"), IMAGERY: ("from", "cue", "imagery", "evaluation")}
HEMISPHERES = ("LH", "RH")
AREAS = ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "LOC", "FFA", "PPA", "HVC")


def dialect(settings: Mapping) -> str:
    """Return the dialect of events and sidecars; raises ConfigError if it is unknown."""
    name = settings.get("dialect", DIALECTS[0])
    if name not in DIALECTS:
        raise ConfigError(f"simulate: dialect: '{name}' is unknown; there are {', '.join(DIALECTS)}.")
    return name


def task(part: Mapping) -> str:
    """Return the task of a stimulus set, ``perception`` or ``imagery``."""
    return part.get("kind", PERCEPTION)


def tasks(settings: Mapping) -> list[str]:
    """Return the tasks of the experiment in the order in which they appear."""
    return list(dict.fromkeys(task(part) for part in settings["stimulus_sets"].values()))


def n_images(part: Mapping) -> int:
    """Return the number of images of a stimulus set."""
    if task(part) != IMAGERY:
        return part["images"]
    return sum(chosen if isinstance(chosen, int) else len(chosen) for chosen in part["from"].values())


def session_runs(settings: Mapping, stimulus_set: str, subject: str) -> list[int]:
    """Return the number of runs of each session of a stimulus set; raises ConfigError if nothing says it."""
    runs = settings["stimulus_sets"][stimulus_set]["runs"]
    if not isinstance(runs, Mapping):
        return list(runs)
    if "default" not in runs:
        raise ConfigError(f"simulate: stimulus_sets: {stimulus_set}: runs needs the key 'default'.")
    return list(runs.get(subject, runs["default"]))


def for_subject(settings: Mapping, subject: str) -> dict:
    """Return the settings with the runs of one subject, so that another subject's runs do not count."""
    sets = {
        name: {**part, "runs": session_runs(settings, name, subject)}
        for name, part in settings["stimulus_sets"].items()
    }
    return {**settings, "stimulus_sets": sets}


def trial_times(part: Mapping) -> dict[str, float]:
    """Return the seconds of ``cue``, ``block``, ``evaluation`` and ``rest``, which follow each other in a trial."""
    if task(part) == PERCEPTION:
        return {"cue": 0.0, "block": float(part["block"]), "evaluation": 0.0, "rest": float(part["rest"])}
    times = {key: float(part.get(key, default)) for key, default in IMAGERY_TIMES.items()}
    return {"cue": times["cue"], "block": times["imagery"], "evaluation": times["evaluation"], "rest": times["rest"]}


def run_table(settings: Mapping, subject: str) -> pd.DataFrame:
    """List the runs of a subject.

    Returns
    -------
    runs : DataFrame
        ``session``, ``task``, ``run`` (two digits, counted anew in every session), ``stimulus_set``, ``run_index``
        (within the set), ``n_blocks`` (without one-back repetitions), ``n_one_back``, then in seconds ``cue``,
        ``block`` (the imagery period in imagery), ``evaluation`` and ``rest``, which follow each other, and
        ``n_volumes``.

    Raises
    ------
    ConfigError
        If the presentations of a set cannot be shared equally between the subject's runs, or a run is not a whole
        number of volumes.
    """
    rows = []
    for name, part in settings["stimulus_sets"].items():
        runs = session_runs(settings, name, subject)
        plan = _run_plan(settings, name, part, sum(runs), subject)
        index = 0
        for session_number, in_session in enumerate(runs, start=1):
            for run in range(1, in_session + 1):
                session = f"{part['session']}{session_number:02d}"
                rows.append({"session": session, "run": f"{run:02d}", "stimulus_set": name, "run_index": index, **plan})
                index += 1
    return pd.DataFrame(rows)


def _run_plan(settings: Mapping, name: str, part: Mapping, n_runs: int, subject: str) -> dict:
    """Return what all runs of a stimulus set have in common."""
    where = f"simulate: stimulus_sets: {name}"
    wrong = [key for key in ONLY_IN[PERCEPTION if task(part) == IMAGERY else IMAGERY] if key in part]
    if wrong:
        raise ConfigError(f"{where}: {', '.join(wrong)}: {task(part)} has no such key; remove it or change kind.")
    presentations = n_images(part) * part["repeats"]
    if n_runs < 1 or presentations % n_runs:
        raise ConfigError(
            f"{where}: {n_images(part)} images × {part['repeats']} repeats cannot be shared equally between the "
            f"{n_runs} runs of sub-{subject}; change images, repeats or runs."
        )
    n_blocks = presentations // n_runs
    times = trial_times(part)
    n_one_back = part.get("one_back", 0)
    if n_one_back > n_blocks:
        raise ConfigError(f"{where}: one_back exceeds the {n_blocks} blocks of a run.")
    seconds = settings["initial_rest"] + settings["final_rest"] + (n_blocks + n_one_back) * sum(times.values())
    n_volumes = round(seconds / settings["repetition_time"])
    if abs(n_volumes * settings["repetition_time"] - seconds) > 1e-6:
        raise ConfigError(
            f"{where}: a run of {seconds} s is not a whole number of volumes of {settings['repetition_time']} s; "
            "change block, rest or repetition_time."
        )
    return {"task": task(part), "n_blocks": n_blocks, "n_one_back": n_one_back, **times, "n_volumes": n_volumes}


def run_stem(subject: str, session: str, run: str, task: str) -> str:
    """Return the path of a run relative to the dataset, up to and without the suffix (``_bold.nii.gz``, …)."""
    return f"sub-{subject}/ses-{session}/func/sub-{subject}_ses-{session}_task-{task}_run-{run}"


def bold_sidecar(settings: Mapping, subject: str, session: str, run: str, task: str) -> str:
    """Return the JSON file of a run's BOLD, relative to the dataset: ds001246 has one per task, at the top."""
    if dialect(settings) == "ds001246":
        return f"task-{task}_bold.json"
    return f"{run_stem(subject, session, run, task)}_bold.json"


def inplane_stem(subject: str, session: str) -> str:
    """Return the path of the in-plane T2-weighted image of a session, without ``.nii.gz``."""
    return f"sub-{subject}/ses-{session}/anat/sub-{subject}_ses-{session}_inplaneT2"


def t1w_stem(subject: str) -> str:
    """Return the path of the T1-weighted image of a subject, without ``.nii.gz``."""
    return f"sub-{subject}/ses-anatomy/anat/sub-{subject}_ses-anatomy_T1w"


def mask_path(subject: str, hemisphere: str, area: str) -> str:
    """Return the path of an area mask relative to the dataset."""
    return f"sourcedata/sub-{subject}/anat/sub-{subject}_mask_{hemisphere}_{area}.nii.gz"


def bids_files(subject: str, settings: Mapping) -> list[str]:
    """List all files of one subject relative to the dataset, masks included, without making any."""
    runs = run_table(settings, subject)
    ends = [".nii.gz", ".json"] if dialect(settings) == "ds001506" else [".nii.gz"]
    files = [f"{t1w_stem(subject)}{end}" for end in ends]
    for session in runs["session"].unique():
        files += [f"{inplane_stem(subject, session)}{end}" for end in ends]
    for row in runs.to_dict("records"):
        stem = run_stem(subject, row["session"], row["run"], row["task"])
        files += [f"{stem}_bold{end}" for end in ends] + [f"{stem}_events.tsv"]
    return files + [mask_path(subject, side, area) for side in HEMISPHERES for area in AREAS]


def dataset_files(settings: Mapping) -> list[str]:
    """List the files of the dataset that belong to no subject."""
    files = ["dataset_description.json", "README", "CHANGES", "participants.tsv", "participants.json"]
    files += [f"task-{name}_events.json" for name in tasks(settings)]
    if dialect(settings) == "ds001246":
        files += [f"task-{name}_bold.json" for name in tasks(settings)] + ["T1w.json", "inplaneT2.json"]
    return files
