"""Studies of the shipped configurations, with some keys changed."""

import copy
from functools import cache
from types import SimpleNamespace

import yaml

from fmri2image.core.digest import WORKFLOW
from fmri2image.study import Study, load_study

CONFIGS = sorted(path.stem for path in (WORKFLOW.parent / "config").glob("*.yaml"))


@cache
def _shipped(name: str) -> dict:
    return yaml.safe_load((WORKFLOW.parent / "config" / f"{name}.yaml").read_text(encoding="utf-8"))


def configuration(name: str, changes: dict | None = None) -> dict:
    """Return a shipped configuration; keys of changes are paths with slashes, and None takes a key out."""
    config = copy.deepcopy(_shipped(name))
    for path, value in (changes or {}).items():
        *keys, last = path.split("/")
        inner = config
        for key in keys:
            inner = inner[int(key) if isinstance(inner, list) else key]
        if value is None:
            del inner[last]
        else:
            inner[int(last) if isinstance(inner, list) else last] = value
    return config


def study(name: str, changes: dict | None = None) -> Study:
    """Return the study of `configuration`."""
    return load_study(configuration(name, changes))


def wildcards(**values: str) -> SimpleNamespace:
    """Return wildcards as rules hand them over."""
    return SimpleNamespace(**values, items=values.items)
