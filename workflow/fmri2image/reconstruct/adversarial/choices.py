"""Words and rules of method `end2end` that a study checks in every job; nothing heavy is imported here."""

from collections.abc import Mapping

from fmri2image.core.errors import ConfigError

ARCHITECTURES = ("published", "small")
RESCALINGS = ("sqrt_n", "none")
# Columns of ``losses`` in what was learned; a tensor holds no names.
LOSSES = {
    "image": "Squared error of the images, summed over pixels and halved, mean of the batch; grey levels",
    "feature": "Squared error of the comparator's features, summed over units and halved, mean of the batch",
    "adversarial": "Cross entropy of generated images taken for real, nats",
    "real": "Cross entropy of the discriminator on real images, nats",
    "fake": "Cross entropy of the discriminator on generated images, nats",
    "discriminator": "Share of steps at which the discriminator was updated",
    "generator": "Share of steps at which the generator was updated",
}


def check_end2end(method: Mapping, where: str) -> None:
    """Check that settings of `end2end` go together; settings of other methods pass.

    Parameters
    ----------
    method : mapping
        A method's entry, or the options that a study makes of it.
    where : str
        Of the method, for messages.

    Raises
    ------
    ConfigError
    """
    if "architecture" not in method:
        return
    length = [key for key in ("steps", "epochs") if method.get(key) is not None]
    if len(length) != 1:
        found = "both are set" if length else "neither is set"
        raise ConfigError(f"{where}: a training has 'steps' or 'epochs', and {found}; set exactly one.")
    if method.get("comparator") is None and method.get("feature_weight"):
        raise ConfigError(
            f"{where}.comparator: feature_weight is {method['feature_weight']:g}, but no network compares features; name "
            "one, or set feature_weight to 0."
        )
    weights = [method.get(f"{name}_weight", 0) for name in ("image", "feature", "adversarial")]
    if not any(weights):
        raise ConfigError(f"{where}: all three loss weights are 0, so nothing can be learned; set one above 0.")
    switch = method.get("switch")
    if switch and not switch["stop_discriminator"] < switch["resume_discriminator"] < switch["stop_generator"]:
        raise ConfigError(
            f"{where}.switch: the ratios must rise from stop_discriminator over resume_discriminator to stop_generator."
        )
