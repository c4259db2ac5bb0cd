"""Reading a configuration strictly: unknown keys, wrong types and names that nothing defines are one clear sentence."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from fmri2image.core.arrays import shorten
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError

SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
# What a chapter of the configuration defines, and where.
CHAPTERS = {
    "network": ("features", "networks"),
    "decoder": ("decode", "decoders"),
    "method": ("reconstruct", "methods"),
    "generator": ("reconstruct", "generators"),
}


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration against the schema and its names against each other.

    Returns
    -------
    config : dict
        A copy in plain types.

    Raises
    ------
    ConfigError
        Naming the key that is wrong.
    """
    schema = _schema()
    config = _plain(config)
    _check(config, schema, "")
    for kind, (chapter, plural) in CHAPTERS.items():
        known = schema["$defs"][plural]
        for name, entry in config[chapter].get(plural, {}).items():
            where = f"{chapter}.{plural}.{name}"
            if kind not in entry:
                raise ConfigError(f"config: {where}: '{kind}' is a required property.")
            if not isinstance(entry[kind], str) or entry[kind] not in known:
                raise ConfigError(
                    f"config: {where}: {kind} '{entry.get(kind)}' is unknown; there are {shorten(sorted(known), 20)}."
                )
            _check(entry, {**known[entry[kind]], "$defs": schema["$defs"]}, where)
    return config


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def _plain(value: object, where: str = "") -> Any:
    """Return a copy of plain types; YAML also makes dates, and numbers that are none, which no key takes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, f"{where}.{key}".strip(".")) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{where}.{number}".strip(".")) for number, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"config: {where}: {value} is no number; write one.")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigError(f"config: {where}: YAML reads {value} as a {type(value).__name__}; put it into quotation marks.")


def _check(value: object, schema: Mapping, where: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value), key=_deepest)
    if error is None:
        return
    path = ".".join([where, *[str(part) for part in error.absolute_path]]).strip(".") or "top level"
    raise ConfigError(f"config: {path}: {_sentence(error, schema)}")


def _deepest(error: ValidationError) -> tuple:
    return (len(error.absolute_path), error.validator == "additionalProperties")


def _sentence(error: ValidationError, schema: Mapping) -> str:
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"unknown key {shorten(unknown)}; known are {shorten(sorted(error.schema['properties']), 40)}."
    if error.validator == "required":
        return f"{error.message}."
    described = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    described = described or _list_description(list(error.absolute_schema_path), schema)
    return f"{error.message}." + (f" It is: {described}" if described else "")


def _list_description(path: Sequence[str | int], schema: Mapping) -> str:
    """Return the description of the list whose item is wrong, because items are described with their list."""
    if len(path) < 2 or path[-2] != "items" or "$ref" in path:
        return ""
    node: Any = schema
    for part in path[:-2]:
        node = node[part]
    return node.get("description", "")


def known_name(name: str, names: Any, where: str, place: str) -> None:
    """Raise ConfigError if `name` is not among `names`; `where` uses it and `place` defines it."""
    if name not in names:
        raise ConfigError(
            f"config: {where}: '{name}' is not among {place} ({shorten(list(names), 30) or 'there are none'})."
        )
