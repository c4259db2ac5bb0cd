"""Words that settings of `icnn` may be; a study checks them in every job, so nothing heavy is imported here."""

from collections.abc import Mapping

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


def check_choices(method: Mapping, where: str) -> None:
    """Check that the start and the descent of a method fit what it optimises, pixels or latents.

    Parameters
    ----------
    method : mapping
        With ``generator``, ``start``, ``optimiser`` and ``descent``, where they are set.
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
