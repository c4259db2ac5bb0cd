"""Words that settings of `icnn` may be; a study checks them in every job, so nothing heavy is imported here."""

from collections.abc import Iterable, Mapping

from fmri2image.core.errors import ConfigError

OPTIMISERS = ("lbfgs", "descent")
# Where an optimisation may begin, the default first.
STARTS = {"pixels": ("mean", "zero", "uniform"), "latents": ("zero", "normal")}
# Settings of the descent that mean pixels, not latents.
OF_IMAGES = (
    "jitter",
    "blur",
    "total_variation",
    "p_norm",
    "clip_extreme",
    "clip_small_norm",
    "clip_small_contribution",
)


def check_keys(settings: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ConfigError if `settings` have a key that is not among the known ones; `where` they stand."""
    known = list(known)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}.")


def last_iteration(optimiser: str, iterations: int) -> int:
    """Return the iteration of the image that is returned: a descent returns the one before its last update."""
    return iterations - (optimiser == "descent")


def check_choices(method: Mapping, where: str) -> None:
    """Check that a method's start and descent fit what it optimises, pixels or latents, and snapshots its iterations.

    Parameters
    ----------
    method : mapping
        With ``generator``, ``start``, ``optimiser``, ``descent``, ``iterations`` and ``snapshots``, where they are set.
    where : str
        Of the method, for messages.

    Raises
    ------
    ConfigError
    """
    what = "latents" if method.get("generator") else "pixels"
    start = method.get("start")
    if start is not None and start not in STARTS[what]:
        raise ConfigError(f"{where}.start: '{start}' is no start of {what}; use one of {', '.join(STARTS[what])}.")
    set_here = [key for key in OF_IMAGES if (method.get("descent") or {}).get(key)]
    if what == "latents" and method.get("optimiser") == "descent" and set_here:
        raise ConfigError(f"{where}.descent: {', '.join(set_here)} cannot be had with a generator; leave it out.")
    if "iterations" not in method:
        return
    images = last_iteration(method.get("optimiser", OPTIMISERS[0]), method["iterations"]) + 1
    if method.get("snapshots", 0) > images:
        raise ConfigError(
            f"{where}.snapshots: {method['snapshots']} of the {images} images on the way cannot be kept; lower it to "
            f"{images} or less."
        )
