"""Raw against absolute features: means of units and filters against NumPy, and what cannot be compared."""

import h5py
import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.evaluate.filters import FILTER_COLUMNS, compare_filters

LABELS = {
    "dataset": "phantom", "subject": "01", "roi": "VC", "layer": "conv1_1", "test": "test", "stimulus_set": "test",
    "n_rows": 24, "transductive": "False", "simulated": True,
}  # fmt: skip


def write_units(path, values, transform, **more):
    with h5py.File(path, "w") as file:
        file["conv1_1/test"] = values.astype(np.float32)
        file["conv1_1/test"].attrs.update({**LABELS, "transform": transform, "decoder": transform, **more})
    return path


@pytest.fixture
def values():
    raw, absolute = np.random.default_rng(0).uniform(-0.2, 0.8, (2, 4, 3, 5))
    raw[0, 1, 2] = absolute[0, 0, 0] = absolute[3, 2, 2] = np.nan
    raw[2] = np.nan  # a filter without a unit to count
    return raw, absolute


def test_means_are_over_units_that_count_in_both(tmp_path, values):
    raw, absolute = values
    table = compare_filters(
        write_units(tmp_path / "a.h5", raw, "raw"),
        write_units(tmp_path / "b.h5", absolute, "absolute"),
        "conv1_1",
        "test",
    )
    assert list(table.columns) == list(FILTER_COLUMNS)
    assert table["filter"].tolist() == ["all", "0", "1", "2", "3"]
    both = np.isfinite(raw) & np.isfinite(absolute)
    for kind, array in (("raw", raw), ("absolute", absolute)):
        expected = [array[both].mean(), *(array[k][both[k]].mean() if both[k].any() else np.nan for k in range(4))]
        np.testing.assert_allclose(table[kind], expected, rtol=1e-6)
    assert table["n_units"].tolist() == [int(both.sum()), *both.sum(axis=(1, 2))]
    assert set(table["absolute_decoder"]) == {"absolute"}


def test_what_does_not_belong_together_is_refused(tmp_path, values):
    raw = write_units(tmp_path / "a.h5", values[0], "raw")
    absolute = write_units(tmp_path / "b.h5", values[1], "absolute")
    with pytest.raises(DataError, match=r"b\.h5 scores features of transform 'absolute'"):
        compare_filters(absolute, raw, "conv1_1", "test")
    with pytest.raises(DataError, match="layer conv2_1"):
        compare_filters(raw, absolute, "conv2_1", "test")
    other = write_units(tmp_path / "c.h5", values[1], "absolute", subject="02")
    with pytest.raises(DataError, match="differ in subject"):
        compare_filters(raw, other, "conv1_1", "test")
    flat = [write_units(tmp_path / f"{kind}.h5", values[0][0, 0], kind) for kind in ("raw", "absolute")]
    with pytest.raises(DataError, match="has no filters"):
        compare_filters(*flat, "conv1_1", "test")
