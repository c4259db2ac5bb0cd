"""Tables: every column described, text that stays text."""

import json

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table, write_table

TABLE = pd.DataFrame({"subject": ["01", "02", None], "value": [0.25, np.nan, 1.0]})
COLUMNS = {"subject": "Subject label", "value": "Score", "unused": "Not in this table"}


def test_round_trip_with_sidecar(tmp_path):
    path = tmp_path / "scores.tsv"
    write_table(path, TABLE, COLUMNS, simulated=True)
    assert path.read_text().splitlines() == ["subject\tvalue", "01\t0.25", "02\tn/a", "n/a\t1.0"]
    sidecar = json.loads((tmp_path / "scores.json").read_text())
    assert sidecar == {"simulated": True, "columns": {"subject": "Subject label", "value": "Score"}}
    read = read_table(path, subject=str)
    assert read["subject"].tolist()[:2] == ["01", "02"]
    assert read["subject"].isna().tolist() == [False, False, True]
    np.testing.assert_array_equal(read["value"], TABLE["value"])


def test_sidecar_requires_every_column(tmp_path):
    with pytest.raises(DataError, match=r"scores.tsv: columns without a description: value\."):
        write_table(tmp_path / "scores.tsv", TABLE, {"subject": "Subject label"})
    assert list(tmp_path.iterdir()) == []


def test_without_descriptions_there_is_no_sidecar(tmp_path):
    write_table(tmp_path / "long.tsv", TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["long.tsv"]


def test_only_n_a_means_missing(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("name\tx\nNA\t1\nn/a\t2\n")
    assert read_table(path)["name"].tolist()[0] == "NA"
    assert read_table(path)["name"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"), [(None, "does not exist"), ("", "tab-separated"), ("a\tb\n1\t2\n1\t2\t3\n", "tab-separated")]
)
def test_bad_tables_are_named(tmp_path, text, message):
    path = tmp_path / "bad.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=f"bad.tsv.*{message}"):
        read_table(path)
