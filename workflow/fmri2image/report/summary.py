"""The first page: what was seen, what was reconstructed, how good it is beside chance and ceiling, what to distrust."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment

from fmri2image.core.files import replacing
from fmri2image.core.tables import read_table
from fmri2image.report.style import SIMULATED, TRANSDUCTIVE, is_true

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 Georgia, serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2, th { font-family: Helvetica, Arial, sans-serif; } h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font: 13px Helvetica, Arial, sans-serif; } td, th { padding: .25rem .7rem; text-align: right; }
th { border-bottom: 1px solid #222; } td:first-child, th:first-child, td.text, th.text { text-align: left; }
tr.primary { background: #eef5fb; } .note { border-left: 4px solid #d55e00; padding: .4rem .9rem; background: #fdf4ee; }
img { max-width: 100%; } figcaption { font-size: 13px; color: #555; }
</style></head><body>
<h1>{{ title }}</h1>
{% for note in notes %}<p class="note">{{ note }}</p>{% endfor %}
<h2>Pairwise identification</h2>
<p>How often a reconstruction is more like its own stimulus than like another stimulus of the same image set. Chance is the
permutation distribution of the same split (mean and 99th percentile); the ceiling is the same method on true features.
The primary setting, fixed beforehand, is shaded.</p>
<table><tr><th>Subject</th><th class="text">Method</th><th class="text">Area</th><th class="text">Test</th><th class="text">Similarity</th>
<th>Score</th><th>Chance</th><th>99th pct.</th><th>p</th><th>Ceiling</th></tr>
{% for row in rows %}<tr{% if row.primary %} class="primary"{% endif %}><td>{{ row.subject }}</td><td class="text">{{ row.method }}</td>
<td class="text">{{ row.roi }}</td><td class="text">{{ row.test }}</td><td class="text">{{ row.similarity }}</td><td>{{ row.value }}</td>
<td>{{ row.chance }}</td><td>{{ row.p99 }}</td><td>{{ row.p }}</td><td>{{ row.ceiling }}</td></tr>
{% endfor %}</table>
{% if accuracy %}<h2>Feature decoding</h2>
<p>Correlation of decoded with true features over the stimuli of a test, averaged over units and layers.</p>
<table><tr><th>Area</th>{% for test in tests %}<th>{{ test }}</th>{% endfor %}</tr>
{% for roi, values in accuracy.items() %}<tr><td>{{ roi }}</td>{% for value in values %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if motion %}<h2>Motion correction against the simulated motion</h2>
<p>Root mean square error over all runs: {{ motion }}</p>{% endif %}
<h2>Images</h2>
{% for sheet in sheets %}<figure><img alt="{{ sheet.name }}" src="data:image/png;base64,{{ sheet.data }}">
<figcaption>{{ sheet.name }}: seen stimuli above reconstructions, raw pixel values.</figcaption></figure>{% endfor %}
</body></html>
"""


def write_summary(
    identification: str,
    motion: Sequence[str],
    accuracy: Sequence[str],
    sheets: Sequence[str],
    output: str,
    settings: Mapping,
) -> None:
    """Write the summary page; every number is read from the tables.

    Parameters
    ----------
    identification : path
    motion, accuracy : sequences with one path or none
    sheets : sequence of path
        Image sheets, embedded.
    output : path
    settings : mapping
        ``title``, ``simulated``, ``primary``.
    """
    table = read_table(identification, subject=str)
    transductive = is_true(table["transductive"])
    notes = [SIMULATED] if settings["simulated"] else []
    if transductive:
        notes.append(TRANSDUCTIVE)
    rows = [_row(row, table, settings["primary"]) for row in table.dropna(subset=["subject"]).itertuples()]
    context = {"title": settings["title"], "notes": notes, "rows": rows, "accuracy": {}, "tests": [], "motion": ""}
    if accuracy:
        decoded = read_table(accuracy[0], subject=str)
        units = decoded[decoded["metric"] == "unit_correlation"]
        context["tests"] = list(dict.fromkeys(units["test"]))
        means = units.pivot_table(index="roi", columns="test", values="value")[context["tests"]]
        context["accuracy"] = {roi: [_number(v) for v in values] for roi, values in zip(means.index, means.to_numpy())}  # noqa: B905
    if motion:
        errors = motion_errors(read_table(motion[0], subject=str))
        context["motion"] = "; ".join(f"subject {s}: {t:.3f} mm, {r:.3f}°" for s, t, r in errors.itertuples())
    context["sheets"] = [
        {"name": Path(path).stem.removeprefix("images_"), "data": base64.b64encode(Path(path).read_bytes()).decode()}
        for path in sheets
    ]
    with replacing(output) as partial:
        partial.write_text(Environment(autoescape=True).from_string(PAGE).render(context), encoding="utf-8")


def motion_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the RMS motion error of every subject over all its volumes: translation (mm), rotation (degrees)."""
    squares = table.assign(
        translation=table["rms_translation"] ** 2 * table["n_volumes"],
        rotation=table["rms_rotation"] ** 2 * table["n_volumes"],
    )
    sums = squares.groupby("subject")[["translation", "rotation", "n_volumes"]].sum()
    return (sums[["translation", "rotation"]].div(sums["n_volumes"], axis=0)) ** 0.5


def _row(row: object, table: pd.DataFrame, primary: Mapping) -> dict[str, object]:
    same = (table["method"] == row.method) & (table["test"] == row.test) & (table["metric"] == row.metric)
    ceiling = table[same & (table["roi"] == "true-features")]
    return {
        "subject": row.subject,
        "method": row.method,
        "roi": row.roi,
        "test": row.test,
        "similarity": row.metric.removesuffix("_identification"),
        "value": f"{100 * row.value:.1f} %",
        "chance": f"{100 * row.chance:.1f} %",
        "p99": f"{100 * row.chance_p99:.1f} %",
        "p": f"{row.p_value:.4f}",
        "ceiling": "" if ceiling.empty else f"{100 * ceiling.iloc[0]['value']:.1f} %",
        "primary": row.method == primary["method"] and row.roi == primary["roi"],
    }


def _number(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1)
