"""What all figures share: sizes of a printed page, fonts, colours, the words for subjects and for simulated data."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd

from fmri2image.core.files import replacing
from fmri2image.evaluate.lures import SUFFIXES

# Okabe and Ito's palette: told apart by colour-blind readers and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, BAND = "#222222", "#6b6b6b", "#d9d9d9"
MM = 1 / 25.4  # inches
PAGE_WIDTH = 180.0  # mm: two columns of a journal
PRINT_DPI = 300
LINE, CHARACTER = 2.7, 1.08  # mm: height of a line of the smallest print, and width of its average character
CEILING = "true-features"
CEILING_LABEL = "True features"
CHANCE_LABEL = "chance (1st to 99th percentile of permutations)"
TRANSDUCTIVE = "Transductive: the responses were scaled with statistics that include the test trials."
SIMULATED = "Simulated data: a phantom, not evidence about brains."
NOT_SCORED = "No test has pictures to compare with, so no image was scored."
PRIMARY_NOT_SCORED = "No test of the primary setting has pictures to compare with, so none of its images was scored."
NO_RESPONSES = "This study has no responses: it begins with features that others decoded from them."
METRICS = {
    "pixel_identification": "Pixel correlation",
    "ssim_identification": "SSIM",
    "feature_identification_squeezenet": "SqueezeNet features",
    "feature_identification_efficientnet-lite0": "EfficientNet-Lite0 features",
    "human_identification": "Human judgment",
}
matplotlib.rcParams.update(
    {
        "font.size": 7.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.linewidth": 0.6,
        "axes.titlesize": 8,
        "axes.titleweight": "bold",
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "fmri2image",
        "figure.dpi": PRINT_DPI,
    }
)


def subject_label(subject: str) -> str:
    """Return the words for a subject."""
    return f"Subject {subject}"


def metric_label(metric: str) -> str:
    """Return the words for the similarity behind an identification score."""
    if metric in METRICS:
        return METRICS[metric]
    return metric.removeprefix("feature_identification_").removesuffix("_identification") + " features"


def identification_metrics(names: Iterable[str]) -> list[str]:
    """Return the pairwise identification metrics among `names`: known ones in fixed order, then other judges.

    Scores of one aspect, colour or shape, are left out; the paper's own figures show them.
    """
    present = set(names)
    judged = (name for name in present - set(METRICS) if name.startswith("feature_identification_"))
    others = sorted(name for name in judged if not name.endswith(tuple(SUFFIXES.values())))
    return [name for name in METRICS if name in present] + others


def footnote(simulated: bool, transductive: bool, more: str = "") -> str:
    """Return the line below a figure: what must be known to read it rightly."""
    return " ".join(part for part in (SIMULATED * simulated, TRANSDUCTIVE * transductive, more) if part)


def is_true(column: pd.Series) -> bool:
    """Tell whether any cell of a table's truth column says true."""
    return bool(column.astype(str).eq("True").any())


def primary_rows(table: pd.DataFrame, primary: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of the primary method and area."""
    return table[(table["method"] == primary["method"]) & (table["roi"] == primary["roi"])]


def ceiling_of(table: pd.DataFrame, method: str, test: str, metric: str) -> float | None:
    """Return the score of a method on true features, None where it has none."""
    rows = table[
        (table["method"] == method) & (table["test"] == test) & (table["metric"] == metric) & (table["roi"] == CEILING)
    ]
    return None if rows.empty else float(rows.iloc[0]["value"])


def draw_words(words: str, outputs: Sequence[str]) -> None:
    """Draw a figure that says why there is nothing to draw."""
    figure = plt.figure(figsize=(110.0 * MM, 14.0 * MM))
    figure.text(0.02, 0.5, words, size=7.5, va="center", color=FAINT)
    save(figure, outputs)


def note_lines(width: float, sentences: Sequence[str]) -> list[str]:
    """Return what must be known below a figure in lines that fit its width in mm; sentences stay whole where they fit."""
    room = int((width - 2) / CHARACTER)
    lines = [""]
    for sentence in filter(None, sentences):
        longer = f"{lines[-1]} {sentence}".strip()
        if len(longer) <= room:
            lines[-1] = longer
        else:
            lines += textwrap.wrap(sentence, room)
    return [line for line in lines if line]


def write_below(figure: plt.Figure, sentences: Sequence[str]) -> None:
    """Write what must be known below a figure, in as many lines as its width asks for."""
    width, height = (size / MM for size in figure.get_size_inches())
    for number, line in enumerate(reversed(note_lines(width, sentences))):
        figure.text(1.0 / width, (1.2 + LINE * number) / height, line, size=6, color=FAINT)


def save(figure: plt.Figure, outputs: Sequence[str]) -> None:
    """Save a figure under several names, the format by the suffix; without a date, so that equal figures are equal files."""
    without_date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    for output in outputs:
        with replacing(output) as partial:
            figure.savefig(partial, metadata=without_date.get(Path(output).suffix), dpi=PRINT_DPI, facecolor="white")
    plt.close(figure)
