"""Which module draws which figure of a paper; light, because every job of a workflow reads it."""

import importlib
from types import ModuleType

from fmri2image.core.errors import ConfigError

FIRST = "shen2019"
# Paper → figure → module of this package with ``COLUMNS``, ``plotted(inputs, settings)`` and ``draw(table, settings)``. The
# name of a module is put together only when it is used, so that an edit to one of them redraws its own figures alone.
PLOTS_OF = {
    FIRST: {
        "fig3b": "bars",
        "fig4b": "winning",
        "fig5": "absolute",
        "fig6c": "bars",
        "fig7b": "areas",
        "fig8d": "bars",
        "fig8e": "bars",
        "s1": "accuracy",
        "s4": "bars",
        "s9": "relation",
        "s12": "bars",
        "s13": "bars",
        "s15": "areas",
        "s17": "vividness",
        "s18": "bars",
        "s19": "bars",
        "s21": "bars",
        "s22": "bars",
    },
    "shen2019-end-to-end": {
        "fig2b": "bars",
        "fig3b": "bars",
        "fig3c": "bars",
        "fig3e": "bars",
        "fig4b": "sizes",
        "fig5b": "ablations",
    },
}
PLOTS = PLOTS_OF[FIRST]


def plot_module(figure: str, paper: str = FIRST) -> str:
    """Return the dotted name of the module that draws a figure.

    Raises
    ------
    ConfigError
        If no module draws it.
    """
    plots = PLOTS_OF.get(paper, {})
    if figure not in plots:
        raise ConfigError(f"There is no plot '{figure}' of {paper}; there are {', '.join(plots) or 'none'}.")
    return f"fmri2image.report.paper.{plots[figure]}"


def load_plot(figure: str, paper: str = FIRST) -> ModuleType:
    """Load the module that draws a figure; it has ``COLUMNS``, ``plotted`` and ``draw``."""
    return importlib.import_module(plot_module(figure, paper))
