"""The recovery table for people: all subjects, and every measure with its definition beside it."""

import json

import pandas as pd

from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.recovery.table import MEASURES, RECOVERY_COLUMNS, recovery_row, recovery_table
from fmri2image.evaluate.scores import SCORE_COLUMNS
from fmri2image.report.tables import gather


def test_recovery_of_all_subjects_is_gathered_with_its_definitions(tmp_path):
    files = []
    for subject in ("01", "02"):
        rows = [
            recovery_row("translation_error", 0.02, 100),
            recovery_row("unit_correlation", 0.3, 13, roi="VC", ceiling=0.6),
        ]
        files.append(str(tmp_path / f"sub-{subject}_recovery.tsv"))
        write_table(files[-1], recovery_table(rows, "phantom", subject, True))
    scores = str(tmp_path / "one_scores.tsv")
    write_table(scores, pd.DataFrame([dict.fromkeys(SCORE_COLUMNS, "x")]))
    outputs = [str(tmp_path / "recovery.tsv")]
    gather([scores], [], [], [], str(tmp_path / "scores.tsv"), outputs, {"simulated": True}, recovery=files)
    made = read_table(outputs[0], subject=str)
    assert list(made) == list(RECOVERY_COLUMNS)
    assert list(made["subject"]) == ["01", "01", "02", "02"]
    assert made["share_of_ceiling"].isna().tolist() == [True, False, True, False]
    sidecar = json.loads((tmp_path / "recovery.json").read_text())
    assert sidecar["simulated"] is True
    assert set(sidecar["columns"]) == set(made)
    assert set(sidecar["measures"]) == set(MEASURES) >= set(made["measure"])
