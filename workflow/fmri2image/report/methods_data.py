"""The paragraphs of the methods text on data, preprocessing and samples."""

from collections.abc import Mapping

from fmri2image.report.facts import counted, listing, plural


def data(config: Mapping) -> str:
    """Say where the data come from; simulated data are said to be simulated."""
    acquire, subjects = config["acquire"], counted(len(config["subjects"]), "subject")
    if acquire["source"] == "miyawaki2008":
        return (
            f"Data are the responses of area V1 of {subjects} to the figure images of Miyawaki et al. [miyawaki2008], as "
            "distributed with nilearn. They come preprocessed and z-scored over all trials; every result is therefore "
            "marked transductive."
        )
    if acquire["source"] != "simulate":
        return _real_data(config, subjects)
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


def _real_data(config: Mapping, subjects: str) -> str:
    acquire, source = config["acquire"], config["acquire"]["source"]
    if source == "openneuro":
        number = acquire["openneuro"]["dataset"]
        return f"Raw data of {subjects} are those of OpenNeuro's {number}; every file was checked by its size and MD5."
    if source == "bids":
        return f"Raw data of {subjects} were read from a BIDS folder."
    published = config["samples"].get("published")
    if published:
        files = listing(dict.fromkeys(published["entries"].values()))
        return (
            f"Responses of {subjects}, one row per stimulus block, were preprocessed and published by others ({files})."
        )
    if source == "published":
        return f"No responses were read: what was decoded from the brain activity of {subjects} has been published by others."
    return f"Data of {subjects} were taken from the source '{source}'."


def _shown(name: str, entry: Mapping) -> str:
    times = plural(entry["repeats"], "presentation")
    if entry.get("kind") == "imagery":
        parts = [f"{n if isinstance(n, int) else len(n)} of {other}" for other, n in sorted(entry["from"].items())]
        return (
            f"{name} ({listing(parts)}, imagined {entry['repeats']} times each for {entry['imagery']:g} s after a cue)"
        )
    return f"{name} ({plural(entry['images'], 'image')}, {times} each, blocks of {entry['block']:g} s)"


def preprocessing(config: Mapping) -> str:
    """Say how raw volumes became signals in the space of the T1-weighted image."""
    if "preprocess" not in config:
        return ""
    chapter = config["preprocess"]
    engine = chapter.get("engine", "realign")
    dropped = f"The first {chapter['discard_seconds']:g} s of every run were dropped."
    if engine == "fmriprep":
        return (
            f"{dropped} BOLD in T1w space and its confounds are those of fMRIPrep [esteban2019]; its own methods text, in "
            "its reports, belongs here. The masks of areas were brought to the grid of the BOLD (nearest neighbour)."
        )
    if engine == "derivatives":
        return f"{dropped} BOLD was taken as preprocessed by others, and the masks of areas were brought to its grid."
    steps = {"realign": _realignment, "ants": _ants}[engine](chapter)
    timing = chapter.get("slice_timing")
    moment = chapter.get("slice_timing_reference", 0.5)
    corrected = f"slices were brought to one moment, {moment:g} of the repetition time (Fourier interpolation)"
    if timing == "before":
        steps = f"Before that, {corrected}. {steps}"
    elif timing == "after":
        steps = f"{steps} After that, {corrected}, each voxel by the slice that its place has in the reference."
    return (
        f"{dropped} {steps} {_coregistration(chapter['coregister'])} The transforms were multiplied and every volume was "
        f"interpolated once (B-spline of degree {chapter['reslice_order']}) onto the grid of the areas."
    )


def _realignment(chapter: Mapping) -> str:
    realign = chapter["realign"]
    two = realign.get("passes", 2) == 2
    matched = (
        "Every volume was matched to the first of its run and then to the mean of the run, and that mean to the mean of the "
        "subject's first run"
        if two
        else "Every volume was matched to the mean of the subject's first run"
    )
    return (
        f"{matched}, by rigid transforms that minimise the mean squared difference (Gauss–Newton [friston1995]; volumes "
        f"smoothed by {realign['fwhm']:g} mm FWHM, at most {realign['n_points']:,} points, until a step moved no point by "
        f"more than {realign['tolerance']:g} mm)."
    )


def _ants(chapter: Mapping) -> str:
    kind = chapter.get("ants", {}).get("transform", "Rigid")
    return f"Every volume was matched to the mean of the subject's first run by ANTs [avants2011] ({kind})."


def _coregistration(chapter: Mapping) -> str:
    cost = {
        "mutual_information": "mutual information [mattes2003] [lowekamp2013]",
        "normalised_mutual_information": "normalised mutual information [studholme1999]",
        "boundary": "the contrast across the border of white matter [greve2009]",
    }[chapter.get("cost", "normalised_mutual_information")]
    path = {
        "inplane": "to the in-plane T2-weighted image of its session and through it to the T1-weighted image",
        "direct": "to the T1-weighted image",
        "brain": "to the T1-weighted image, both reduced to the brain",
    }[chapter.get("path", "inplane")]
    evened = (
        "After the images' brightness was evened out (N4 [tustison2010]), the"
        if chapter.get("bias_correction", True)
        else "The"
    )
    return f"{evened} reference was coregistered {path}, rigidly, by {cost}."


def samples(config: Mapping) -> str:
    """Say how signals became responses, step by step in the order in force."""
    chapter = config["samples"]
    words = {"regress": _regressed(chapter), "normalise": _normalised(chapter), "despike": _despiked(chapter)}
    order = chapter.get("order", list(words))
    glm = chapter.get("responses") == "glm"
    steps = [words[step] for step in order if words[step] and not (glm and step == "regress")]
    text = f"Voxel by voxel and run by run, {'; '.join(steps)}. " if steps else ""
    if glm:
        text += _model(chapter)
    elif "shift_seconds" in chapter:
        window = chapter.get("window")
        span = "the duration of the block" if window is None else f"{window:g} s"
        text += (
            f"Responses are means over {span}, shifted by {chapter['shift_seconds']:g} s for the haemodynamic delay. "
        )
    text += _excluded(chapter.get("motion_limit", {}))
    if chapter.get("unions"):
        unions = [f"{name} = {' + '.join(parts)}" for name, parts in chapter["unions"].items()]
        masks = ", ".join(chapter.get("masks", []))
        text += (f"Areas: {masks}; unions: " if masks else "Unions of areas: ") + f"{'; '.join(unions)}. "
    responsive = chapter.get("responsive")
    if responsive:
        chosen = {key: value for key, value in responsive.items() if key not in ("name", "stimulus_set", "from")}
        how = f" ({', '.join(f'{key} {value}' for key, value in chosen.items())})" if chosen else ""
        text += (
            f"Area {responsive['name']} holds the voxels that respond most to the training stimuli of the set "
            f"{responsive['stimulus_set']}{how}. "
        )
    if not glm and any(entry.get("kind") == "imagery" for entry in _paradigm(config).values()):
        window = chapter.get("imagery_window")
        span = "its duration" if window is None else f"{window:g} s"
        text += f"In imagery runs the period '{chapter.get('imagery_start')}' was averaged over {span} instead of the block. "
    shen = steps and not glm and order == list(words)
    return text + ("The order of the steps is that of Shen et al. [shen2019]." if shen else "")


def _paradigm(config: Mapping) -> Mapping:
    return config["acquire"].get("simulate", {}).get("stimulus_sets", {})


def _regressed(chapter: Mapping) -> str:
    parts = ["a linear trend"] * bool(chapter.get("linear_trend"))
    if chapter.get("high_pass"):
        parts.append(f"drifts of periods of {chapter['high_pass']:g} s and longer (beside the task's response)")
    parts += ["the six motion parameters"] * bool(chapter.get("motion_regression"))
    if chapter.get("confounds"):
        parts.append(f"the confounds {', '.join(chapter['confounds'])}")
    if not parts:
        return ""
    return f"{listing(parts)} were regressed out" if len(parts) > 1 else f"{parts[0]} was regressed out"


def _normalised(chapter: Mapping) -> str:
    kind = chapter.get("normalise", "none")
    if kind == "zscore":
        return "signals were z-scored over the run"
    if kind != "percent_signal":
        return ""
    level = {
        "initial_rest": "the initial rest of the run",
        "model": "the level at rest, the intercept beside the task's response over the whole run",
    }[chapter.get("baseline", "initial_rest")]
    return f"signals were turned into per cent change from {level}"


def _despiked(chapter: Mapping) -> str:
    threshold = chapter.get("despike_threshold")
    return f"values beyond {threshold:g} standard deviations of the run were set to that bound" if threshold else ""


def _model(chapter: Mapping) -> str:
    glm = chapter.get("glm", {})
    rows = "presentation" if glm.get("rows", "trial") == "trial" else "stimulus and run"
    noise = "AR(1) noise" if glm.get("noise_model", "ar1") == "ar1" else "ordinary least squares"
    high_pass = glm.get("high_pass", 128.0)
    beside = [*([f"cosine drifts of {high_pass:g} s and longer"] if high_pass else [])]
    beside += ["the six motion parameters"] * bool(chapter.get("motion_regression"))
    beside += [f"the confounds {', '.join(chapter['confounds'])}"] if chapter.get("confounds") else []
    separate = ", each fitted beside all others as one regressor [mumford2012]" if glm.get("separate") else ""
    return (
        f"Responses are the betas of a general linear model per run with one regressor per {rows}{separate}, one-back "
        f"repetitions modelled apart, the haemodynamic response '{glm.get('hrf', 'spm')}' and {noise} [nilearn2024]"
        + (f"; beside them stood {listing(beside)}. " if beside else ". ")
    )


def _excluded(limit: Mapping) -> str:
    if not limit or (limit["runs"] != "drop" and limit["trials"] != "drop"):
        return ""
    dropped = [f"runs in which more than {100 * limit['share']:g} % of the volumes moved"] * (limit["runs"] == "drop")
    dropped += ["trials in which a volume moved"] * (limit["trials"] == "drop")
    return f"Left out were {listing(dropped)} (framewise displacement [power2012] above {limit['displacement']:g} mm). "
