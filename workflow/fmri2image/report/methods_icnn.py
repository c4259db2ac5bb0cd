"""What the methods text says about method `icnn`."""

from collections.abc import Mapping

from fmri2image.reconstruct.choices import OF_IMAGES
from fmri2image.report.facts import plural

PIXEL_STARTS = {
    "mean": "starting from the network's mean colour",
    "zero": "starting from a black image",
    "uniform": "starting from random grey levels",
}
LATENT_STARTS = {"zero": "starting from a latent of zeros", "normal": "starting from a latent of normal random numbers"}
PRECISIONS = {"tf32": "TF32 on GPUs", "bfloat16": "bfloat16"}


def icnn_sentence(name: str, method: Mapping, generators: Mapping) -> str:
    """Return the sentence on one setting of `icnn`: prior, start, optimiser, iterations; citations stand in brackets.

    Parameters
    ----------
    name : str
        Name or names of the setting.
    method : mapping
        Its entry under ``reconstruct.methods``.
    generators : mapping
        The chapter ``reconstruct.generators``.
    """
    generator = method.get("generator")
    if generator is None:
        start = PIXEL_STARTS[method.get("start") or "mean"]
        what, equations, kind = "pixels were changed within [0, 1]", "1–3, without image generator", "pixels"
    else:
        start = LATENT_STARTS[method.get("start") or "zero"]
        built = generators[generator]["generator"]
        what = f"the latent of the generator {generator} ({built}, as [dosovitskiy2016]) was changed within its bounds"
        equations, kind = "3–5", "latents"
    by = _descent(method, kind) if method.get("optimiser") == "descent" else _lbfgs(method)
    coarse = PRECISIONS.get(method.get("precision", "float32"))
    return (
        f"{name}: {start}, {what} by {by} until the features of {plural(len(method['layers']), 'layer')} matched the decoded "
        "ones, each layer weighted by one over the squared norm of its target (Shen et al. [shen2019], eq. "
        f"{equations}){f', in {coarse}' if coarse else ''}."
    )


def _lbfgs(method: Mapping) -> str:
    return f"L-BFGS-B [byrd1995] ({method['iterations']} iterations, memory {method.get('memory', 10)})"


def _descent(method: Mapping, kind: str) -> str:
    chapter = method.get("descent") or {}
    rate, momentum, decay = (
        _span(chapter.get(key, default))
        for key, default in (("learning_rate", (2.0, 1e-10)), ("momentum", (0.9, 0.9)), ("decay", (0.01, 0.01)))
    )
    gradient = "normalised gradient" if chapter.get("normalise", True) else "plain gradient"
    parts = [
        f"{method['iterations']} iterations",
        gradient,
        f"learning rate {rate}",
        f"momentum {momentum}",
        f"decay {decay}",
    ]
    if kind == "pixels":
        parts += [f"{key.replace('_', ' ')} {_said(chapter[key])}" for key in OF_IMAGES if chapter.get(key)]
    return f"gradient descent with momentum ({', '.join(parts)})"


def _span(pair: tuple[float, float]) -> str:
    first, last = (f"{value:g}" for value in pair)
    return first if first == last else f"{first} to {last}"


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return "with " + " and ".join(f"{key} {number:g}" for key, number in value.items())
    return f"{value:g}" if isinstance(value, int | float) else _span(value)
