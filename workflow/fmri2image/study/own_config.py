"""The configuration of somebody's own study, as a commented YAML file."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fmri2image.study.own_checks import SHIFT, Timing
from fmri2image.study.own_sets import ShownSet, Split

# Areas that papers join, in order; a later one may use an earlier one.
UNIONS = {
    "V1": (("V1d", "V1v"),),
    "V2": (("V2d", "V2v"),),
    "V3": (("V3d", "V3v"),),
    "V4": (("hV4",),),
    "HVC": (("LOC", "FFA", "PPA"),),
    "LVC": (("V1", "V2", "V3"),),
    "VC": (("V1", "V2", "V3", "V4", "HVC"), ("LVC", "V4", "HVC")),
}
ACTIVE, BRAIN, EVERYTHING = "active", "brain", "allareas"
REALIGN = (
    "{fwhm: 5.0, separation: 3.0, interpolation: 2, n_points: 20000, tolerance: 0.002, max_iterations: 30, passes: 2}"
)
COREGISTER = "cost: normalised_mutual_information, bias_correction: true, seed: 1, max_iterations: 100"
LAYERS = "[conv1_1, conv1_2, conv2_1, conv2_2, conv3_1, conv3_2, conv4_1, conv4_2, conv5_1, conv5_2, fc6, fc7, fc8]"
FEW_VOXELS = 500  # per unit, by |correlation| in training (Shen et al. 2019)
# What YAML takes for text without quotation marks.
PLAIN = re.compile("[A-Za-z][A-Za-z0-9]*")
NOT_TEXT = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


@dataclass(frozen=True)
class OwnStudy:
    """What the configuration of a study says that depends on the data.

    Parameters
    ----------
    name, title : str
    folder, manifest : str
        The BIDS folder and the table of its files.
    subjects : sequence of str
    split : Split
    shown : dict of str to ShownSet
    run_sets : sequence of str
        Sets of runs, as the manifest names them.
    stimuli : dict of str to dict
        ``acquire.stimuli``.
    timing : Timing
    areas : sequence of str
        Areas that have masks of every subject.
    inplane : bool
        Whether every session has an in-plane image.
    fmriprep : str
        Folder of finished fMRIPrep output; empty for none.
    """

    name: str
    title: str
    folder: str
    manifest: str
    subjects: Sequence[str]
    split: Split
    shown: Mapping[str, ShownSet]
    run_sets: Sequence[str]
    stimuli: Mapping[str, Mapping]
    timing: Timing
    areas: Sequence[str]
    inplane: bool
    fmriprep: str = ""


def ordered(areas: Sequence[str]) -> list[str]:
    """Return areas from V1 to higher ones as far as their names are known, others after them."""
    known = [
        "V1",
        "V1d",
        "V1v",
        "V2",
        "V2d",
        "V2v",
        "V3",
        "V3d",
        "V3v",
        "V4",
        "hV4",
        "LOC",
        "FFA",
        "PPA",
        "LVC",
        "HVC",
        "VC",
    ]
    return sorted(areas, key=lambda area: (known.index(area) if area in known else len(known), area))


def unions_of(areas: Sequence[str]) -> dict[str, list[str]]:
    """Return unions of areas by the names of visual areas in the literature; for other names one of all areas."""
    known, unions = list(areas), {}
    for name, ways in UNIONS.items():
        if name in known:
            continue
        parts = next((found for way in ways if (found := [part for part in way if part in known])), [])
        # An area that is split has both parts; a union of areas has at least two.
        if parts and (name == "V4" or len(parts) > 1):
            unions[name] = parts
            known.append(name)
    if "VC" not in known and len(areas) > 1:
        unions[EVERYTHING] = list(areas)
    return unions


def primary_area(study: OwnStudy) -> str:
    """Return the area that the report leads with."""
    if not study.areas:
        return BRAIN if _selects_itself(study) else ACTIVE
    names = [*study.areas, *unions_of(study.areas)]
    return next((name for name in ("VC", EVERYTHING) if name in names), names[0])


def _selects_itself(study: OwnStudy) -> bool:
    """Whether voxels that respond to the training set would be chosen with what is tested, or by no run of its own."""
    training = study.split.training
    tested = any(test["stimuli"] == training for test in study.split.tests.values())
    return tested or training not in study.run_sets


def write_config(study: OwnStudy) -> str:
    """Return the text of the configuration."""
    chapters = (_head, _acquire, _preprocess, _samples, _tests, _features, _decode, _reconstruct, _end)
    return "\n\n".join("\n".join(chapter(study)) for chapter in chapters) + "\n"


def _flow(value: object) -> str:
    """Return lists, mappings and texts in YAML's flow style, in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)


def _head(study: OwnStudy) -> list[str]:
    return [
        f"# Written by `make new-study NAME={study.name}`; edit it as you like. docs/own-data.md explains it, and",
        "# workflow/schemas/config.schema.yaml describes every key.",
        f"dataset: {study.name}",
        f"title: {_flow(study.title)}",
        "seed: 1",
        "device: auto",
        f"subjects: {json.dumps(list(study.subjects))}",
        f"stimulus_sets: {_flow(list(study.split.sets))}",
    ]


def _acquire(study: OwnStudy) -> list[str]:
    run_sets = [f"  run_sets: {_flow(list(study.run_sets))}  # the events name the set of every block"]
    return [
        "acquire:",
        "  source: bids",
        "  # The folder is used in place and never written to; the manifest lists the files that are used.",
        f"  bids: {{folder: {_flow(study.folder)}, manifest: {_flow(study.manifest)}}}",
        *(run_sets if set(study.run_sets) != set(study.split.sets) else []),
        "  # Set show: false where the terms of the pictures forbid showing them: reports then draw names.",
        f"  stimuli:{'' if study.stimuli else ' {}'}",
        *(f"    {name}: {_flow(chapter)}" for name, chapter in study.stimuli.items()),
        "  image_size: 64  # pixels of vgg-small; 224 for vgg19",
    ]


def _preprocess(study: OwnStudy) -> list[str]:
    path = "inplane" if study.inplane else "direct"
    found = [
        "  # fMRIPrep has been here. Its runs are taken over with engine: fmriprep and",
        f"  # fmriprep: {{output: {_flow(study.fmriprep)}}}",
    ]
    return [
        "preprocess:",
        *(found if study.fmriprep else []),
        "  engine: realign",
        f"  discard_seconds: {study.timing.discard_seconds:g}",
        f"  realign: {REALIGN}",
        f"  coregister: {{path: {path}, {COREGISTER}}}",
        "  reslice_order: 3",
    ]


def _samples(study: OwnStudy) -> list[str]:
    timing = study.timing
    lines = [
        "samples:",
        f"  responses: {timing.responses}",
        *(["  glm: {rows: trial, hrf: spm, ridge: auto}"] if timing.responses == "glm" else []),
        "  linear_trend: true",
        "  motion_regression: true",
        "  high_pass: null",
        "  normalise: percent_signal",
        f"  baseline: {timing.baseline}",
        "  despike_threshold: 3.0",
        f"  shift_seconds: {SHIFT}",
        "  window: null",
        *(["  incomplete_trials: drop"] if timing.incomplete else []),
    ]
    unions = unions_of(study.areas)
    if study.areas:
        lines.append(f"  masks: {_flow(list(study.areas))}")
    elif primary_area(study) == ACTIVE:
        lines += [
            "  # There are no masks of areas: the voxels that respond most to the training stimuli stand for visual cortex.",
            f"  responsive: {{name: {ACTIVE}, stimulus_set: {study.split.training}, n_voxels: 2000}}",
        ]
    else:
        lines.append(
            "  # There are no masks of areas, and no runs apart that could choose voxels: the whole brain is used."
        )
    lines.append(f"  unions:{'' if unions else ' {}'}")
    return [*lines, *(f"    {name}: {_flow(parts)}" for name, parts in unions.items())]


def _tests(study: OwnStudy) -> list[str]:
    return [
        "# What is tested, and with what it is trained.",
        "tests:",
        *(f"  {name}: {_flow(test)}" for name, test in study.split.tests.items()),
    ]


def _features(study: OwnStudy) -> list[str]:
    return [
        "features:",
        "  networks:",
        "    # A small network that comes with the workflow, so that nothing is downloaded.",
        "    vgg-small:",
        "      network: vgg-small",
        "      source: shipped",
        "      weights: resources/weights/vgg-small.safetensors",
        "      batch: 64",
        f"      layers: {LAYERS}",
        "    # The network of the paper (Shen et al. 2019): 14.9 million units. Set image_size: 224.",
        "    # vgg19:",
        "    #   network: vgg19",
        "    #   source: registry",
        "    #   entry: vgg19-kamitani-torch",
        "    #   weights: resources/downloaded/weights/vgg19-kamitani-torch.safetensors",
        "    #   batch: 16",
        "    #   layers: [conv1_1, conv2_1, conv3_1, conv4_1, conv5_1, fc6, fc7, fc8]",
    ]


def _decode(study: OwnStudy) -> list[str]:
    return [
        "decode:",
        "  decoders:",
        "    ridge:",
        "      decoder: ridge",
        "      network: vgg-small",
        "      alpha: 100",
        f"      n_voxels: {FEW_VOXELS}",
        "      norm_reference: training",
    ]


def _reconstruct(study: OwnStudy) -> list[str]:
    primary, tests = primary_area(study), list(study.split.tests)
    others = [name for name in ("LVC", "HVC") if name in [*study.areas, *unions_of(study.areas)] and name != primary]
    held_out = [name for name in tests if "training" in study.split.tests[name]]
    crossed = [name for name in tests if name not in held_out]
    rows = [f"  - {{method: icnn, rois: [{primary}], tests: {_flow(held_out)}}}"] if held_out else []
    if held_out and others:
        rows.append(f"  - {{method: icnn, rois: {_flow(others)}, tests: {_flow(held_out[:1])}}}")
    if crossed:
        rows += [
            "  # Chance of a cross-validated test: training is repeated with permuted pairs of trial and stimulus.",
            f"  - {{method: icnn, rois: [{primary}], tests: {_flow(crossed)}, refit_permutations: 19}}",
        ]
    return [
        "reconstruct:",
        "  methods:",
        "    icnn:",
        "      method: icnn",
        "      decoder: ridge",
        "      norm_correction: train_mean_sd",
        f"      layers: {LAYERS}",
        "      iterations: 60",
        "      memory: 10",
        "      batch: auto",
        "",
        "# Which methods run on which areas and tests.",
        "analyses:" if rows else "analyses: []",
        *rows,
    ]


def _end(study: OwnStudy) -> list[str]:
    return [
        "evaluate:",
        "  similarities: [pixel, ssim]",
        "  permutations: 10000",
        "  # Networks that judge the images, 22 MB to download: copy `judges` from config/config.yaml.",
        "  judges: {}",
        "",
        "report:",
        f"  primary: {{method: icnn, roi: {primary_area(study)}}}",
    ]
