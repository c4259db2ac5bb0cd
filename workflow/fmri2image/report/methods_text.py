"""Methods text as in a paper, built from the settings in force; references are numbered as they are first cited."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fmri2image.report.facts import listing, plural
from fmri2image.report.methods_data import data, preprocessing, samples
from fmri2image.report.methods_decoding import decoding_text
from fmri2image.report.methods_end2end import end2end_sentence
from fmri2image.report.methods_icnn import icnn_sentence
from fmri2image.report.references import REFERENCES

JUDGES = {"squeezenet": "SqueezeNet 1.1 [iandola2016]", "efficientnet-lite0": "EfficientNet-Lite0 [tan2019]"}
NORMS = {
    "none": "Decoded features were left as they were.",
    "norm": "Each decoded pattern was scaled so that its Euclidean norm over a layer equals the mean norm of true "
    "features [shen2019].",
    "norm_layer": "All decoded patterns of a test were scaled by one number per layer, so that their mean Euclidean norm "
    "equals that of true features [shen2019]; this takes a mean over the test and is marked transductive.",
    "channel_sd": "Each decoded pattern was scaled so that its standard deviation within channels, averaged over channels, "
    "equals the mean of that quantity over true features, as in the scripts published with [shen2019].",
    "grand_mean_sd": "Each decoded pattern was scaled about its own mean so that its standard deviation within channels, "
    "averaged over channels, equals the mean of that quantity over true features.",
    "train_mean_sd": "Each decoded pattern was scaled about the training mean of every unit so that the standard deviation "
    "within channels of what is left, averaged over channels, equals that of true features.",
}
PUBLISHED = "published sizes"


@dataclass
class MethodsText:
    """Paragraphs under headings, and the references in the order of their numbers."""

    paragraphs: list[tuple[str, str]] = field(default_factory=list)
    references: list[str] = field(default_factory=list)


def methods_text(config: Mapping, scored: bool = True) -> MethodsText:
    """Write the methods of a study from its configuration.

    Parameters
    ----------
    config : mapping
        A checked configuration.
    scored : bool
        Whether any image was compared with a picture.
    """
    raw = [
        ("Data", data(config)),
        ("Preprocessing", preprocessing(config)),
        ("Samples", samples(config)),
        ("Training and tests", _tests(config)),
        ("Image features", _features(config)),
        ("Feature decoding", decoding_text(config, {m["decoder"] for m in _used(config).values() if "decoder" in m})),
        ("Norm correction", _norm_correction(config)),
        ("Image reconstruction", _reconstruction(config)),
        ("Evaluation", _evaluation(config, scored)),
        ("Reproducibility", _reproducibility(config)),
    ]
    text, numbers = MethodsText(), {}
    for heading, paragraph in raw:
        if paragraph:
            text.paragraphs.append((heading, _number(paragraph, numbers)))
    text.references = [REFERENCES[key] for key in numbers]
    return text


def _number(paragraph: str, numbers: dict[str, int]) -> str:
    def replace(match: re.Match) -> str:
        return f"[{numbers.setdefault(match[1], len(numbers) + 1)}]"

    return re.sub(r"\[([a-z]+\d{4})\]", replace, paragraph)


def _tests(config: Mapping) -> str:
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(test for row in config["analyses"] for test in row["tests"]):
        test = config["tests"][name]
        sets = "" if test["stimuli"] == name else f" (images: {test['stimuli']})"
        if "leave_out" in test:
            how = (
                f"cross-validated within the image set {test['stimuli']}, leaving out one {test['leave_out']} at a time"
            )
        else:
            how = f"trained on the image set {test['training']}"
        rows = "single trials were decoded"
        if test["rows"] == "stimulus":
            rows = "the presentations of an image were averaged before decoding"
        groups.setdefault(f"{how}; {rows}", []).append(name + ("" if "leave_out" in test else sets))
    return " ".join(f"Test{'s' * (len(names) > 1)} {listing(names)}: {how}." for how, names in groups.items())


def _features(config: Mapping) -> str:
    used = {config["decode"]["decoders"][m["decoder"]]["network"] for m in _used(config).values() if "decoder" in m}
    parts = []
    for name in sorted(used):
        entry = config["features"]["networks"][name]
        small = entry["network"] != "vgg19"
        made = f"the small network {name}, built as VGG [simonyan2015]" if small else "VGG19 [simonyan2015]"
        origin = {
            "shipped": "with the weights shipped with the workflow",
            "registry": f"with published weights ({entry.get('entry')})",
        }.get(entry["source"], "trained in this workflow")
        parts.append(
            f"Image features are the values of {plural(len(entry['layers']), 'layer')} of {made}, {origin}, before "
            f"rectification: {', '.join(entry['layers'])}."
        )
        sets = [stimulus_set for stimulus_set in entry.get("published", {}) if stimulus_set in config["stimulus_sets"]]
        if sets:
            parts.append(f"Features of the image set{'s' * (len(sets) > 1)} {listing(sets)} were published by others.")
    return " ".join(parts)


def _norm_correction(config: Mapping) -> str:
    parts, references = [], {}
    for name, method in _used(config).items():
        if "decoder" not in method:
            continue
        decoder = config["decode"]["decoders"][method["decoder"]]
        kind = method.get("norm_correction", "none")
        parts.append(f"Method {name}: " + NORMS.get(kind, f"the norm correction '{kind}'."))
        if kind != "none":
            known = "feature_std" in decoder and kind not in ("norm", "norm_layer")
            references[PUBLISHED if known else decoder.get("norm_reference", "training")] = None
    words = {PUBLISHED: "other natural images, published as one number per layer", "training": "the training images"}
    over = [words.get(reference, f"the independent images of the set {reference}") for reference in references]
    return " ".join([*parts, *([f"The size of true features is that of {listing(over)}."] if over else [])])


def _reconstruction(config: Mapping) -> str:
    parts = []
    groups: dict[str, list[str]] = {}
    for name, method in _used(config).items():
        same = {key: value for key, value in sorted(method.items()) if key != "norm_correction"}
        groups.setdefault(str(same), []).append(name)
    for names in groups.values():
        method = config["reconstruct"]["methods"][names[0]]
        name = listing(names) + (" (they differ in norm correction alone)" if len(names) > 1 else "")
        if method["method"] == "icnn":
            parts.append(icnn_sentence(name, method, config["reconstruct"].get("generators", {})))
        elif method["method"] == "end2end":
            parts.append(end2end_sentence(name, method))
        elif method["method"] == "pixels":
            parts.append(
                f"{name}: the values of a grid of {method['size']} × {method['size']} patches were predicted straight from "
                f"voxels by ridge regression (penalty {method['alpha']:g})."
            )
        else:
            options = ", ".join(f"{key} {value}" for key, value in method.items() if key != "method")
            parts.append(f"{name}: method {method['method']} ({options}).")
    same: dict[tuple[str, str], list[str]] = {}
    for row in config["analyses"]:
        rois = listing(row["rois"]) + (f" of subject {listing(row['subjects'])}" if "subjects" in row else "")
        same.setdefault((rois, listing(row["tests"])), []).append(row["method"])
    areas = [f"{listing(names)} on {rois} (tests: {tests})" for (rois, tests), names in same.items()]
    primary = config["report"]["primary"]
    ceiling = ""
    if any("decoder" in method for method in _used(config).values()):
        ceiling = "The ceiling of a method that takes decoded features is the same method on true features. "
    return " ".join(parts) + (
        f" Analyses: {'; '.join(areas)}. The primary setting, named in the configuration, is {primary['method']} on "
        f"{primary['roi']}. {ceiling}Raw pixel values are shown and scored; nothing is stretched."
    )


def _evaluation(config: Mapping, scored: bool) -> str:
    chapter = config["evaluate"]
    features = (
        "Feature decoding is scored by the correlation over stimuli per unit, averaged over the units of a layer."
    )
    if not scored:
        return f"No reconstruction was compared with a picture, because the study has none. {features}"
    names = {"pixel": "Pearson correlation over all pixels and colours", "ssim": "SSIM [wang2004]"}
    used = [names.get(name, name) for name in chapter["similarities"]]
    text = (
        f"Reconstructions were compared with stimuli by {listing(used)}. In pairwise identification a reconstruction is "
        "compared with its own stimulus and with every other stimulus of the same image set; the score is the share of the "
        "others that are less similar, ties counting one half [shen2019]. "
    )
    judges = list(chapter.get("judges") or [])
    if judges:
        text += (
            f"Independent judges, which took no part in reconstruction, compare features instead of pixels: "
            f"{listing([_judge(name, chapter['judges']) for name in judges])}, trained on ImageNet. "
        )
    text += (
        f"Chance is the distribution of the same score over {chapter['permutations']:,} permutations of the stimuli's "
        "labels; p counts the observed score [phipson2010]. "
    )
    refits = {row["refit_permutations"] for row in config["analyses"] if "refit_permutations" in row}
    if refits:
        times = listing([f"{n:,}" for n in sorted(refits)])
        text += f"Under cross-validation training was repeated with exchanged responses instead ({times} times). "
    return text + features


def _judge(name: str, judges: object) -> str:
    layer = judges[name].get("layer") if isinstance(judges, Mapping) else None
    return JUDGES.get(name, name) + (f" (layer {layer})" if layer else "")


def _reproducibility(config: Mapping) -> str:
    return (
        f"All random numbers derive from the seed {config['seed']} and the names of what is drawn. The analysis ran as one "
        "Snakemake workflow [molder2021]; versions, inputs and code digests are listed under Provenance and all settings at "
        "the end."
    )


def _used(config: Mapping) -> dict[str, Mapping]:
    names = dict.fromkeys(row["method"] for row in config["analyses"])
    return {name: config["reconstruct"]["methods"][name] for name in names}
