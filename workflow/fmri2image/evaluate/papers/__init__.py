"""What each paper tested, and where each kind of its numbers is found among ours: one module per paper.

The module is named as the paper is in ``report.paper.name``, with underscores. It has

- ``tests``: the rows of its tests for the table of statistics (`paper_tests.statistics_table`),
- ``WINNING``: how its models are compared pair by pair (`winning.Contest`),
- ``MEASURES``: from a measure of resources/published_numbers.tsv to the function that finds ours (`ledger.ledger_table`),
- ``STATISTICS``: the columns of its table of statistics with their descriptions.
"""

import importlib
from types import ModuleType


def paper_module(name: str) -> str:
    """Return the dotted name of the module of a paper; light, because every job of a workflow asks."""
    return f"{__name__}.{name.replace('-', '_')}"


def load_paper(name: str) -> ModuleType:
    """Load the module of a paper."""
    return importlib.import_module(paper_module(name))
