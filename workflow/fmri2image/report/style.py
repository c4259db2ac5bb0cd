"""What all figures share: fonts, colours, the words for subjects and for simulated data."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd

from fmri2image.core.files import replacing

# Okabe and Ito's palette: told apart by colour-blind readers and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
CEILING_LABEL = "True features"
TRANSDUCTIVE = "Transductive: the responses were scaled with statistics that include the test trials."
SIMULATED = "Simulated data: a phantom, not evidence about brains."
matplotlib.rcParams.update(
    {
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 8.5,
        "axes.titleweight": "bold",
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "fmri2image",
        "figure.dpi": 200,
    }
)


def subject_label(subject: str) -> str:
    """Return the words for a subject."""
    return f"Subject {subject}"


def footnote(simulated: bool, transductive: bool, more: str = "") -> str:
    """Return the line below a figure: what must be known to read it rightly."""
    return " ".join(part for part in (SIMULATED * simulated, TRANSDUCTIVE * transductive, more) if part)


def is_true(column: pd.Series) -> bool:
    """Tell whether any cell of a table's truth column says true."""
    return bool(column.astype(str).eq("True").any())


def save(figure: plt.Figure, outputs: Sequence[str]) -> None:
    """Save a figure under several names, the format by the suffix; without a date, so that equal figures are equal files."""
    for output in outputs:
        metadata = {"Date": None} if Path(output).suffix == ".svg" else None
        with replacing(output) as partial:
            figure.savefig(partial, metadata=metadata)
    plt.close(figure)
