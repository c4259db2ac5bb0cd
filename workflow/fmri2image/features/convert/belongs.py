"""Do a generator or a decoder and the features they are given belong together? Told by what their files say."""

import json
import logging
from collections.abc import Mapping

from fmri2image.core.errors import DataError

log = logging.getLogger(__name__)

# What the same architecture can be set to and still be another network: weights the same, features not.
OPERATIONS = ("pooling", "slope")
INPUT = ("size", "channels", "mean", "maximum")


def check_belongs(
    made_for: Mapping, given: Mapping, made_name: str = "the generator", given_name: str = "the features"
) -> None:
    """Refuse a generator or decoder that was made for other features than those it is given.

    Parameters
    ----------
    made_for : mapping
        What the generator or decoder says about the features it was made for: the metadata of a converted file
        (``belongs_to``, ``layer``), or the attributes of the features a decoder was trained on.
    given : mapping
        Attributes of a feature file, decoded features, or a network (`fmri2image.features.extract.layer_attributes`).
    made_name, given_name : str
        For messages: what they are, with the file.

    Raises
    ------
    DataError
        If the two name different features, layers, ways of pooling, image domains or weights; or if nothing that they
        say can be compared.
    """
    compared = 0
    for key, what in (("belongs_to", "features"), ("network", "network"), ("layer", "layer")):
        mine, theirs = made_for.get(key), given.get(key)
        if key == "network" and made_for.get("kind") == "generator":
            continue  # its own name, not that of the network whose features it takes
        if mine and theirs:
            if key != "layer":  # a layer alone does not tell of which network
                compared += 1
            if str(mine) != str(theirs):
                raise _refusal(made_name, f"{what} '{mine}'", given_name, f"'{theirs}'")
    for key, names in (("architecture", OPERATIONS), ("image_domain", INPUT)):
        mine, theirs = _settings(made_for.get(key)), _settings(given.get(key))
        for name in names:
            if name in mine and name in theirs and mine[name] != theirs[name]:
                raise _refusal(made_name, f"{name} {mine[name]}", given_name, f"{name} {theirs[name]}")
    mine, theirs = (_digest(side) for side in (made_for, given))
    if made_for.get("kind") != "generator" and mine and theirs:
        compared += 1
        if mine != theirs:
            if made_for.get("belongs_to") and given.get("belongs_to"):
                log.warning(
                    "%s and %s both belong to '%s', but come from different files of its weights (%s…, %s…).",
                    *(made_name, given_name, given["belongs_to"], mine[:12], theirs[:12]),
                )
            else:
                raise _refusal(made_name, f"weights {mine[:12]}…", given_name, f"weights {theirs[:12]}…")
    if not compared:
        raise DataError(
            f"{made_name} says {_said(made_for)} and {given_name} say {_said(given)}: it cannot be told whether they belong "
            "together; make both with this workflow, or add 'belongs_to' to the metadata."
        )


def _refusal(made_name: str, mine: str, given_name: str, theirs: str) -> DataError:
    return DataError(f"{made_name} was made for {mine}, but {given_name} have {theirs}; they do not belong together.")


def _settings(value: object) -> dict:
    """Return an attribute that may be JSON text, as HDF5 files keep it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return dict(json.loads(json.dumps(value))) if isinstance(value, Mapping) else {}


def _digest(about: Mapping) -> str:
    return str(about.get("arrays_sha256", ""))


def _said(about: Mapping) -> str:
    keys = ("belongs_to", "network", "layer", "arrays_sha256")
    said = [f"{key} '{about[key]}'" for key in keys if about.get(key)]
    return ", ".join(said) or "nothing"
