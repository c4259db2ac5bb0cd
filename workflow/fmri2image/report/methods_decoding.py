"""What the methods text says about decoders."""

from collections.abc import Collection, Mapping

from fmri2image.report.facts import listing

INDUCTIVE = "Means, standard deviations and the choice of voxels come from training trials only."


def decoding_text(config: Mapping, used: Collection[str]) -> str:
    """Return the paragraph on feature decoding; citations stand in brackets.

    Parameters
    ----------
    config : mapping
    used : collection of str
        Decoders whose features some method takes; those that are only scored are added.
    """
    chapter = config["decode"]
    only = [row["decoder"] for row in chapter.get("analyses", []) if row["decoder"] not in used]
    names = [name for name in chapter["decoders"] if name in {*used, *only}]
    parts = [_sentence(name, chapter["decoders"][name], name in used) for name in names]
    fitted = [name for name in names if chapter["decoders"][name]["decoder"] not in ("published", "best-prediction")]
    return " ".join([*parts, *([INDUCTIVE] if fitted else [])])


def _sentence(name: str, entry: Mapping, imaged: bool) -> str:
    kind = entry["decoder"]
    if kind == "published":
        tests = listing(entry["entries"])
        return f"Decoded features ({name}; tests {tests}) were published by others and taken as they are."
    scored = "" if imaged else " They were scored, and no image was made of them."
    layers = f", layers {listing(entry['layers'])}" if "layers" in entry else ""
    about = f"({name}{layers})"
    target = "The absolute value of every unit" if entry.get("transform", "raw") == "absolute" else "Every unit"
    return f"{target} was predicted {WORDS[kind](entry, about)}.{scored}"


def _voxels(entry: Mapping) -> str:
    n = entry.get("n_voxels")
    return "all voxels of an area" if n is None else f"the {n} voxels of an area most correlated with it in training"


def _ridge(entry: Mapping, about: str) -> str:
    penalty = f"penalty {entry['alpha']:g} on z-scored data"
    return f"by ridge regression {about[:-1]}; {penalty}) from {_voxels(entry)} [shen2019] [horikawa2017]"


def _slr(entry: Mapping, about: str) -> str:
    rounds = entry.get("iterations", 200)
    return (
        f"by sparse linear regression with an ARD prior [bishop2006] {about[:-1]}; {rounds} iterations) from {_voxels(entry)}, "
        "of which it keeps those that it needs [shen2019] [horikawa2017]"
    )


def _ridge_cv(entry: Mapping, about: str) -> str:
    return (
        f"by ridge regression {about} from {_voxels(entry)}, with the penalty chosen per unit by cross-validation in "
        f"{entry['folds']} folds of training images [dupre2022]"
    )


def _banded(entry: Mapping, about: str) -> str:
    return (
        f"by banded ridge regression {about} from {_voxels(entry)}, with penalties for the bands {listing(entry['bands'])} "
        f"chosen per unit by random search and cross-validation in {entry['folds']} folds of training images [dupre2022]"
    )


def _one_hot(entry: Mapping, about: str) -> str:
    return (
        f"as the training features weighted by a ridge regression to the identity of the training image {about[:-1]}; penalty "
        f"{entry['alpha']:g}) [otsuka2025]"
    )


def _best(entry: Mapping, about: str) -> str:
    return (
        f"without any response, as the projection of true test features on the training features {about} [otsuka2025]: the "
        "best that a linear decoder of all voxels can reach; transductive"
    )


WORDS = {
    "ridge": _ridge,
    "slr": _slr,
    "ridge-cv": _ridge_cv,
    "banded-ridge": _banded,
    "one-hot": _one_hot,
    "best-prediction": _best,
}
