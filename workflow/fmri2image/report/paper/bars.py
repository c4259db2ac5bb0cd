"""Bars of reconstruction quality, as in several figures of Shen et al. 2019 (PLOS CB, and Front. Comput. Neurosci.).

Means over images with 95 % confidence intervals, from ``statistics.tsv``; chance from the permutations of the same split.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.tables import read_table
from fmri2image.report.paper import marks
from fmri2image.report.paper.marks import POOLED, SMALL
from fmri2image.report.style import (
    BAND,
    FAINT,
    INK,
    MM,
    PAGE_WIDTH,
    footnote,
    is_true,
    metric_label,
    subject_label,
)

COLUMNS = {
    "row": "Line of panels",
    "panel": "Panel",
    "x": "Group of bars along the horizontal axis",
    "bar": "Colour of the bar",
    "drawn": "bar, or point on the bar of all subjects together",
    "subject": "Subject label, pooled for all",
    "condition": "Condition of statistics.tsv",
    "metric": "Metric of scores.tsv",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "n": "Images (times subjects, where pooled) that enter the mean",
    "mean": "Mean over images, as a fraction",
    "ci_low": "Lower end of its 95 % confidence interval over images (Student's t)",
    "ci_high": "Upper end",
    "chance": "Mean of the permutation distribution",
    "chance_p01": "Its 1st percentile, pooled: the lowest of the subjects; n/a where no permutations of just these images exist",
    "chance_p99": "Its 99th percentile, pooled: the highest of the subjects",
    "against": "What p_value compares with: chance, or another bar of the same group",
    "p_value": "Signed-rank test: one-sided against chance, two-sided against another bar; n/a where none is made",
    "published": "Published value as a fraction, only for data of the paper; n/a elsewhere",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
# What a mean, its permutations and its published value are found by.
ESTIMATE = ("condition", "metric", "subject")
SPLIT = ("method", "roi", "test", "metric")
PAPER, QUALITY = "shen2019", "identification"  # rows of the ledger that bars can stand beside
QUANTITY = "Correct identification (%)"
DASHED = ("chance", "Dashed: chance, the mean of permutations.")  # words of the legend, and below the panels
NOTHING = "No image of this figure was scored, so there is nothing to draw."
BAR, GAP, SIDE = 6.2, 4.0, 12.0  # mm: width of a bar, between groups, left of all panels
LETTER, TITLE_LETTER = 1.2, 1.45  # mm: an average letter below a group and of a title
WIDEST = 13.0  # mm: a bar where there are few
HEIGHT = 36.0  # mm of a panel
LABEL_LINE = 2.7  # mm


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the numbers of a figure, in the order in which they are drawn.

    Parameters
    ----------
    inputs : mapping
        ``statistics`` and ``identification``: tables of the study; ``ledger`` where published values stand beside ours.
    settings : mapping
        ``bars``: list of {``condition``, ``label``, ``aspect``, ``area``}; ``metrics``: names without an aspect;
        ``subjects``: those drawn as bars, ``pooled`` for all; ``points``: subjects drawn on the bars of all;
        ``layout``: what tells ``row``, ``panel``, ``x`` and ``bar`` apart: metric, subject, label, area, or the ``title``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
        Bars without a value in ``statistics`` are left out.
    """
    statistics = read_table(inputs["statistics"], subject=str)
    permuted = _by(read_table(inputs["identification"], subject=str), SPLIT)
    ledger = _printed(inputs["ledger"], settings.get("paper", PAPER)) if inputs.get("ledger") else {}
    means = _by(statistics[statistics["analysis"] == "mean"], ESTIMATE)
    tests = _by(statistics[statistics["analysis"].isin(["difference", "above_chance"])], ESTIMATE)
    rows = []
    for bar in settings["bars"]:
        for base in settings["metrics"]:
            metric = f"{base}_{bar['aspect']}" if bar["aspect"] else base
            for drawn, subjects in (("bar", settings["subjects"]), ("point", settings["points"])):
                for subject in subjects:
                    for found in means.get((bar["condition"], metric, subject), []):
                        words = {"": "", "title": settings["title"], **bar}
                        words |= {"metric": metric_label(base), "subject": _subject(subject)}
                        rows.append(
                            {
                                **{place: words[what] for place, what in settings["layout"].items()},
                                **{key: found[key] for key in COLUMNS if key in found},
                                **_band(permuted, found, partial=bar["partial"]),
                                **_test(tests, found, bar, settings["bars"]),
                                "published": ledger.get(tuple(found[key] for key in ESTIMATE), np.nan),
                                "drawn": drawn,
                            }
                        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw bars of quality; see `plotted` for the table and the settings.

    Returns
    -------
    figure : Figure
        One or two columns of a journal wide.
    """
    return bar_figure(table, settings)


def bar_figure(table: pd.DataFrame, settings: Mapping, sentences: Sequence[str] = ()) -> plt.Figure:
    """Draw bars of quality, with more sentences below them.

    Settings may say what the bars are (``quantity``) and what the dashed line is (``dashed``: words of the legend, and a
    sentence), where it is not identification and its chance.
    """
    table = table[table["mean"].notna()]
    bars = table[table["drawn"] == "bar"]
    if bars.empty:
        return marks.words_only(NOTHING)
    grid = _Grid.of(bars)
    width = marks.ONE_COLUMN if grid.width <= marks.ONE_COLUMN else min(PAGE_WIDTH, max(grid.width, 110.0))
    height = (HEIGHT + LABEL_LINE * grid.label_lines) * len(grid.rows) + 5.0
    figure, panels = plt.subplots(
        len(grid.rows), len(grid.panels), figsize=(width * MM, height * MM), squeeze=False, sharey=True,
        width_ratios=[grid.slots(panel) for panel in grid.panels],
    )  # fmt: skip
    for line, row in zip(panels, grid.rows, strict=True):
        for axes, panel in zip(line, grid.panels, strict=True):
            here = table[(table["row"] == row) & (table["panel"] == panel)]
            _draw_panel(axes, here, grid, settings["points"], grid.stretch(panel, width))
            counts = here.loc[here["drawn"] == "bar", "n"].unique()
            n = f"(n = {int(counts[0])})".replace(" ", "\N{NO-BREAK SPACE}") if len(counts) == 1 else ""
            if row == grid.rows[0]:
                room = int(grid.slots(panel) * grid.scale(width) / TITLE_LETTER)
                axes.set_title("\n".join(textwrap.wrap(f"{panel} {n}".strip(), room)), loc="left", size=7)
        line[0].set_ylabel("\n".join(filter(None, (row, settings.get("quantity", QUANTITY)))), size=7)
    panels[0][0].set_ylim(0, 112 if table["p_value"].notna().any() else 102)
    band = table["chance_p01"].notna().any()
    entries = [(marks.patch(marks.colour_of(i)), name) for i, name in enumerate(grid.bars) if name]
    known = [subject for subject in settings["points"] if subject in set(table["subject"])]
    points = known if len(known) > 1 else []
    entries += [(marks.subject_mark(settings["points"].index(name)), subject_label(name)) for name in points]
    if band:
        entries.append((marks.patch(BAND), marks.CHANCE))
    else:
        entries.append((plt.Line2D([], [], color=INK, lw=0.8, ls=(0, (3, 2))), settings.get("dashed", DASHED)[0]))
    if table["published"].notna().any():
        entries.append((plt.Line2D([], [], color=INK, marker=">", ls="", ms=3.2, mfc="white", mew=0.7), "published"))
    return marks.finish(figure, entries, [*_sentences(table, settings, bool(points)), *sentences])


@dataclass(frozen=True)
class _Grid:
    """Words of a figure's rows, panels and colours, and the groups of each panel, in order of appearance."""

    rows: list[str]
    panels: list[str]
    bars: list[str]
    groups: Mapping[str, list[str]]

    @classmethod
    def of(cls, bars: pd.DataFrame) -> "_Grid":
        panels = list(dict.fromkeys(bars["panel"]))
        groups = {name: list(dict.fromkeys(bars.loc[bars["panel"] == name, "x"])) for name in panels}
        return cls(list(dict.fromkeys(bars["row"])), panels, list(dict.fromkeys(bars["bar"])), groups)

    def pitch(self, panel: str) -> float:
        """Width in mm that a group of bars, or the words below it, takes."""
        letters = max(len(line) for name in self.groups[panel] for line in wrapped(name).split("\n"))
        return max(len(self.bars) * BAR + GAP, letters * LETTER + 1.0)

    def slots(self, panel: str) -> float:
        """Width in mm of a panel; its title must fit too."""
        return max(len(self.groups[panel]) * self.pitch(panel), 1.2 * len(panel) + 14.0)

    @property
    def width(self) -> float:
        """Width in mm at which bars have their usual width."""
        return sum(map(self.slots, self.panels)) + SIDE + 3.0 * len(self.panels)

    def scale(self, width: float) -> float:
        """Return by how much panels are wider or narrower in a figure of this width in mm."""
        return (width - SIDE - 3.0 * len(self.panels)) / sum(map(self.slots, self.panels))

    def stretch(self, panel: str, width: float) -> float:
        """Return the width in mm of a bar and the space beside it in a figure of this width in mm."""
        units = len(self.groups[panel]) * (len(self.bars) + GAP / BAR)
        return self.slots(panel) * self.scale(width) / units

    @property
    def label_lines(self) -> int:
        return max(wrapped(name).count("\n") + 1 for names in self.groups.values() for name in names)


def wrapped(words: str) -> str:
    """Return the words below a group of bars in lines."""
    return words.replace(" ", "\n") if len(words) > 8 else words


def _draw_panel(axes: Axes, table: pd.DataFrame, grid: _Grid, subjects: Sequence[str], bar_width: float) -> None:
    groups = grid.groups[table["panel"].iloc[0]] if len(table) else []
    pitch = len(grid.bars) + GAP / BAR
    size = 2.6 if bar_width > 4.5 else 1.7
    for number, bar in enumerate(grid.bars):
        mine = table[table["bar"] == bar]
        shift = number - (len(grid.bars) - 1) / 2
        places = {name: i * pitch + shift for i, name in enumerate(groups)}
        drawn = mine[mine["drawn"] == "bar"]
        _draw_bars(axes, drawn["x"].map(places).to_numpy(dtype=float), drawn, marks.colour_of(number))
        points = mine[mine["drawn"] == "point"]
        if points["subject"].nunique() > 1:
            x = points["x"].map(places).to_numpy(dtype=float)
            marks.draw_subjects(axes, x, points["subject"], 100 * points["mean"], subjects, 0.75, size)
    for number, name in enumerate(groups):
        places = {bar: number * pitch + i - (len(grid.bars) - 1) / 2 for i, bar in enumerate(grid.bars)}
        _draw_tests(axes, table[(table["x"] == name) & (table["drawn"] == "bar")], places)
    axes.set_yticks([0, 25, 50, 75, 100])
    beside = max(0.0, bar_width / WIDEST - 1) * len(groups) * pitch / 2  # so that few bars are not wide
    axes.set_xlim(-pitch / 2 - beside, (max(len(groups), 1) - 0.5) * pitch + beside)
    axes.set_xticks(np.arange(len(groups)) * pitch, [wrapped(name) for name in groups], size=SMALL)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.spines["left"].set_bounds(0, 100)


def _draw_bars(axes: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str) -> None:
    """Draw the bars of one colour: band and mean of chance, mean, interval, published value."""
    names = ("mean", "ci_low", "ci_high", "chance", "chance_p01", "chance_p99", "published")
    mean, ci_low, ci_high, chance, low, high, published = (100 * rows[name].to_numpy(dtype=float) for name in names)
    known = np.isfinite(low)
    axes.bar(x[known], (high - low)[known], 1.0, bottom=low[known], color=BAND, zorder=1, lw=0)
    axes.bar(x, mean, 0.72, color=colour, alpha=0.85, zorder=2, lw=0)
    known = np.isfinite(chance)
    axes.hlines(chance[known], x[known] - 0.5, x[known] + 0.5, color=INK, lw=0.8, ls=(0, (3, 2)), zorder=3)
    known = np.isfinite(ci_low)
    ends = np.array([mean - ci_low, ci_high - mean])[:, known]
    axes.errorbar(
        x[known], mean[known], ends, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2.0, capthick=0.9, zorder=7,
        clip_on=False,
    )  # fmt: skip
    axes.plot(x - 0.42, published, ">", color=INK, mfc="white", ms=3.2, mew=0.7, zorder=8)


def _draw_tests(axes: Axes, group: pd.DataFrame, places: Mapping[str, float]) -> None:
    """Write p values above the bars: of two bars with a bracket between them."""
    for row in group[group["p_value"].notna()].to_dict("records"):
        x, words = places[row["bar"]], marks.p_words(row["p_value"])
        if row["against"] in places:
            ends = sorted([x, places[row["against"]]])
            axes.plot(
                [ends[0], ends[0], ends[1], ends[1]], [103, 104.5, 104.5, 103], color=FAINT, lw=0.6, clip_on=False
            )
            axes.text(sum(ends) / 2, 105.5, words, size=6, ha="center", va="bottom")
        elif row["against"] == "chance":
            axes.text(x, 105.5, words, size=6, ha="center", va="bottom")


def _sentences(table: pd.DataFrame, settings: Mapping, points: bool) -> list[str]:
    counts = sorted({int(n) for n in table.loc[table["drawn"] == "bar", "n"]})
    what = "Error bars: 95 % CI over images" + (" of all subjects" if (table["subject"] == POOLED).any() else "")
    parts = [footnote(bool(settings["simulated"]), False), footnote(False, is_true(table["transductive"]))]
    parts.append(f"{what} (n = {', '.join(map(str, counts))}; t).")
    if points:
        parts.append("Marks: subjects.")
    if table["chance_p01"].isna().all():
        parts.append(settings.get("dashed", DASHED)[1])
    elif (table.loc[table["drawn"] == "bar", "subject"] == POOLED).any() and points:
        parts.append("Chance band of pooled bars: widest of the subjects.")
    if table["published"].notna().any():
        parts.append("Open triangles: values published by Shen et al. (2019).")
    if table["p_value"].notna().any():
        sides = {"one-sided" if against == "chance" else "two-sided" for against in table["against"].dropna()}
        parts.append(f"p: {' and '.join(sorted(sides))} signed-rank test.")
    return parts


def _subject(subject: str) -> str:
    return "Pooled" if subject == POOLED else subject_label(subject)


def _by(table: pd.DataFrame, keys: Sequence[str]) -> dict[tuple, list[dict]]:
    """Return the rows of a table by the values of some columns."""
    found: dict[tuple, list[dict]] = {}
    for row in table.to_dict("records"):
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def _band(permuted: Mapping[tuple, list[dict]], found: Mapping, partial: bool) -> dict[str, float]:
    """Return the percentiles of chance; those of all subjects together are the widest of theirs.

    Where only a part of a test's images is drawn (`partial`) the table of permutations has no distribution of their mean.
    """
    same = [] if partial else permuted.get(tuple(found[key] for key in SPLIT), [])
    if found["subject"] != POOLED:
        same = [row for row in same if row["subject"] == found["subject"]]
    low = min((row["chance_p01"] for row in same), default=np.nan)
    return {"chance_p01": low, "chance_p99": max((row["chance_p99"] for row in same), default=np.nan)}


def _test(
    tests: Mapping[tuple, list[dict]], found: Mapping, bar: Mapping, bars: Sequence[Mapping]
) -> dict[str, object]:
    """Return the signed-rank test of a mean: against another bar of the figure, else against chance."""
    mine = tests.get(tuple(found[key] for key in ESTIMATE), [])
    base = found["metric"].removesuffix(f"_{bar['aspect']}") if bar["aspect"] else found["metric"]
    others = {(bar["condition"], f"{base}_{bar['aspect']}" if bar["aspect"] else base): bar["label"] for bar in bars}
    for row in mine:
        against = (row["against_condition"], row["against_metric"])
        if row["analysis"] == "difference" and against in others:
            return {"against": others[against], "p_value": row["p_value"]}
    above = [row["p_value"] for row in mine if row["analysis"] == "above_chance" and len(bars) == 1]
    return {"against": "chance", "p_value": above[0]} if above else {"against": np.nan, "p_value": np.nan}


def _printed(path: str, paper: str) -> dict[tuple, float]:
    """Return the published means as fractions, by condition, metric and subject of ours."""
    table = read_table(path, subject=str, published=str)
    table = table[(table["paper"] == paper) & (table["measure"] == QUALITY) & table["metric"].notna()]
    found = {}
    for row in table.to_dict("records"):
        condition = row["condition"].partition(":")[0]  # after the colon the aspect, which the metric tells too
        found[condition, row["metric"], row["subject"]] = float(row["published"]) / 100
    return found
