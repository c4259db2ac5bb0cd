"""S1 Fig of Shen et al. 2019: decoding accuracy of features by layer, for what was seen and what was imagined."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5
from fmri2image.core.intervals import mean_interval
from fmri2image.core.seeds import generator_for
from fmri2image.core.tables import read_table
from fmri2image.evaluate.lures import kinds_of
from fmri2image.evaluate.unit_kinds import part_accuracies
from fmri2image.report.paper import marks
from fmri2image.report.paper.layer_bars import MEAN, draw_layers
from fmri2image.report.style import BAND, MM, PAGE_WIDTH, footnote, is_true, subject_label

COLUMNS = {
    "series": "What was seen or imagined",
    "test": "Test of the configuration",
    "kind": "Kind of the stimuli where only one kind of the test's counts, else n/a",
    "layer": "Layer of the network, before rectification",
    "subject": "Subject label, mean: units averaged over subjects first",
    "n_units": "Units that vary over the stimuli and so have a correlation",
    "n_rows": "Stimuli (or trials) over which a unit's r is taken",
    "mean": "Mean over units of r of decoded and true feature",
    "ci_low": "Lower end of its 95 % confidence interval over units (Student's t)",
    "ci_high": "Upper end",
    "chance_p01": "1st percentile of the permutation distribution; of the mean: the lowest of the subjects",
    "chance_p99": "Its 99th percentile; of the mean: the highest of the subjects",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
NOTHING = "No test has true features to compare decoded features with."
HEIGHT = 46.0  # mm of a panel
COLUMNS_OF_PANELS = 3

Accuracies = dict[str, tuple[np.ndarray, float, float, int, bool]]


def plotted(inputs: Mapping[str, Sequence[str] | str], settings: Mapping) -> pd.DataFrame:
    """Return the accuracy of every layer, for every subject and for the mean of all.

    Parameters
    ----------
    inputs : mapping
        ``units`` and ``accuracy``: files of `score_features`, one per subject; ``decoded``: files of decoded features of
        the imagery test, ``…/sub-<subject>_roi-<roi>/<layer>.h5``; ``true``: true features of its stimuli; ``stimuli``:
        table of the stimuli with their kinds. The last three only where imagery is drawn.
    settings : mapping
        ``series``: list of {``label``, ``test``, ``kind``, ``stimuli``}; ``layers``, ``permutations``, ``seed``,
        ``simulated``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
    """
    whole = [one for one in settings["series"] if not one["kind"]]
    parts = [one for one in settings["series"] if one["kind"]]
    accuracy = [read_table(path, subject=str) for path in inputs.get("accuracy", [])]
    permuted = pd.concat(accuracy) if accuracy else pd.DataFrame()
    rows = []
    for layer in settings["layers"]:
        found: dict[str, Accuracies] = {}
        for one in whole:
            found[one["label"]] = dict(_whole(inputs["units"], permuted, layer, one["test"]))
        if parts:
            found |= _parts(inputs, parts, layer, settings)
        for one in settings["series"]:
            for row in _rows(found.get(one["label"], {})):
                about = {"series": one["label"], "test": one["test"], "kind": one["kind"] or pd.NA, "layer": layer}
                rows.append({**about, **row, "simulated": settings["simulated"]})
    order = [one["label"] for one in settings["series"]]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("series", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw one panel per series.

    Returns
    -------
    figure : Figure
    """
    series = [one["label"] for one in settings["series"] if (table["series"] == one["label"]).any()]
    if not series:
        return marks.words_only(NOTHING)
    layers = [layer for layer in settings["layers"] if (table["layer"] == layer).any()]
    subjects = sorted(set(table["subject"]) - {MEAN})
    columns = min(COLUMNS_OF_PANELS, len(series))
    rows = -(-len(series) // columns)
    width = PAGE_WIDTH if columns > 1 else marks.ONE_COLUMN
    figure, panels = plt.subplots(
        rows, columns, figsize=(width * MM, HEIGHT * rows * MM), squeeze=False, sharey=True,
    )  # fmt: skip
    for number, (name, axes) in enumerate(zip(series, panels.ravel(), strict=False)):
        here = table[table["series"] == name]
        draw_layers(axes, here, layers, subjects, marks.colour_of(number))
        axes.set_title(f"{name} (n = {int(here['n_rows'].max())})", loc="left", size=7)
    for axes in panels[:, 0]:
        axes.set_ylabel("Correlation coefficient", size=7)
    for axes in panels.ravel()[len(series) :]:
        axes.set_axis_off()
    entries = [(marks.patch("0.45"), "mean of subjects" if len(subjects) > 1 else subject_label(subjects[0]))]
    if len(subjects) > 1:
        entries += [(marks.subject_mark(i), subject_label(name)) for i, name in enumerate(subjects)]
    entries.append((marks.patch(BAND), marks.CHANCE))
    counts = table.loc[table["subject"] == MEAN].groupby("layer")["n_units"].max()
    sentences = [
        footnote(bool(settings["simulated"]), False),
        footnote(False, is_true(table["transductive"])),
        f"Error bars: 95 % CI over the units of a layer ({int(counts.min())} to {int(counts.max())} units; t).",
        "n: stimuli.",
        "Chance band: widest of the subjects." if len(subjects) > 1 else "",
    ]
    return marks.finish(figure, entries, sentences)


def _whole(
    files: Sequence[str], permuted: pd.DataFrame, layer: str, test: str
) -> Iterator[tuple[str, tuple[np.ndarray, float, float, int, bool]]]:
    """Yield every subject's correlations of units, with chance, that `score_features` has found."""
    for path in files:
        with open_h5(path) as file:
            if f"{layer}/{test}" not in file:
                continue
            units: h5py.Dataset = file[layer][test]
            subject, values = str(units.attrs["subject"]), units[()].ravel()
        chance = permuted[
            (permuted["subject"] == subject)
            & (permuted["layer"] == layer)
            & (permuted["test"] == test)
            & (permuted["metric"] == "unit_correlation")
        ].iloc[0]
        transductive = str(chance["transductive"]) == "True"
        yield subject, (values, chance["chance_p01"], chance["chance_p99"], int(chance["n_rows"]), transductive)


def _parts(inputs: Mapping, series: Sequence[Mapping], layer: str, settings: Mapping) -> dict[str, Accuracies]:
    """Return every subject's correlations of units over the stimuli of one kind, by the words of the series."""
    test, files = series[0]["test"], [path for path in inputs["decoded"] if Path(path).stem == layer]
    true = next((path for path in inputs["true"] if Path(path).stem == layer), None)
    found: dict[str, Accuracies] = {one["label"]: {} for one in series}
    if true is None:
        return found
    with open_h5(true) as file:
        shown = [name.decode() for name in file["features_rows"][:]]
    kinds = kinds_of(shown, read_table(inputs["stimuli"]), series[0]["stimuli"])["kind"]
    names = {one["label"]: list(kinds.index[kinds == one["kind"]]) for one in series}
    for path in files:
        subject = Path(path).parent.name.removeprefix("sub-").split("_roi-")[0]
        generator = generator_for(settings["seed"], "permute kinds", layer, test, subject)
        with open_h5(path) as file:
            transductive = str(file.attrs.get("transductive", "False")) == "True"
        for label, part in part_accuracies(path, true, test, names, settings["permutations"], generator).items():
            low, high = np.percentile(part.test.null, [1, 99])
            found[label][subject] = (part.units.ravel(), float(low), float(high), part.n_rows, transductive)
    return found


def _rows(subjects: Accuracies) -> Iterator[dict]:
    """Yield the rows of the subjects, and before them that of the units averaged over subjects."""
    if not subjects:
        return
    stacked = np.stack([values for values, *_ in subjects.values()]).astype(float)
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    averaged = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    _, lows, highs, n_rows, flags = zip(*subjects.values(), strict=True)
    yield {"subject": MEAN, **_row(averaged, min(lows), max(highs), max(n_rows), any(flags))}
    for subject, found in subjects.items():
        yield {"subject": subject, **_row(*found)}


def _row(values: np.ndarray, low: float, high: float, n_rows: int, transductive: bool) -> dict:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    mean, ci_low, ci_high = mean_interval(values)
    return {
        "n_units": len(values),
        "n_rows": n_rows,
        "mean": mean,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "chance_p01": low,
        "chance_p99": high,
        "transductive": transductive,
    }
