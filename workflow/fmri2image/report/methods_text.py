"""Methods text as in a paper, built from the settings in force; references are numbered as they are first cited."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fmri2image.report.facts import counted, listing
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


@dataclass
class MethodsText:
    """Paragraphs under headings, and the references in the order of their numbers."""

    paragraphs: list[tuple[str, str]] = field(default_factory=list)
    references: list[str] = field(default_factory=list)


def methods_text(config: Mapping) -> MethodsText:
    """Write the methods of a study from its configuration.

    Parameters
    ----------
    config : mapping
        A checked configuration.
    """
    raw = [
        ("Data", _data(config)),
        ("Preprocessing", _preprocessing(config)),
        ("Samples", _samples(config)),
        ("Training and tests", _tests(config)),
        ("Image features", _features(config)),
        ("Feature decoding", _decoding(config)),
        ("Norm correction", _norm_correction(config)),
        ("Image reconstruction", _reconstruction(config)),
        ("Evaluation", _evaluation(config)),
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


def _plural(number: float, word: str) -> str:
    return f"{number:g} {word}" + ("" if number == 1 else "s")


def _data(config: Mapping) -> str:
    acquire, subjects = config["acquire"], counted(len(config["subjects"]), "subject")
    if acquire["source"] == "miyawaki2008":
        return (
            f"Data are the responses of area V1 of {subjects} to the figure images of Miyawaki et al. [miyawaki2008], as "
            "distributed with nilearn. They come preprocessed and z-scored over all trials; every result is therefore "
            "marked transductive."
        )
    if acquire["source"] != "simulate":
        return f"Data of {subjects} were taken from the source '{acquire['source']}'."
    scan = acquire["simulate"]
    response, noise = scan["response"], scan["noise"]
    text = (
        f"All data are simulated: {subjects}, each with an anatomy that is a non-linear warp of a template (root mean "
        f"square {scan['warp']:g} mm), areas placed in template space, and voxels that respond through receptive fields and "
        "filters that are not part of the decoder's network. The scanner took one volume every "
        f"{scan['repetition_time']:g} s with {scan['voxel_size']:g} mm voxels over "
        f"{' × '.join(f'{side:g}' for side in scan['slab'])} mm. Responses vary with a standard deviation of "
        f"{response['deviation']:g} per cent signal change over training images, and by "
        f"{response['trial_deviation']:g} of that from trial to trial; all responses were multiplied by "
        f"{scan['signal_to_noise']:g} (signal to noise). The temporal signal-to-noise ratio of grey matter at rest was "
        f"{noise['temporal_snr']:g}, with {100 * noise['physiological_fraction']:g} % of that noise variance from the body, and "
        f"signals drifted slowly by {noise['drift']:g} per cent. The paradigm follows Shen et al. [shen2019]. "
    )
    order = [name for name in config["stimulus_sets"] if name in scan["stimulus_sets"]]
    sets = [_shown(name, scan["stimulus_sets"][name]) for name in order]
    unseen = [name for name in config["stimulus_sets"] if name not in scan["stimulus_sets"]]
    if unseen:
        text += f"The images of the set {listing(unseen)} were shown to nobody. "
    return text + f"Image sets: {'; '.join(sets)}. One-back repetitions were left out of the analysis."


def _shown(name: str, entry: Mapping) -> str:
    times = _plural(entry["repeats"], "presentation")
    if entry.get("kind") == "imagery":
        parts = [f"{n} of {other}" for other, n in sorted(entry["from"].items())]
        return (
            f"{name} ({listing(parts)}, imagined {entry['repeats']} times each for {entry['imagery']:g} s after a cue)"
        )
    return f"{name} ({_plural(entry['images'], 'image')}, {times} each, blocks of {entry['block']:g} s)"


def _preprocessing(config: Mapping) -> str:
    if "preprocess" not in config:
        return ""
    chapter = config["preprocess"]
    realign = chapter["realign"]
    return (
        f"The first {chapter['discard_seconds']:g} s of every run were dropped. Every volume was matched to the mean of the "
        "subject's first run by a rigid transform (Gauss–Newton on volumes smoothed by "
        f"{realign['fwhm']:g} mm FWHM, {realign['n_points']:,} voxels, until a step moved no point by more than "
        f"{realign['tolerance']:g} mm). The reference was coregistered by mutual information to the in-plane T2-weighted "
        "image and through it to the T1-weighted image, both rigidly [lowekamp2013]. The transforms were multiplied and "
        f"every volume was interpolated once (B-spline of degree {chapter['reslice_order']}) onto the grid of the areas."
    )


def _samples(config: Mapping) -> str:
    chapter = config["samples"]
    steps = []
    if chapter.get("motion_regression") or chapter.get("linear_trend") or chapter.get("high_pass"):
        parts = ["a linear trend"] * bool(chapter.get("linear_trend"))
        if chapter.get("high_pass"):
            parts.append(f"drifts of periods of {chapter['high_pass']:g} s and longer (beside the task's response)")
        parts += ["the six motion parameters"] * bool(chapter.get("motion_regression"))
        steps.append(f"{listing(parts)} were regressed out" if len(parts) > 1 else f"{parts[0]} was regressed out")
    if chapter.get("percent_signal"):
        level = {
            "initial_rest": "the initial rest of the run",
            "model": "the level at rest, the intercept beside the task's response over the whole run",
        }[chapter.get("baseline", "initial_rest")]
        steps.append(f"signals were turned into per cent change from {level}")
    if chapter.get("despike_threshold"):
        steps.append(
            f"values beyond {chapter['despike_threshold']:g} standard deviations of the run were set to that bound"
        )
    text = f"Voxel by voxel and run by run, {'; '.join(steps)}. " if steps else ""
    if "shift_seconds" in chapter:
        window = chapter.get("window")
        span = "the duration of the block" if window is None else f"{window:g} s"
        text += (
            f"Responses are means over {span}, shifted by {chapter['shift_seconds']:g} s for the haemodynamic delay. "
        )
    if chapter.get("unions"):
        unions = [f"{name} = {' + '.join(parts)}" for name, parts in chapter["unions"].items()]
        text += f"Areas: {', '.join(chapter.get('masks', []))}; unions: {'; '.join(unions)}. "
    if any(entry.get("kind") == "imagery" for entry in _paradigm(config).values()):
        window = chapter.get("imagery_window")
        span = "its duration" if window is None else f"{window:g} s"
        text += f"In imagery runs the period '{chapter.get('imagery_start')}' was averaged over {span} instead of the block. "
    return text + ("The order of the steps is that of Shen et al. [shen2019]." if steps else "")


def _paradigm(config: Mapping) -> Mapping:
    return config["acquire"].get("simulate", {}).get("stimulus_sets", {})


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
        origin = (
            "with the weights shipped with the workflow" if entry["source"] == "shipped" else "trained in this workflow"
        )
        parts.append(
            f"Image features are the values of {_plural(len(entry['layers']), 'layer')} of {made}, {origin}, before "
            f"rectification: {', '.join(entry['layers'])}."
        )
    return " ".join(parts)


def _decoding(config: Mapping) -> str:
    used = {m["decoder"]: config["decode"]["decoders"][m["decoder"]] for m in _used(config).values() if "decoder" in m}
    parts = []
    for name, entry in used.items():
        n = entry["n_voxels"]
        voxels = (
            "all voxels of an area" if n is None else f"the {n} voxels of an area most correlated with it in training"
        )
        parts.append(
            f"Every unit was predicted by ridge regression ({name}; penalty {entry['alpha']:g} on z-scored data) from {voxels} "
            "[shen2019, horikawa2017]. Means, standard deviations and the choice of voxels come from training trials only."
        )
    return " ".join(parts).replace("[shen2019, horikawa2017]", "[shen2019] [horikawa2017]")


def _norm_correction(config: Mapping) -> str:
    parts, references = [], {}
    for name, method in _used(config).items():
        if "decoder" not in method:
            continue
        decoder = config["decode"]["decoders"][method["decoder"]]
        kind = method.get("norm_correction", "none")
        parts.append(f"Method {name}: " + NORMS.get(kind, f"the norm correction '{kind}'."))
        if kind != "none":
            references[decoder.get("norm_reference", "training")] = None
    over = [
        "the training images" if reference == "training" else f"the independent images of the set {reference}"
        for reference in references
    ]
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
            parts.append(
                f"{name}: starting from a uniform image, pixels were changed within [0, 1] by L-BFGS [liu1989] "
                f"(memory {method['memory']}, {method['evaluations']} passes through the network) until the features of "
                f"{_plural(len(method['layers']), 'layer')} matched the decoded ones, each layer weighted by one over the "
                "squared norm of its target (Shen et al. [shen2019], eq. 1–3, without image generator)."
            )
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
        same.setdefault((listing(row["rois"]), listing(row["tests"])), []).append(row["method"])
    areas = [f"{listing(names)} on {rois} (tests: {tests})" for (rois, tests), names in same.items()]
    primary = config["report"]["primary"]
    ceiling = ""
    if any("decoder" in method for method in _used(config).values()):
        ceiling = "The ceiling of a method that takes decoded features is the same method on true features. "
    return " ".join(parts) + (
        f" Analyses: {'; '.join(areas)}. The primary setting, named in the configuration, is {primary['method']} on "
        f"{primary['roi']}. {ceiling}Raw pixel values are shown and scored; nothing is stretched."
    )


def _evaluation(config: Mapping) -> str:
    chapter = config["evaluate"]
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
    return (
        text
        + "Feature decoding is scored by the correlation over stimuli per unit, averaged over the units of a layer."
    )


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
