"""What the methods text says about method `end2end`."""

from collections.abc import Mapping

SIZES = {
    "published": "the published generator and discriminator (227 pixels)",
    "small": "a generator and a discriminator of the published structure with fewer channels (64 pixels)",
}
TERMS = {
    "image": "the squared error of grey levels",
    "feature": "the squared error of the features {layer} of {network}",
    "adversarial": "the cross entropy of being taken for real by the discriminator",
}
RESCALED = {
    "sqrt_n": "multiplied by the square root of the trials averaged",
    "none": "left as they were",
}
PRECISIONS = {"tf32": ", in TF32 on GPUs", "bfloat16": ", in bfloat16"}


def end2end_sentence(name: str, method: Mapping) -> str:
    """Return the sentences on one setting of `end2end`: networks, losses, training, test; citations stand in brackets.

    Parameters
    ----------
    name : str
        Name or names of the setting.
    method : mapping
        Its entry under ``reconstruct.methods``.
    """
    if method.get("steps") is not None:
        length = f"{method['steps']:,} iterations"
    else:
        length = f"{method['epochs']:,} passes through the training trials"
    images = method.get("n_images")
    used = f"the trials of {images:,} training images" if images else "single training trials"
    padding = method.get("padding", 21)
    windows = f"; windows were drawn at random from images {padding} pixels larger" if padding else ""
    rescale = method.get("rescale", "sqrt_n")
    scaled = RESCALED.get(rescale) or f"multiplied by {rescale:g}"
    return (
        f"{name}: {SIZES[method['architecture']]} were trained end to end on {used}, z-scored voxel by voxel, by "
        f"{_losses(method)} [dwivedi2019], with Adam [kingma2015] (learning rate {method.get('learning_rate', 2e-4):g}, "
        f"{length}, {method.get('batch', 64)} trials at a time{PRECISIONS.get(method.get('precision', ''), '')}){windows}. "
        f"Test responses were averaged over trials, z-scored with the training statistics and {scaled}."
    )


def _losses(method: Mapping) -> str:
    comparator = method.get("comparator") or {}
    parts, absent = [], []
    for term, words in TERMS.items():
        weight = method[f"{term}_weight"]
        if weight:
            said = words.format(layer=comparator.get("layer", ""), network=comparator.get("network", ""))
            parts.append(f"{said} (weight {weight:g})")
        else:
            absent.append(term)
    joined = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return joined + (f", without the {' and '.join(absent)} loss" if absent else "")
