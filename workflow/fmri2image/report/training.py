"""How a method learned: its losses step by step, and images that it made of some training trials on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.report.paper import marks
from fmri2image.report.sheets import Canvas
from fmri2image.report.style import COLOURS, FAINT, INK, MM, PAGE_WIDTH, footnote, save, subject_label

TRAINING_COLUMNS = {
    "dataset": "Study",
    "method": "Named setting of a method",
    "subject": "Subject label",
    "roi": "Visual area",
    "training": "Training set, and the fold where there are several",
    "step": "Step up to which, from that of the row before, the values are means",
    "loss": "What was recorded, a name of the method",
    "value": "Its mean over these steps; n/a where the method does not compute it",
    "simulated": "Whether the data are simulated",
}
SHARES = ("discriminator", "generator")  # not losses but shares of steps at which a part was updated
PANEL = 34.0  # mm, height of the curves
COLUMNS_OF_PANELS = 4
MOST_SHEETS, MOST_IMAGES = 8, 8  # lines and columns of the sheet
TILE = 15.0  # mm
LABEL = 22.0  # mm left of the sheet
PIXELS = 180  # of a tile at 300 dpi


def training_table(states: Mapping[str, Mapping[str, Any]], losses: Sequence[str], about: Mapping) -> pd.DataFrame:
    """Return the recorded losses as a long table.

    Parameters
    ----------
    states : mapping from the words of a training to what was learned
        ``losses`` (n_recorded, n_losses) and ``loss_steps`` (n_recorded,), arrays.
    losses : sequence of str
        Names of the columns.
    about : mapping
        ``dataset``, ``method``, ``subject``, ``roi``, ``simulated``.

    Returns
    -------
    table : DataFrame with `TRAINING_COLUMNS`
    """
    parts = []
    for words, state in states.items():
        values, steps = np.asarray(state["losses"], dtype=float), np.asarray(state["loss_steps"], dtype=int)
        for number, name in enumerate(losses):
            parts.append(pd.DataFrame({"training": words, "step": steps, "loss": name, "value": values[:, number]}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.assign(**about).reindex(columns=list(TRAINING_COLUMNS))


def draw_training(table: pd.DataFrame, sheets: Mapping[str, np.ndarray] | None, outputs: Sequence[str]) -> None:
    """Draw the curves of all losses, and below them the images of some training trials along the training.

    Parameters
    ----------
    table : DataFrame
        From `training_table`, of one method, subject and area.
    sheets : mapping or None
        ``seen`` (n_images, 3, height, width), what the trials saw, or None; ``made`` (n_sheets, n_images, 3, height, width),
        uint8; ``steps`` (n_sheets,).
    outputs : sequence of path
    """
    curves = [name for name in dict.fromkeys(table["loss"]) if name not in SHARES]
    curves = [name for name in curves if table.loc[table["loss"] == name, "value"].notna().any()]
    shares = [name for name in SHARES if table.loc[table["loss"] == name, "value"].notna().any()]
    panels = len(curves) + bool(shares)
    columns = min(COLUMNS_OF_PANELS, max(panels, 1))
    lines = -(-panels // columns)
    rows = [] if sheets is None else _sheet_rows(sheets)
    tall = len(rows) * TILE + 10.0 if rows else 0.0
    simulated = bool(table["simulated"].astype(str).eq("True").any())
    first = table.iloc[0]
    notes = [
        footnote(simulated, False),
        "Each value is the mean over the steps since the last one. Logarithmic axes, except for the shares of updates.",
        "Images: training trials, which the model learns from; they say nothing of new images." if rows else "",
    ]
    notes = marks.note_lines(PAGE_WIDTH, notes)
    height = 7.0 + lines * PANEL + tall + 3.0 * len(notes) + 3.0
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    canvas = Canvas(figure, PAGE_WIDTH, height)
    heading = f"{first['method']} · {subject_label(str(first['subject']))}, {first['roi']}: training"
    canvas.text(1.0, 3.0, heading, size=8, weight="bold")
    wide = PAGE_WIDTH / columns
    for number in range(panels):
        line, column = divmod(number, columns)
        left, top = column * wide + 10.5, 7.0 + line * PANEL + 4.0
        place = (
            left / PAGE_WIDTH,
            1 - (top + PANEL - 12.5) / height,
            (wide - 13.5) / PAGE_WIDTH,
            (PANEL - 12.5) / height,
        )
        axes = figure.add_axes(place)
        if number < len(curves):
            _curve(axes, table[table["loss"] == curves[number]], COLOURS[number % len(COLOURS)])
            axes.set_title(_title(curves[number]), loc="left", size=7)
        else:
            _updates(axes, table, shares)
        axes.set_xlabel("Step", size=6.5, labelpad=1)
    if rows:
        _sheet(canvas, rows, 7.0 + lines * PANEL + 4.0)
    canvas.note("\n".join(notes))
    save(figure, outputs)


def _title(name: str) -> str:
    return {"real": "Discriminator, real", "fake": "Discriminator, made"}.get(name, f"{name.capitalize()} loss")


def _curve(axes: Axes, table: pd.DataFrame, colour: str) -> None:
    for number, (_, rows) in enumerate(table.groupby("training", sort=False)):
        axes.plot(rows["step"], rows["value"], color=colour, lw=1.0, alpha=1.0 if number == 0 else 0.5)
    values = table["value"].to_numpy(dtype=float)
    if np.nanmin(values) > 0:
        axes.set_yscale("log")
        if np.nanmax(values) < 10 * np.nanmin(values):  # less than a decade: name a few values
            axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    _plain(axes)


def _updates(axes: Axes, table: pd.DataFrame, shares: Sequence[str]) -> None:
    for colour, name in zip((INK, COLOURS[1]), shares, strict=False):
        for number, (_, rows) in enumerate(table[table["loss"] == name].groupby("training", sort=False)):
            words = name if number == 0 else None
            axes.plot(rows["step"], 100 * rows["value"], color=colour, lw=1.0, label=words)
    axes.set_ylim(-5, 105)
    axes.set_title("Steps with an update (%)", loc="left", size=7)
    axes.legend(fontsize=6, loc="lower left", handlelength=1.2, borderpad=0.1, labelspacing=0.2)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
    axes.tick_params(labelsize=6, pad=1.5)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{int(value):,}"))
    axes.spines["left"].set_color(FAINT)


def _sheet_rows(sheets: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return the lines of the sheet: what was seen, then the images after some of the steps, the last among them."""
    made, steps = np.asarray(sheets["made"]), np.asarray(sheets["steps"], dtype=int)
    if not len(made):
        return []
    most = min(len(steps), MOST_SHEETS)
    chosen = dict.fromkeys(int(round(place)) for place in np.linspace(0, len(steps) - 1, most))
    rows = [] if sheets.get("seen") is None else [("Seen", np.asarray(sheets["seen"]))]
    return rows + [(f"Step {steps[number]:,}", made[number]) for number in chosen]


def _sheet(canvas: Canvas, rows: Sequence[tuple[str, np.ndarray]], top: float) -> None:
    for line, (words, images) in enumerate(rows):
        y = top + line * TILE
        weight = "bold" if words == "Seen" else "normal"
        canvas.text(LABEL - 2.0, y + 0.48 * TILE, words, size=6.5, ha="right", weight=weight)
        for column, image in enumerate(images[:MOST_IMAGES]):
            pixels = np.clip(image.transpose(1, 2, 0), 0, 255).astype(np.uint8)
            step = max(1, pixels.shape[0] // PIXELS)
            canvas.picture(LABEL + column * TILE, y, 0.96 * TILE, pixels[::step, ::step])
