"""Where each number and picture of the report comes from: files, rules, digests, versions."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fmri2image.core.arrays import read_attributes
from fmri2image.core.job import versions

# What every file of the report is, what it was computed from, and the rule that makes it; paths below results/<dataset>.
SOURCES = {
    "identification.tsv": (
        "pairwise identification",
        "evaluate/images/*/*_permutations.tsv, evaluate/judges/*/*_permutations.tsv",
        "gather_tables",
    ),
    "ledger.tsv": (
        "published numbers beside ours",
        "resources/published_numbers.tsv, evaluate/scores.tsv, tables/identification.tsv",
        "compare_paper",
    ),
    "decoding_accuracy.tsv": ("feature decoding", "evaluate/features/*/*_accuracy.tsv", "gather_tables"),
    "motion.tsv": ("motion against truth", "evaluate/motion/*_motion.tsv", "gather_tables"),
    "recovery.tsv": ("recovery against truth", "truth, and the results of every stage", "gather_tables"),
    "scores.tsv": (
        "every score of every image",
        "evaluate/images/*/*_scores.tsv, evaluate/judges/*/*_scores.tsv",
        "gather_tables",
    ),
    "examples.png": ("main figure", "reconstruct, stimuli", "plot_examples"),
    "identification.png": ("figure of identification by area", "tables/identification.tsv", "plot_identification"),
    "methods.png": ("figure of identification by method", "tables/identification.tsv", "plot_methods"),
    "decoding_accuracy.png": (
        "figure of feature decoding",
        "tables/decoding_accuracy.tsv",
        "plot_decoding_accuracy",
    ),
    "norm_correction.png": (
        "figure of norm corrections",
        "reconstruct, stimuli, tables/identification.tsv",
        "plot_norm_correction",
    ),
}
BY_ENDING = {
    "_quality_motion.png": ("motion of all runs", "preprocess", "plot_preprocess"),
    "_quality_coregistration.png": ("EPI under outlines of the T1w image", "preprocess", "plot_preprocess"),
    "_quality_rois.png": ("areas on the EPI", "preprocess", "plot_preprocess"),
    "_quality_signal.png": ("signal to noise", "preprocess", "plot_preprocess"),
    "_quality_carpet.png": ("carpets of some runs", "preprocess", "plot_preprocess"),
    "_signal.tsv": ("signal to noise by run and area", "preprocess", "plot_preprocess"),
    "_runs.tsv": ("runs: length, motion, trials", "samples", "build_samples"),
    "_trials.tsv": ("trials, kept or left out", "samples", "build_samples"),
    "_xfm.json": ("checks of coregistration", "preprocess", "coregister"),
    "_behaviour.tsv": ("one-back task", "events", "score_behaviour"),
    "_responses.tsv": ("trials, voxels and reliability of a subject", "samples", "write_subject_page"),
    "_scores.tsv": ("scores of images", "reconstruct, stimuli", "score_images"),
    ".h5": ("reconstructed images", "decoded features, or samples", "reconstruct_images"),
}


@dataclass(frozen=True)
class Source:
    """One file behind the report; paths are below the study's folder ``results/<dataset>``."""

    path: str
    what: str
    computed_from: str
    rule: str
    digest: str


def describe_sources(paths: Iterable[str | Path], dataset: str) -> list[Source]:
    """Describe the files that a page was made from.

    Parameters
    ----------
    paths : iterable of path
    dataset : str
    """
    return [_describe(Path(path), dataset) for path in dict.fromkeys(str(path) for path in paths)]


def _describe(path: Path, dataset: str) -> Source:
    known = SOURCES.get(path.name)
    if known is None and path.parent.name == "stimuli":
        known = ("stimulus images", "the generator, or the published files", "simulate_stimuli, or an import")
    if known is None and path.name.startswith("images_"):
        known = ("image sheet", "reconstruct, stimuli", "plot_sheet")
    if known is None:
        known = next((entry for ending, entry in BY_ENDING.items() if path.name.endswith(ending)), ("", "", ""))
    what, origin, rule = known
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    below = path.as_posix().removeprefix(f"results/{dataset}/")
    return Source(below, what, origin, rule, digest)


def read_made_with(paths: Iterable[str | Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Return versions and code digests that reconstructions were made with, joined over files.

    Parameters
    ----------
    paths : iterable of path
        HDF5 files with the attributes ``versions`` and ``code``; files without them count as made with nothing known.

    Returns
    -------
    found, code : dict
        Package to version, module to digest; where files differ, all values, separated by commas.
    """
    joined: tuple[dict[str, dict], dict[str, dict]] = ({}, {})
    for path in paths:
        attributes = read_attributes(path)
        for key, target in zip(("versions", "code"), joined, strict=True):
            for name, value in _mapping(attributes.get(key)).items():
                target.setdefault(name, {})[str(value)] = None
    found, code = ({name: ", ".join(values) for name, values in sorted(part.items())} for part in joined)
    return found, code


def page_versions() -> dict[str, str]:
    """Return the versions of the environment that writes the page."""
    return versions()


def _mapping(value: object) -> Mapping[str, object]:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else {}
