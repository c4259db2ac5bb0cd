"""Settings of bars and tables that the plots of a paper are drawn from."""

import paper_tables
import pytest


@pytest.fixture(scope="session")
def quality():
    return paper_tables.quality(human=True)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory, quality):
    """Return the paths of statistics, permutation tests, ledger and winning percentages."""
    return paper_tables.write(
        tmp_path_factory.mktemp("tables"),
        statistics=paper_tables.statistics(quality),
        identification=paper_tables.identification(quality),
        ledger=paper_tables.ledger(),
        winning=paper_tables.winning(),
    )
