"""Which module draws which figure of a paper; light, because every job of a workflow reads it."""

import importlib
from types import ModuleType

from fmri2image.core.errors import ConfigError

# Figure → module of this package with ``COLUMNS``, ``plotted(inputs, settings)`` and ``draw(table, settings)``. The name of
# a module is put together only when it is used, so that an edit to one of them redraws its own figures alone.
PLOTS = {
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
}


def plot_module(figure: str) -> str:
    """Return the dotted name of the module that draws a figure.

    Raises
    ------
    ConfigError
        If no module draws it.
    """
    if figure not in PLOTS:
        raise ConfigError(f"There is no plot '{figure}'; there are {', '.join(PLOTS)}.")
    return f"fmri2image.report.paper.{PLOTS[figure]}"


def load_plot(figure: str) -> ModuleType:
    """Load the module that draws a figure; it has ``COLUMNS``, ``plotted`` and ``draw``."""
    return importlib.import_module(plot_module(figure))
