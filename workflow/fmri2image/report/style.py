"""What all figures share: fonts, colours, the words for subjects and for simulated data."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from fmri2image.core.files import replacing

# Okabe and Ito's palette: told apart by colour-blind readers and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
CEILING_LABEL = "True features"
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


def footnote(simulated: bool, more: str = "") -> str:
    """Return the line below a figure."""
    return " ".join(part for part in (SIMULATED if simulated else "", more) if part)


def save(figure: plt.Figure, outputs: Sequence[str]) -> None:
    """Save a figure under several names, the format by the suffix; without a date, so that equal figures are equal files."""
    for output in outputs:
        metadata = {"Date": None} if Path(output).suffix == ".svg" else None
        with replacing(output) as partial:
            figure.savefig(partial, metadata=metadata)
    plt.close(figure)
