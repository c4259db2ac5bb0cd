"""A method that ran for one subject breaks no figure of scores, and the methods text names its subject."""

import copy

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from small_study import config

from fmri2image.report import figures
from fmri2image.report.methods_text import methods_text

ROWS = [("icnn", subject, 0.7) for subject in ("01", "02", "03")] + [("end2end", "02", 0.6)]


def table() -> pd.DataFrame:
    same = {
        "roi": "VC",
        "test": "test",
        "metric": "pixel_identification",
        "chance": 0.5,
        "chance_p01": 0.45,
        "chance_p99": 0.55,
    }
    rows = [{"method": method, "subject": subject, "value": value, **same} for method, subject, value in ROWS]
    return pd.DataFrame(rows).assign(n_rows=24, transductive=False, simulated=True)


@pytest.mark.parametrize("draw", [figures.draw_methods, figures.draw_identification])
def test_figures_of_scores_show_what_there_is(draw, monkeypatch):
    kept: list[plt.Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, outputs: kept.append(figure))
    settings = {"primary": {"method": "icnn", "roi": "VC"}, "simulated": True, "methods": ["icnn", "end2end"]}
    draw(table(), [], settings)
    points = [line for axes in kept[0].axes for line in axes.lines if line.get_marker() in ("o", "s", "^")]
    wanted = [70.0, 70.0, 70.0] + [60.0] * (draw is figures.draw_methods)
    assert [line.get_ydata()[0] for line in points] == pytest.approx(wanted)
    if draw is figures.draw_methods:  # the mark of the second subject, also where it is alone
        assert points[3].get_marker() == points[1].get_marker() != points[0].get_marker()


def test_methods_text_names_the_subjects_of_an_analysis():
    settings = copy.deepcopy(config())
    first = settings["analyses"][0]
    settings["analyses"].append({**first, "rois": ["V1"], "subjects": ["02"]})
    words = " ".join(paragraph for _, paragraph in methods_text(settings).paragraphs)
    assert f"{first['method']} on V1 of subject 02 (tests:" in words
