"""S9 Fig of Shen et al. 2019: correlation over images of feature decoding accuracy and reconstruction quality."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fmri2image.core.seeds import generator_for
from fmri2image.core.tables import read_table
from fmri2image.report.paper import marks
from fmri2image.report.paper.layer_bars import MEAN, draw_layers
from fmri2image.report.style import BAND, MM, PAGE_WIDTH, footnote, is_true, metric_label, subject_label

ALL_LAYERS = "mean of layers"
COLUMNS = {
    "label": "With or without the deep generator network",
    "method": "Named setting of a method",
    "decoder": "Named setting of the decoder whose features it matches",
    "metric": "Metric of reconstruction quality, image by image",
    "layer": f"Layer whose decoding accuracy counts; {ALL_LAYERS}: the accuracy averaged over layers",
    "subject": "Subject label, mean: r averaged over subjects",
    "n": "Images over which r is taken",
    "mean": "Pearson's r over images of pattern correlation (z-normalised by training statistics) and quality",
    "ci_low": "n/a: none is drawn",
    "ci_high": "n/a: none is drawn",
    "chance_p01": "1st percentile of r when the quality of the images is permuted",
    "chance_p99": "Its 99th percentile",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
NOTHING = "No test has both true features and scored images, so there is nothing to correlate."
HEIGHT = 44.0  # mm of a panel
KEYS = ("method", "roi", "test", "metric", "subject")


def plotted(inputs: Mapping[str, Sequence[str] | str], settings: Mapping) -> pd.DataFrame:
    """Return the correlations of every layer, subject, metric and method.

    Parameters
    ----------
    inputs : mapping
        ``scores``: table of the study; ``accuracy``: tables of stimuli of `score_features`, for every decoder and subject.
    settings : mapping
        ``methods``: list of {``label``, ``method``, ``decoder``}; ``metrics``, ``layers``, ``subjects``, ``roi``, ``test``,
        ``permutations``, ``seed``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
        Images are joined by name; a layer or a quality that does not vary over images has no correlation.
    """
    scores = read_table(inputs["scores"], subject=str)
    accuracy = pd.concat([read_table(path, subject=str) for path in inputs["accuracy"]])
    accuracy = accuracy[(accuracy["test"] == settings["test"]) & (accuracy["roi"] == settings["roi"])]
    rows = []
    for one in settings["methods"]:
        for metric in settings["metrics"]:
            found = {}
            for subject in settings["subjects"]:
                wanted = (one["method"], settings["roi"], settings["test"], metric, subject)
                mine = scores
                for key, value in zip(KEYS, wanted, strict=True):
                    mine = mine[mine[key] == value]
                decoded = accuracy[(accuracy["decoder"] == one["decoder"]) & (accuracy["subject"] == subject)]
                if mine.empty or decoded.empty:
                    continue
                generator = generator_for(settings["seed"], "permute quality", *wanted)
                found[subject] = _Relation(mine, decoded, settings, generator)
            about = {**one, "metric": metric}
            rows += [{**about, **row} for row in _rows(found, [*settings["layers"], ALL_LAYERS])]
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(simulated=settings["simulated"])


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw one line of panels per metric, with a column per method.

    Returns
    -------
    figure : Figure
    """
    table = table[table["mean"].notna()]
    if table.empty:
        return marks.words_only(NOTHING)
    metrics = [name for name in settings["metrics"] if (table["metric"] == name).any()]
    labels = [one["label"] for one in settings["methods"] if (table["label"] == one["label"]).any()]
    layers = [name for name in [*settings["layers"], ALL_LAYERS] if (table["layer"] == name).any()]
    subjects = [name for name in settings["subjects"] if (table["subject"] == name).any()]
    width = PAGE_WIDTH if len(labels) > 1 else marks.ONE_COLUMN
    figure, panels = plt.subplots(
        len(metrics), len(labels), figsize=(width * MM, HEIGHT * len(metrics) * MM), squeeze=False, sharey=True,
        sharex=True,
    )  # fmt: skip
    for line, metric in zip(panels, metrics, strict=True):
        for number, (axes, label) in enumerate(zip(line, labels, strict=True)):
            here = table[(table["metric"] == metric) & (table["label"] == label)]
            if here.empty:  # as a judge leaves out mere variants of a method
                axes.set_axis_off()
                continue
            draw_layers(axes, here, layers, subjects, marks.colour_of(number))
            if ALL_LAYERS in layers:
                axes.axvline(len(layers) - 1.5, color="0.5", lw=0.5, ls=":")
            axes.set_title(f"{metric_label(metric)} · {label} (n = {int(here['n'].max())})", loc="left", size=7)
        line[0].set_ylabel("Correlation over images", size=7)
    entries = [(marks.patch(marks.colour_of(i)), label) for i, label in enumerate(labels)]
    if len(subjects) > 1:
        entries += [(marks.subject_mark(i), subject_label(name)) for i, name in enumerate(subjects)]
    entries.append((marks.patch(BAND), marks.CHANCE))
    sentences = [
        footnote(bool(settings["simulated"]), False),
        footnote(False, is_true(table["transductive"])),
        "Bars: mean of the subjects' r." if len(subjects) > 1 else "",
        "n: images of each subject.",
    ]
    return marks.finish(figure, entries, sentences)


class _Relation:
    """Correlations of one subject: `r` (n_layers + 1,) and its permutations `null` (n_permutations, n_layers + 1)."""

    def __init__(
        self, scores: pd.DataFrame, decoded: pd.DataFrame, settings: Mapping, generator: np.random.Generator
    ) -> None:
        layers = settings["layers"]
        accuracy = decoded.pivot_table(index="stimulus", columns="layer", values="pattern_correlation", dropna=False)
        accuracy = accuracy.reindex(columns=layers)
        quality = scores.set_index("stimulus")["value"]
        names = [name for name in quality.index if name in accuracy.index and np.isfinite(quality[name])]
        values = accuracy.loc[names].to_numpy(dtype=float)
        values = np.column_stack([values, values[:, np.isfinite(values).any(axis=0)].mean(axis=1)])
        y = quality.loc[names].to_numpy(dtype=float)
        self.n = len(names)
        shuffled = generator.permuted(np.tile(y, (settings["permutations"], 1)), axis=1)
        x = _scaled(values.T)
        self.r = x @ _scaled(y[None])[0]
        self.null = _scaled(shuffled) @ x.T
        flags = {str(flag) for table in (scores, decoded) for flag in table["transductive"]}
        self.transductive = "True" in flags


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return rows (n_rows, n_images) centred and of length one; NaN where a row does not vary."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=length > 1e-12)


def _rows(found: Mapping[str, _Relation], layers: Sequence[str]) -> list[dict]:
    """Return the rows of the mean over subjects, then those of the subjects."""
    if not found:
        return []
    every = list(found.values())
    together = (MEAN, np.mean([one.r for one in every], axis=0), np.mean([one.null for one in every], axis=0))
    single = [(subject, one.r, one.null) for subject, one in found.items()]
    rows = []
    for subject, r, null in [together, *single]:
        n = found[subject].n if subject in found else max(one.n for one in every)
        flag = found[subject].transductive if subject in found else any(one.transductive for one in every)
        for number, layer in enumerate(layers):
            low, high = np.percentile(null[:, number], [1, 99])
            known = {"mean": r[number], "chance_p01": low, "chance_p99": high}
            rows.append({"layer": layer, "subject": subject, "n": n, **known, "transductive": flag})
    return rows
