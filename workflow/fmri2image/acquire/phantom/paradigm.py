"""Paradigm of the simulated experiment: sessions, runs, blocks and file names (Shen et al. 2019, at small size).

Everything here is known before anything is simulated, so that a workflow can list its outputs; only light imports.

Settings are one plain dict (configuration key ``simulate``); this module uses

``subjects``
    Labels, e.g. ``["01", "02"]``.
``repetition_time``
    Seconds.
``initial_rest``, ``final_rest``
    Seconds.
``stimulus_sets``
    From the name of a set to ``session`` (name without number), ``runs`` (list: runs of each session), ``images``,
    ``repeats`` (presentations of every image, all runs together), ``one_back`` (repetition blocks per run), ``block``
    (seconds) and ``rest`` (seconds after every block).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fmri2image.core.errors import ConfigError

TASK = "perception"
HEMISPHERES = ("LH", "RH")
AREAS = ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "LOC", "FFA", "PPA", "HVC")
STIMULUS, ONE_BACK, INITIAL_REST, FINAL_REST, INTER_TRIAL_REST = 1, 2, -1, -2, -3
EVENT_COLUMNS = (
    "onset", "duration", "event_type", "stimulus_id", "stimulus_name", "category_index", "image_index", "response_time",
)  # fmt: skip


def run_table(settings: Mapping) -> pd.DataFrame:
    """List the runs of the experiment, which are the same for every subject.

    Returns
    -------
    runs : DataFrame
        ``session``, ``task``, ``run`` (two digits, counted anew in every session), ``stimulus_set``, ``run_index``
        (within the set), ``n_blocks`` (without one-back repetitions), ``n_one_back``, ``block`` and ``rest`` (s),
        ``n_volumes``.

    Raises
    ------
    ConfigError
        If the presentations of a set cannot be shared equally between its runs, or a run is not a whole number of
        volumes.
    """
    repetition_time = settings["repetition_time"]
    rows = []
    for name, part in settings["stimulus_sets"].items():
        presentations, n_runs = part["images"] * part["repeats"], sum(part["runs"])
        if n_runs < 1 or presentations % n_runs:
            raise ConfigError(
                f"simulate: stimulus_sets: {name}: {part['images']} images × {part['repeats']} repeats cannot be "
                f"shared equally between {n_runs} runs; change images, repeats or runs."
            )
        n_blocks = presentations // n_runs
        if part["one_back"] > n_blocks:
            raise ConfigError(f"simulate: stimulus_sets: {name}: one_back exceeds the {n_blocks} blocks of a run.")
        seconds = settings["initial_rest"] + settings["final_rest"]
        seconds += (n_blocks + part["one_back"]) * (part["block"] + part["rest"])
        n_volumes = round(seconds / repetition_time)
        if abs(n_volumes * repetition_time - seconds) > 1e-6:
            raise ConfigError(
                f"simulate: stimulus_sets: {name}: a run of {seconds} s is not a whole number of volumes of "
                f"{repetition_time} s; change block, rest or repetition_time."
            )
        index = 0
        for session_number, in_session in enumerate(part["runs"], start=1):
            for run in range(1, in_session + 1):
                rows.append({
                    "session": f"{part['session']}{session_number:02d}", "task": TASK, "run": f"{run:02d}",
                    "stimulus_set": name, "run_index": index, "n_blocks": n_blocks, "n_one_back": part["one_back"],
                    "block": float(part["block"]), "rest": float(part["rest"]), "n_volumes": n_volumes,
                })  # fmt: skip
                index += 1
    return pd.DataFrame(rows)


def subject_session_runs(settings: Mapping) -> list[tuple[str, str, str]]:
    """Return every (subject, session, run) of the experiment."""
    runs = run_table(settings)
    return [(s, *pair) for s in settings["subjects"] for pair in zip(runs["session"], runs["run"], strict=True)]


def run_stem(subject: str, session: str, run: str, task: str = TASK) -> str:
    """Return the path of a run relative to the dataset, up to and without the suffix (``_bold.nii.gz``, …)."""
    return f"sub-{subject}/ses-{session}/func/sub-{subject}_ses-{session}_task-{task}_run-{run}"


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
    runs = run_table(settings)
    files = [f"{t1w_stem(subject)}{end}" for end in (".nii.gz", ".json")]
    for session in runs["session"].unique():
        files += [f"{inplane_stem(subject, session)}{end}" for end in (".nii.gz", ".json")]
    for session, run in zip(runs["session"], runs["run"], strict=True):
        stem = run_stem(subject, session, run)
        files += [f"{stem}{end}" for end in ("_bold.nii.gz", "_bold.json", "_events.tsv")]
    return files + [mask_path(subject, side, area) for side in HEMISPHERES for area in AREAS]


def dataset_files() -> list[str]:
    """List the files of the dataset that belong to no subject."""
    return ["dataset_description.json", "README", "participants.tsv", f"task-{TASK}_events.json"]


def stimulus_order(stimuli: list[str], repeats: int, n_runs: int, rng: np.random.Generator) -> list[list[str]]:
    """Draw the order of the blocks of every run of a set, without one-back repetitions.

    Complete permutations of the stimuli follow each other and are cut into runs of equal length. No stimulus follows
    itself, because that would be a one-back repetition.
    """
    order: list[str] = []
    for _ in range(repeats):
        permutation = list(rng.permutation(stimuli))
        if order and len(stimuli) > 1 and permutation[0] == order[-1]:
            permutation = permutation[1:] + permutation[:1]
        order += permutation
    length = len(order) // n_runs
    return [order[start : start + length] for start in range(0, len(order), length)]


def run_events(
    blocks: list[str], run: Mapping, stimuli: pd.DataFrame, settings: Mapping, rng: np.random.Generator
) -> pd.DataFrame:
    """Lay out the events of one run, with one-back repetitions and button presses.

    Parameters
    ----------
    blocks : list of str
        Stimulus names in order, from `stimulus_order`.
    run : mapping
        A row of `run_table`.
    stimuli : DataFrame
        ``stimulus``, ``category_index``, ``image_index``; joined by name.

    Returns
    -------
    events : DataFrame with `EVENT_COLUMNS`, one row per event, seconds
    """
    known = stimuli.set_index("stimulus")
    repeated = set(rng.choice(len(blocks), run["n_one_back"], replace=False).tolist())
    rows = [_event(0.0, settings["initial_rest"], INITIAL_REST)]
    onset = float(settings["initial_rest"])
    for position, name in enumerate(blocks):
        for kind in (STIMULUS, ONE_BACK) if position in repeated else (STIMULUS,):
            row = _event(onset, run["block"], kind)
            stimulus = known.loc[name]
            row |= {"stimulus_id": name, "stimulus_name": name}
            row |= {key: int(stimulus[key]) for key in ("category_index", "image_index")}
            if kind == ONE_BACK:
                row["response_time"] = round(float(rng.gamma(9, 0.07)) + 0.2, 3)
            rows.append(row)
            onset += run["block"]
            if run["rest"]:
                rows.append(_event(onset, run["rest"], INTER_TRIAL_REST))
                onset += run["rest"]
    rows.append(_event(onset, settings["final_rest"], FINAL_REST))
    events = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return events.astype({"category_index": "Int64", "image_index": "Int64"})


def _event(onset: float, duration: float, kind: int) -> dict:
    empty = dict.fromkeys(EVENT_COLUMNS)
    return empty | {"onset": float(onset), "duration": float(duration), "event_type": kind}
