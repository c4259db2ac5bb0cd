"""Events of the simulated runs: what is shown when, what the brain answers to, and the two public dialects.

A run's events have one form here, a table with `COLUMNS`; `in_dialect` turns it into the events.tsv of OpenNeuro
ds001506 (numbers as event_type, one-back repetitions marked) or ds001246 (words, repetitions not marked).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fmri2image.acquire.phantom.paradigm import AREAS, IMAGERY, PERCEPTION, dialect

COLUMNS = (
    "onset", "duration", "trial_no", "event", "stimulus_name", "category", "category_index", "image_index",
    "response_time", "evaluation",
)  # fmt: skip
INITIAL_REST, FINAL_REST, INTER_REST = "initial_rest", "final_rest", "inter_rest"
STIMULUS, REPETITION, CUE, EVALUATION = "stimulus", "repetition", "cue", "evaluation"

# Share of trials with a vividness of 1 to 5: that of the three subjects of ds001506, rounded.
VIVIDNESS = (0.04, 0.11, 0.36, 0.33, 0.16)
MEAN_VIVIDNESS = sum(score * share for score, share in enumerate(VIVIDNESS, start=1))
# Share of repetitions that are answered, and of other blocks that are: those of the three subjects of ds001506, rounded.
ANSWERED = {"repetition": 0.98, "stimulus": 0.0005}
# Size of the response in imagery, and to the cue, relative to seeing an image.
IMAGERY_AMPLITUDE = {"LVC": 0.2, "HVC": 0.5, "cue": 0.2}

_REST = {INITIAL_REST: "rest", FINAL_REST: "rest"}
EVENT_TYPES = {
    ("ds001506", PERCEPTION): {INITIAL_REST: -1, STIMULUS: 1, REPETITION: 2, INTER_REST: -3, FINAL_REST: -2},
    ("ds001506", IMAGERY): {INITIAL_REST: -1, CUE: 1, IMAGERY: 2, EVALUATION: 3, INTER_REST: 4, FINAL_REST: -2},
    ("ds001246", PERCEPTION): {STIMULUS: "stimulus", REPETITION: "stimulus", INTER_REST: "rest", **_REST},
    ("ds001246", IMAGERY): {
        CUE: "cue", IMAGERY: "imagery", EVALUATION: "evaluation", INTER_REST: "inter_rest", **_REST,
    },
}  # fmt: skip
_PERCEPTION_COLUMNS = ("stimulus_id", "stimulus_name", "category_index", "image_index", "response_time")
FILE_COLUMNS = {
    ("ds001506", PERCEPTION): ("onset", "duration", "event_type", *_PERCEPTION_COLUMNS),
    ("ds001246", PERCEPTION): ("onset", "duration", "trial_no", "event_type", *_PERCEPTION_COLUMNS),
    # The public imagery files name no stimulus; ours add it as the last column.
    **dict.fromkeys(
        [("ds001506", IMAGERY), ("ds001246", IMAGERY)],
        ("onset", "duration", "trial_no", "event_type", "category_id", "category_name", "category_index",
         "response_time", "evaluation", "stimulus_name"),
    ),
}  # fmt: skip


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


def stimulus_labels(stimuli: pd.DataFrame, names: list[str], task: str) -> pd.DataFrame:
    """Return category and numbers of the stimuli of a set, rows = names.

    Parameters
    ----------
    stimuli : DataFrame
        ``stimulus``, ``category``, ``category_index``, ``image_index``; joined by name.
    names : list of str
        Stimuli of the set, in its order.
    task : str
        In ``imagery``, ``category_index`` counts the stimuli of the set from 1, as in the public files.
    """
    labels = stimuli.set_index("stimulus").loc[names, ["category", "category_index", "image_index"]]
    if task == IMAGERY:
        labels["category_index"] = np.arange(1, len(names) + 1)
    return labels


def run_events(
    blocks: list[str], run: Mapping, labels: pd.DataFrame, settings: Mapping, rng: np.random.Generator
) -> pd.DataFrame:
    """Lay out the events of one run.

    Perception has one-back repetitions with button presses, of which a few are missed and a few false; imagery has cues
    and scores of vividness.

    Parameters
    ----------
    blocks : list of str
        Stimulus names in order, from `stimulus_order`.
    run : mapping
        A row of `paradigm.run_table`.
    labels : DataFrame
        From `stimulus_labels`.

    Returns
    -------
    events : DataFrame with `COLUMNS`, one row per event
        Onsets, durations and ``response_time`` in seconds, the latter from the start of the run as in the public files.
    """
    repeated = set(rng.choice(len(blocks), run["n_one_back"], replace=False).tolist())
    attention = rng.spawn(1)[0]  # a stream of its own: whether a button is pressed changes nothing else
    rows = [_event(0.0, settings["initial_rest"], 1, INITIAL_REST)]
    for position, name in enumerate(blocks):
        label = labels.loc[name]
        shown = {"stimulus_name": name, "category": label["category"]}
        shown |= {key: int(label[key]) for key in ("category_index", "image_index")}
        for event in (STIMULUS, REPETITION) if position in repeated else (STIMULUS,):
            onset, trial = _end(rows[-1]), rows[-1]["trial_no"] + 1
            if run["task"] == IMAGERY:
                # The score and its time stand on every row of the trial, as in the public files.
                pressed = onset + run["cue"] + run["block"] + _reaction_time(rng)
                score = float(rng.choice(np.arange(1, 6), p=VIVIDNESS))
                about = shown | {"response_time": round(pressed, 3), "evaluation": score}
                parts = [(CUE, "cue"), (IMAGERY, "block"), (EVALUATION, "evaluation"), (INTER_REST, "rest")]
            else:
                reaction = _reaction_time(rng if event == REPETITION else attention)
                answered = attention.random() < ANSWERED[event]
                about = shown | {"response_time": round(onset + reaction, 3) if answered else None}
                parts = [(event, "block"), (INTER_REST, "rest")]
            for kind, key in parts:
                if run[key]:
                    known = about if run["task"] == IMAGERY or kind == event else {}
                    rows.append(_event(_end(rows[-1]), run[key], trial, kind) | known)
    rows.append(_event(_end(rows[-1]), settings["final_rest"], rows[-1]["trial_no"] + 1, FINAL_REST))
    events = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = {"response_time": float, "evaluation": float}
    return events.astype({"category_index": "Int64", "image_index": "Int64", **numbers})


def response_blocks(events: pd.DataFrame) -> pd.DataFrame:
    """Return the blocks to which the brain responds.

    Returns
    -------
    blocks : DataFrame
        ``onset`` and ``duration`` (s), ``stimulus_name`` (``cue`` for a cue, which looks the same before every
        stimulus), ``kind`` (``perception``, ``imagery`` or ``cue``) and ``amplitude`` (in imagery the vividness
        relative to its mean, else 1).
    """
    kinds = {STIMULUS: PERCEPTION, REPETITION: PERCEPTION, IMAGERY: IMAGERY, CUE: CUE}
    blocks = events[events["event"].isin(kinds)].reset_index(drop=True)
    kind = blocks["event"].map(kinds)
    names = blocks["stimulus_name"].where(kind != CUE, CUE)
    vividness = (blocks["evaluation"] / MEAN_VIVIDNESS).where(kind == IMAGERY, 1.0)
    return blocks[["onset", "duration"]].assign(stimulus_name=names, kind=kind, amplitude=vividness)


def with_cue(responses: pd.DataFrame) -> pd.DataFrame:
    """Add to the responses of a stimulus set (stimuli × voxels) the row ``cue``, to which no tuning answers."""
    return pd.concat([responses, pd.DataFrame(0.0, index=[CUE], columns=responses.columns)])


def block_weights(blocks: pd.DataFrame, area: np.ndarray, settings: Mapping) -> np.ndarray:
    """Return how strongly each voxel answers to each kind of block, relative to seeing a stimulus, (n_blocks, n_voxels).

    Parameters
    ----------
    blocks : DataFrame
        ``kind``, from `response_blocks`.
    area : array of shape (n_voxels,)
        Names of `paradigm.AREAS`. hV4 lies between the lower areas (V1 to V3) and the higher ones.
    settings : mapping
        ``imagery_amplitude`` (optional): ``LVC``, ``HVC`` and ``cue``.
    """
    amplitude = {**IMAGERY_AMPLITUDE, **settings.get("imagery_amplitude", {})}
    of_area = {name: amplitude["LVC" if name[:2] in ("V1", "V2", "V3") else "HVC"] for name in AREAS}
    of_area["hV4"] = (amplitude["LVC"] + amplitude["HVC"]) / 2
    imagery = np.array([of_area[str(name)] for name in area])
    kind = blocks["kind"].to_numpy()[:, None]
    return np.where(kind == IMAGERY, imagery, np.where(kind == CUE, amplitude["cue"], 1.0))


def in_dialect(events: pd.DataFrame, task: str, settings: Mapping) -> pd.DataFrame:
    """Return the content of a run's events.tsv in the dialect of the settings."""
    key = (dialect(settings), task)
    table = events.assign(event_type=events["event"].map(EVENT_TYPES[key]), stimulus_id=events["stimulus_name"])
    table = table.assign(category_id=events["category_index"], category_name=events["category"])
    return table[list(FILE_COLUMNS[key])]


def _event(onset: float, duration: float, trial: int, kind: str) -> dict:
    about = {"onset": float(onset), "duration": float(duration), "trial_no": trial, "event": kind}
    return dict.fromkeys(COLUMNS) | about


def _end(event: Mapping) -> float:
    return event["onset"] + event["duration"]


def _reaction_time(rng: np.random.Generator) -> float:
    return float(rng.gamma(9, 0.07)) + 0.2
