"""The papers whose figures a study can draw: one module each, named as the paper is in ``report.paper.name``.

A module has ``PAPER``, a `facts.PaperFacts`: the roles of methods, the image figures and movies with their plans, and the plots.
"""

import importlib

from fmri2image.study.papers.facts import PaperFacts


def paper_facts(name: str) -> PaperFacts:
    """Return what is known of a paper; only the module of this paper is imported."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}").PAPER
