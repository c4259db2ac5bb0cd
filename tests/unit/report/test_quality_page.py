"""The quality page says what the tables say, marks what is wrong, and does without what is optional."""

import html
import json
import re
from dataclasses import fields

import pandas as pd
import pytest
from PIL import Image

from fmri2image.core.errors import DataError
from fmri2image.core.tables import write_table
from fmri2image.evaluate.behaviour import TABLE_COLUMNS
from fmri2image.preprocess.coregister_check import CheckSettings, Step
from fmri2image.preprocess.quality import FIGURES as DRAWN
from fmri2image.preprocess.quality_signal import BRAIN as DRAWN_BRAIN
from fmri2image.preprocess.quality_signal import SIGNAL_COLUMNS
from fmri2image.report.quality_page import FIGURES, dropped_trials, number_runs, write_quality_page
from fmri2image.report.quality_verdict import BRAIN, check_rows, number_of, suspicions, verdict
from fmri2image.samples.exclude import TRIAL_COLUMNS
from fmri2image.samples.runs import RUN_COLUMNS

LIMIT = {"displacement": 0.5, "share": 0.25, "runs": "flag", "trials": "drop"}
SETTINGS = {"title": "A study", "dataset": "small", "simulated": True, "motion_limit": LIMIT}
CHECKS = {
    "similarity_measure": "normalised mutual information", "similarity_before": 1.0512, "similarity_after": 1.1834,
    "similarity_mirrored": 1.0991, "overlap_measure": "Dice", "overlap_before": 0.812, "overlap_after": 0.9312,
    "shift_mm": 2.5, "rotation_degrees": 1.25,
    "steps": [{"fixed": "boldref", "moving": "inplaneT2", "measure": "boundary_cost", "before": 0.9, "after": 0.4}],
    "thresholds": {"least_overlap": 0.5, "good_overlap": 0.7}, "suspicious": False, "reasons": [],
}  # fmt: skip


def run_row(session, run, **changes):
    row = dict.fromkeys(RUN_COLUMNS) | {
        "session": session, "task": "perception", "run": run, "stimulus_set": "train", "n_volumes": 235, "n_discarded": 4,
        "seconds": 478.0,
        "seconds_needed": 472.0, "n_trials_kept": 24, "n_trials_dropped": 0, "mean_displacement": 0.1,
        "largest_displacement": 0.4, "share_above": 0.01, "status": "ok", "reason": "",
    }  # fmt: skip
    return row | changes


def signal_rows(names):
    return [
        dict.fromkeys(SIGNAL_COLUMNS)
        | {
            "number": number, "session": session, "task": "perception", "run": f"{run:02}", "area": area, "n_voxels": 50,
            "n_covered": 50, "tsnr_p05": 30, "tsnr_p25": 40, "tsnr_median": value + number, "tsnr_p75": 80, "tsnr_p95": 90,
        }
        for number, (session, run) in enumerate(names, start=1)
        for area, value in ((BRAIN, 60.0), ("V1", 50.0))
    ]  # fmt: skip


def trial_row(session, run, onset, reason=""):
    return dict.fromkeys(TRIAL_COLUMNS) | {
        "session": session, "task": "perception", "run": run, "stimulus_set": "train", "block": 1, "stimulus": f"cat<{onset:g}>",
        "kind": "perception", "onset": onset, "duration": 8.0, "kept": int(reason == ""), "reason": reason,
        "n_volumes": 4, "largest_displacement": 0.2,
    }  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Return a function that writes the inputs of a page from rows of runs and trials, and returns the page's text."""

    def write(runs, trials, *, checks=CHECKS, behaviour=None, settings=SETTINGS, signal=None, figures=FIGURES):
        inputs = {"figures": [], "checks": [], "behaviour": []}
        for name in figures:
            inputs["figures"].append(str(tmp_path / f"sub-01_quality_{name}.png"))
            Image.new("RGB", (8, 8)).save(inputs["figures"][-1])
        names = [(row["session"], row["run"]) for row in runs]
        tables = {
            "runs": (runs, RUN_COLUMNS),
            "trials": (trials, TRIAL_COLUMNS),
            "signal": (signal_rows(names) if signal is None else signal, SIGNAL_COLUMNS),
        }
        if behaviour is not None:
            tables["behaviour"] = (behaviour, TABLE_COLUMNS)
        for name, (rows, columns) in tables.items():
            inputs[name] = [str(tmp_path / f"sub-01_{name}.tsv")]
            write_table(inputs[name][0], pd.DataFrame(rows, columns=list(columns)), columns)
        if checks is not None:
            inputs["checks"] = [str(tmp_path / "xfm.json")]
            (tmp_path / "xfm.json").write_text(json.dumps(checks), encoding="utf-8")
        page = tmp_path / "page" / "sub-01.html"
        write_quality_page(inputs, page, "01", settings)
        return page.read_text(encoding="utf-8")

    return write


def text_of(page, anchor=None):
    part = page if anchor is None else re.search(rf'id="{anchor}".*?(?=<h2|</header>|$)', page, re.DOTALL).group()
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", part)).replace("\u00a0", " "))


def test_the_names_shared_with_the_figures_agree():
    assert FIGURES == DRAWN
    assert BRAIN == DRAWN_BRAIN


def test_a_good_subject_has_a_verdict_with_the_numbers_of_the_tables(study):
    runs = [run_row("a", 1), run_row("a", 2, mean_displacement=0.2, largest_displacement=0.45, n_volumes=470)]
    page = study(
        runs, [trial_row("a", 1, 32.0), trial_row("a", 2, 40.0), trial_row("a", 2, 48.0, "one-back repetition")]
    )
    words = text_of(page, "verdict")
    assert "Nothing checked here speaks against using this subject." in words
    # (0.1 · 235 + 0.2 · 470) / 705
    assert "2 runs, none above the motion limit (more than 25 % of volumes displaced by more than 0.5 mm)" in words
    assert "mean framewise displacement 0.17 mm, largest 0.45 mm." in words
    assert "Median tSNR of the brain 62 (runs: 61 to 62); V1 52." in words
    assert "The brains of EPI and T1w image overlap by 0.93 (Dice)." in words
    assert "2 of 2 trials kept." in words
    assert "Events file" not in text_of(page, "runs")
    assert "Simulated data" in words
    assert "1 one-back repetitions are no trials" in text_of(page, "trials")
    assert page.count('src="data:image/png;base64,') == len(FIGURES)
    assert 'href="../subjects/sub-01.html"' in page


def test_what_is_wrong_is_marked(study):
    moved = "motion: 31% of volumes above 0.5 mm (at most 25%)"
    runs = [
        run_row("a", 1),
        run_row("b", 1, share_above=0.3123, status="flagged", reason=moved, n_trials_dropped=2, n_trials_kept=22),
        run_row("b", 2, seconds=400.0, status="flagged", reason="the scan ends at 400 s, the events at 472 s"),
    ]
    reasons = ["motion: 0.82 mm in its window (at most 0.5 mm)", "motion: 0.61 mm in its window (at most 0.5 mm)"]
    trials = [trial_row("b", 1, 32.0 + i, reason) for i, reason in enumerate(reasons)]
    trials += [
        trial_row("b", 2, 470.0, "incomplete: its window reaches outside the kept volumes"),
        trial_row("a", 1, 1.0),
    ]
    signal = signal_rows([("a", 1), ("b", 1), ("b", 2)])
    signal[1]["n_covered"] = 47
    page = study(
        runs, trials, checks=CHECKS | {"suspicious": True, "reasons": ["the EPI was turned by 41°"]}, signal=signal
    )
    words = text_of(page, "verdict")
    for concern in (
        "1 run (2) above the motion limit",
        "1 run (3) marked for another reason",
        "coregistration: the EPI was turned by 41°",
        "3 of 4 trials left out",
        "voxels without a signal in some run: V1 3 of 50",
    ):
        assert concern in words
    table = page[page.index("<b>Runs.</b>") :]
    assert "<b>flagged</b>" in table and "<b>31.2</b>" in table and "<b>472</b>" in table
    assert moved in text_of(page, "runs")
    assert "motion: 2 trials in one run" in text_of(page, "trials")
    assert "incomplete: 1 trial in one run" in text_of(page, "trials")
    assert "cat&lt;32&gt;" in page
    assert "V1 50 94.0" in text_of(page, "tsnr")
    assert "overlap (Dice) 0.812 0.931" in text_of(page, "alignment")
    assert "least overlap 0.5, good overlap 0.7" in text_of(page, "alignment")


def test_many_runs_are_folded_and_those_to_look_at_are_not(study):
    names = [(f"training{session:02}", run) for session in range(1, 23) for run in range(1, 9)]
    runs = [run_row(*name) for name in names]
    runs[100] |= {"share_above": 0.5, "status": "dropped", "reason": "motion"}
    page = study(runs, [trial_row(*names[0], 32.0)])
    assert "All 176 runs" in page
    open_part = page[page.index("Runs to look at") : page.index("All 176 runs")]
    assert text_of(open_part).count("training") == 1
    assert "training13, 05" in text_of(open_part)
    assert "1 run (101), 1 of them dropped, above the motion limit" in text_of(page, "verdict")


def test_optional_inputs_may_be_missing(study):
    runs = [run_row("a", 1, mean_displacement=None, largest_displacement=None, share_above=None)]
    page = study(
        runs, [trial_row("a", 1, 1.0)], checks=None, settings=SETTINGS | {"motion_limit": None, "simulated": False}
    )
    words = text_of(page)
    assert "motion unknown, the preprocessing gave no estimates" in words
    assert "No motion limit is set" in words
    assert "left no numbers" in words
    assert "Sensitivity" not in words
    assert "imulated" not in words


def test_the_one_back_task_is_shown(study):
    keys = {"dataset": "small", "subject": "01", "n_runs": 9, "simulated": True}
    rows = [
        keys | {"stimulus_set": name, "quantity": f"one_back_{kind}", "value": value, "n_correct": 55, "n_blocks": 56,
                "published": published}
        for name, kind, value, published in (
            ("all", "sensitivity", 0.9821, "0.9820"), ("all", "specificity", 0.9991, "0.9995"),
            ("train", "sensitivity", 0.97, None),
        )
    ]  # fmt: skip
    page = study([run_row("a", 1)], [trial_row("a", 1, 1.0)], behaviour=rows)
    assert "sensitivity 98.2 %, specificity 99.9 %" in text_of(page, "verdict")
    assert "train sensitivity 97.0 55 of 56 –" in text_of(page, "task")
    assert "all runs sensitivity 98.2 55 of 56 0.982" in text_of(page, "task")


def test_runs_are_joined_by_name():
    signal = pd.DataFrame(signal_rows([("b", 2), ("a", 1)]))
    runs = number_runs(pd.DataFrame([run_row("a", 1), run_row("b", 2)]), signal, "runs.tsv")
    assert list(runs["session"]) == ["b", "a"]
    assert list(runs["number"]) == [1, 2]
    with pytest.raises(DataError, match=r"runs.tsv: ses-c run-01 is not among the preprocessed runs"):
        number_runs(pd.DataFrame([run_row("c", 1)]), signal, "runs.tsv")
    twice = pd.concat([signal, signal.assign(task="imagery", number=signal["number"] + 2)])
    with pytest.raises(DataError, match="stands for runs of several tasks"):
        number_runs(pd.DataFrame([run_row("a", 1)]).drop(columns="task"), twice, "runs.tsv")
    told = number_runs(pd.DataFrame([run_row("a", 1, task="imagery")]), twice, "runs.tsv")
    assert list(told["number"]) == [4]


def test_a_dropped_trial_belongs_to_the_run_of_its_task():
    runs = pd.DataFrame([run_row("a", 1) | {"number": 7}, run_row("a", 1, task="imagery") | {"number": 9}])
    trials = pd.DataFrame([trial_row("a", 1, 32.0, "motion: 0.9 mm") | {"task": "imagery"}])
    assert dropped_trials(trials, runs)[0]["rows"][0]["number"] == 9


def test_what_is_odd_in_an_events_file_is_shown(study):
    odd = "line 4: 'on/a' in column 'stimulus_id' is not a number"
    page = study([run_row("a", 1, notes=odd), run_row("a", 2)], [trial_row("a", 1, 32.0), trial_row("a", 2, 32.0)])
    assert f"Events file: {odd}" in text_of(page, "runs")


def test_a_missing_figure_is_named(study):
    with pytest.raises(DataError, match=r"lacks the figure\(s\) carpet; run the workflow again"):
        study([run_row("a", 1)], [trial_row("a", 1, 1.0)], figures=FIGURES[:-1])


def test_checks_have_their_rows():
    rows = check_rows(CHECKS)
    assert [(row["name"], row["before"], row["after"]) for row in rows["pairs"]] == [
        ("similarity (normalised mutual information)", "1.05", "1.18"), ("overlap (Dice)", "0.812", "0.931"),
        ("step boldref to inplaneT2: boundary cost", "0.900", "0.400"),
    ]  # fmt: skip
    assert {row["name"]: row["value"] for row in rows["single"]} == {
        "similarity mirrored": "1.10", "shift mm": "2.50", "rotation degrees": "1.25"
    }  # fmt: skip
    assert number_of(CHECKS, "overlap") == 0.9312
    assert number_of(None, "overlap") is None
    assert suspicions(None) == suspicions(CHECKS) == []


def test_the_checks_have_the_names_that_the_coregistration_writes():
    assert {field.name for field in fields(Step)} >= set(CHECKS["steps"][0])
    assert {field.name for field in fields(CheckSettings)} >= set(CHECKS["thresholds"])


def test_kept_runs_above_the_limit_are_still_told():
    runs = pd.DataFrame([run_row("a", 1, share_above=0.5)]).assign(number=1)
    found = verdict(runs, pd.DataFrame(signal_rows([("a", 1)])), pd.DataFrame([trial_row("a", 1, 1.0)]), None, None,
                    LIMIT | {"runs": "keep"})  # fmt: skip
    assert found["concerns"] == ["1 run (1) above the motion limit"]


def test_groups_of_left_out_trials_are_ordered_by_size():
    runs = pd.DataFrame([run_row("a", 1)]).assign(number=7)
    trials = pd.DataFrame(
        [
            trial_row("a", 1, 1.0, "incomplete: x"),
            trial_row("a", 1, 2.0, "motion: y"),
            trial_row("a", 1, 3.0, "motion: z"),
        ]
    )
    groups = dropped_trials(trials, runs)
    assert [(group["kind"], group["n"]) for group in groups] == [("motion", 2), ("incomplete", 1)]
    assert [row["number"] for row in groups[0]["rows"]] == [7, 7]
