"""What comparing a study with a paper needs from the module of the paper's scores.

Such a module is named as the paper with ``_scores`` at the end and has ``plan``, from a study to a `ScorePlan`.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Condition(NamedTuple):
    """One method, area and test of a paper.

    Parameters
    ----------
    name : str
        In the words of docs/evaluation.md.
    method, roi, test : str
        Names of the configuration; empty where it gives none.
    kind : str, optional
        Only stimuli of this kind.
    reason : str
        Why its scores would not be those of the paper though they can be had; empty if they are.
    """

    name: str
    method: str
    roi: str
    test: str
    kind: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class ScorePlan:
    """What is scored for a paper.

    Parameters
    ----------
    conditions : sequence of Condition
    models : mapping from the words of the figure to methods
        Whose natural images are compared pair by pair.
    apart : mapping from a place in the configuration to such mappings
        Methods that must differ, because a comparison of one with itself says nothing.
    related : sequence of str
        Conditions with the modified RV coefficient.
    """

    conditions: Sequence[Condition]
    models: Mapping[str, str]
    apart: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    related: Sequence[str] = ()


def score_plan(name: str, study: Any) -> ScorePlan:
    """Return what is scored for a paper in a study; only the module of this paper is imported.

    Parameters
    ----------
    name : str
        As in ``report.paper.name``.
    study : PaperQuestions
        Answers what stands for the roles of the paper.
    """
    return importlib.import_module(f"fmri2image.study.papers.{name.replace('-', '_')}_scores").plan(study)
