"""What a study downloads: which files, how much of them is there already, and how many sizes nobody has published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fmri2image.acquire.fetch import Wanted, missing
from fmri2image.acquire.openneuro import wanted_files
from fmri2image.acquire.registry import Entry, registry_entry
from fmri2image.acquire.verified import Store
from fmri2image.study.plan_amounts import Amounts
from fmri2image.study.plan_jobs import Job
from fmri2image.study.study import Study

# Guesses, in GB, for files whose size nobody has published; features are counted instead.
GUESSED = {
    "samples": 1.5,
    "caffe-weights": 0.6,
    "caffe-archive": 0.6,
    "torch-weights": 0.6,
    "torch-archive": 0.6,
    "stimuli": 0.01,
    "stimulus-table": 0.001,
}
GUESSED_OTHERS = 0.1
KINDS = {"bold": "BOLD", "T1w": "T1w image", "inplaneT2": "in-plane image", "T2w": "in-plane image"}


@dataclass(frozen=True)
class Download:
    """One file that comes from outside.

    Parameters
    ----------
    collection, what : str
        Where it was published, and what it is.
    stage : str
        The stage that reads it first.
    target : str
    size : int or None
        Bytes, None where nobody has published it.
    guess : float
        Bytes, for files whose size is not known.
    there : int
        Bytes that are there.
    done : bool
        Whether all of it is there.
    """

    collection: str
    what: str
    stage: str
    target: str
    size: int | None
    guess: float
    there: int
    done: bool

    @property
    def left(self) -> float:
        """Bytes that are still to come, guessed where the size is not known."""
        return 0.0 if self.done else max(0.0, (self.guess if self.size is None else self.size) - self.there)


def downloads(study: Study, amounts: Amounts) -> list[Download]:
    """Return all files from outside that a study needs, those that are there too."""
    return [*_bids(study), *_registry(study, amounts), *_judges(study), *_miyawaki(study)]


def needed(found: Iterable[Download], jobs: Iterable[Job]) -> list[Download]:
    """Return the downloads that are there, and those that jobs of a run fetch: others are not needed any more."""
    outputs = {
        output
        for job in jobs
        if job.rule.startswith("fetch_") or job.rule == "import_miyawaki"
        for output in job.outputs
    }

    def fetched(target: str) -> bool:
        return target in outputs or any(str(parent) in outputs for parent in Path(target).parents)

    return [one for one in found if one.done or fetched(one.target)]


def _state(wanted: Wanted) -> tuple[int, bool]:
    """Return the bytes of a file that are there, and whether it is all there."""
    if not missing([wanted]):
        return wanted.target.stat().st_size, True
    kept = Store(wanted.target, wanted.kept).kept
    if kept.is_file() and wanted.size in (None, kept.stat().st_size):
        return kept.stat().st_size, True  # its second name, which takes no further space
    partial = wanted.target.with_name(f"{wanted.target.name}.partial")
    return (partial.stat().st_size if partial.is_file() else 0), False


def _bids(study: Study) -> list[Download]:
    if not study.collection:
        return []
    files = study.bids_files()
    pictures = {path for paths in study.stimulus_folders().values() for path in paths}
    found = []
    for file, wanted in zip(files, wanted_files(files, study.bids_root, study.collection), strict=True):
        what, stage = "events, masks and descriptions", "samples"
        if file.path in pictures:
            what, stage = "stimulus pictures", "acquire"
        elif file.path.endswith((".nii", ".nii.gz")) and file.suffix in KINDS:
            derived = file.path.startswith("derivatives/")
            what, stage = ("preprocessed BOLD" if derived else KINDS[file.suffix]), "preprocess"
        elif file.path.startswith("derivatives/"):
            what, stage = "preprocessed BOLD", "preprocess"
        found.append(Download(study.collection, what, stage, str(wanted.target), file.size, 0.0, *_state(wanted)))
    return found


# What an entry of the registry is, and the stage that reads it first, by the end of its kind.
WORDS = {
    "samples": ("samples", "samples"),
    "stimuli": ("stimuli", "acquire"),
    "stimulus-table": ("stimulus names", "samples"),
    "decoded-features": ("decoded features", "decode"),
    "feature-statistics": ("statistics of features", "decode"),
    "true-features": ("true features", "features"),
    "weights": ("weights of networks", "features"),
    "archive": ("weights of networks", "features"),
}


def _registry(study: Study, amounts: Amounts) -> list[Download]:
    guesses = _feature_bytes(study, amounts)
    found = []
    for entry in study.entries():
        words = next((words for ending, words in WORDS.items() if entry.kind.endswith(ending)), ("others", "acquire"))
        found.append(_entry(study, entry, *words, guesses.get(entry.name)))
    return found


def _entry(study: Study, entry: Entry, what: str, stage: str, guess: float | None) -> Download:
    target = study.entry_file(entry.name)
    guessed = GUESSED.get(entry.kind, GUESSED_OTHERS) * 1e9 if guess is None else guess
    state = _state(Wanted(Path(target), entry.urls, entry.size))
    return Download(entry.collection, what, stage, target, entry.size, guessed, *state)


def _feature_bytes(study: Study, amounts: Amounts) -> Mapping[str, float]:
    """Return guesses for archives of features: their arrays as float32, for compression hardly helps."""
    found: dict[str, float] = {}
    for network in study.networks:
        for stimulus_set, name in study.published_features(network).items():
            for layer in study.layers(network):
                found[name.format(layer=layer)] = 1e9 * amounts.feature_gb(network, [layer], stimulus_set)
    for entry in study.decoders.values():
        if entry["decoder"] != "published":
            continue
        areas = len(entry.get("rois", study.rois))
        for test, name in entry["entries"].items():
            for layer in study.layers(entry["network"]):
                one = 1e9 * amounts.feature_gb(entry["network"], [layer], study.tests[test]["stimuli"])
                for subject in study.subjects:
                    found[name.format(subject=subject, layer=layer)] = one * areas
    return found


def _judges(study: Study) -> list[Download]:
    found = []
    for network in dict.fromkeys(judge["network"] for judge in study.judges.values()):
        entry, target = registry_entry(network), study.judge_weights(network)
        done = Path(target).is_file()
        size = entry.size or 0
        found.append(
            Download(entry.collection, "weights of judges", "evaluate", target, entry.size, 0.0, size * done, done)
        )
    return found


def _miyawaki(study: Study) -> list[Download]:
    if study.source != "miyawaki2008" or study.config["acquire"].get("data"):
        return []
    target = f"{study.root}/samples/sub-01.h5"  # nilearn fetches into a cache of its own
    done = Path(target).is_file()
    return [Download("miyawaki2008", "samples and stimuli", "samples", target, None, GUESSED_OTHERS * 1e9, 0, done)]
