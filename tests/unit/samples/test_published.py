"""Readers of published samples: every dialect, joined by name, in the order of the voxels' places."""

import hashlib
import importlib.util
import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from published_files import TRAIN, fmriprep_file, identifier, spm_file, write_file

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples, read_bdata, write_bdata
from fmri2image.samples.published import read_published
from fmri2image.samples.published_join import read_subject

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
ORDER = [TRAIN[i] for i in (2, 0, 3, 1, 2, 1, 0, 3, 2, 0, 1, 3, 3, 0, 1, 2, 2, 3, 0, 1)]
PLACES = np.array([(i, j, k) for i in range(2) for j in range(3) for k in range(2)], dtype=float)


def responses(n_rows: int, n_voxels: int = 12, seed: int = 0) -> np.ndarray:
    """Return responses (n_rows, n_voxels) that single precision holds exactly."""
    return np.random.default_rng(seed).integers(-999, 999, (n_rows, n_voxels)) / 64


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"legacy": True},
        {"legacy": True, "matlab": True},
        {"matlab": True, "voxel_key": False},
        {"voxel_key": False},
    ],
)
def test_spm_files_in_every_writing(tmp_path, options):
    values = responses(20)
    read = read_published(spm_file(tmp_path / "a.h5", ORDER, values, **options), "train")
    np.testing.assert_array_equal(read.data, values)
    assert read.data.dtype == np.float32
    assert list(read.trials["stimulus"]) == ORDER
    assert list(read.trials.columns) == ["stimulus", "stimulus_set", "session", "run", "block"]
    assert list(read.trials["run"]) == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5
    assert list(read.trials["block"][:7]) == [1, 2, 3, 4, 5, 1, 2]
    assert set(read.trials["session"]) == {"unknown"}
    assert read.attributes["dialect"] == "deeprecon-spm"
    assert read.attributes["unexpected_count"] == "20 trials of the set 'train', not the published 6000"
    assert np.isnan(read.voxels["voxel_i"]).all()
    np.testing.assert_array_equal(read.select(roi="V4").data, values[:, 3::5])


def test_only_the_needed_areas_are_kept(tmp_path):
    values = responses(20)
    path = spm_file(tmp_path / "a.h5", ORDER, values)
    read = read_published(path, "train", rois=["V1", "V4"])
    np.testing.assert_array_equal(read.data, values[:, [0, 3, 5, 8, 10]])
    np.testing.assert_array_equal(read.voxels["ROI_LVC"], [1, 0, 1, 0, 1])
    with pytest.raises(DataError, match="holds no area IT, nor the areas it is made of; it holds V1, V2, V3"):
        read_published(path, "train", rois=["V1", "IT"])


def test_fmriprep_files(tmp_path):
    order = ["n/a", *ORDER[:9], "n/a", *ORDER[9:]]
    values = responses(22)
    read = read_published(
        fmriprep_file(tmp_path / "a.h5", order, values, PLACES), "train", unions={"early": ["V1", "V2"]}
    )
    shown = [name != "n/a" for name in order]
    np.testing.assert_array_equal(read.data, values[shown])
    assert list(read.trials["stimulus"]) == ORDER
    assert list(read.trials["session"]) == ["01"] * 9 + ["02"] * 9 + ["03"] * 2
    assert list(read.trials["block"][:3]) == [3, 4, 5]
    assert set(read.trials["vividness"]) == {4.0}
    assert read.attributes["dialect"] == "deeprecon-fmriprep"
    np.testing.assert_array_equal(read.voxels[["voxel_i", "voxel_j", "voxel_k"]], PLACES)
    np.testing.assert_array_equal(read.voxels["ROI_V4"], read.voxels["ROI_hV4"])
    assert {"hcpVC", "LVC", "VC", "early"} <= set(read.rois)
    assert read.voxels["ROI_VC"].sum() == 12
    assert not any(name.startswith("MotionParameter") for name in read.voxels)


def test_one_back_repetitions_are_left_out(tmp_path):
    values = responses(20)
    kind = np.tile([1.0, 1, 1, 2, -1], 4)
    design = {"image_index": np.array([TRAIN.index(name) + 1.0 for name in ORDER]), "event_type": kind}
    design["stimulus_id"] = np.array([identifier(name) for name in ORDER])
    path = write_file(tmp_path / "a.h5", values, {"ROI_VC": np.ones(12)}, design)
    read = read_published(path, "train")
    np.testing.assert_array_equal(read.data, values[kind == 1])
    assert set(read.trials["run"]) == {1}


def god_file(path, index=None):
    """Write Subject<n>.h5: all three sets in one file."""
    names = [*TRAIN, *TRAIN[:2], *TRAIN[:2]]
    ids = np.array([identifier(name) for name in names])
    ids[-2:] = np.floor(ids[-2:])  # imagery: the category
    position = np.array([sorted(TRAIN).index(name) + 1.0 for name in names]) if index is None else np.array(index)
    kinds = np.array([1.0, 1, 1, 1, 2, 2, 3, 3])
    design = {"DataType": kinds, "Run": np.arange(8) + 1.0, "stimulus_id": ids, "Label": ids, "image_index": position}
    return write_file(path, responses(8), {"ROI_V1": np.ones(12), "ROI_HVC": np.zeros(12)}, design, legacy=True)


def test_generic_object_decoding_holds_all_sets(tmp_path):
    path = god_file(tmp_path / "Subject1.h5")
    for stimulus_set, rows, names in (
        ("train", slice(0, 4), TRAIN),
        ("test", slice(4, 6), TRAIN[:2]),
        ("imagery", slice(6, 8), ["n01518878", "n01518878"]),
    ):
        read = read_published(path, stimulus_set)
        np.testing.assert_array_equal(read.data, responses(8)[rows])
        assert list(read.trials["stimulus"]) == names
        assert read.attributes["dialect"] == "god-spm"
    with pytest.raises(DataError, match="holds the sets train, test, imagery .DataType., not 'shapes'"):
        read_published(path, "shapes")


def test_an_old_file_of_generic_object_decoding_is_told(tmp_path, caplog):
    """Before version 5 image_index was wrong; names are spelled by stimulus_id, so they stay right."""
    path = god_file(tmp_path / "Subject1.h5", index=[4, 3, 2, 1, 1, 2, 1, 1])
    assert list(read_published(path, "train").trials["stimulus"]) == TRAIN
    assert "older than version 5" in caplog.text
    caplog.clear()
    read_published(god_file(tmp_path / "Subject2.h5"), "train")
    assert "older than version 5" not in caplog.text


@pytest.mark.parametrize("stimulus_set, first, last, n", [
    ("shapes", "colorExpStim01_red_square", "colorExpStim40_black_X", 40),
    ("letters", "letter_black_img011_A", "letter_black_img031_U", 10),
    ("imagery", "colorExpStim02_red_smallring", "n04507155_21299", 26),
])  # fmt: skip
def test_numbered_sets_of_ds001506(tmp_path, stimulus_set, first, last, n):
    numbers = np.arange(1.0, n + 1)
    key = "category_index" if stimulus_set == "imagery" else "image_index"
    design = {key: numbers, "Run": np.ones(n)}
    if stimulus_set == "imagery":  # wrong, as in the real events files
        design["category_id"] = numbers + 1443537
    path = write_file(tmp_path / "a.h5", responses(n), {"ROI_VC": np.ones(12)}, design)
    names = list(read_published(path, stimulus_set).trials["stimulus"])
    assert (names[0], names[-1], len(set(names))) == (first, last, n)


def test_dialects_that_contradict_the_file(tmp_path):
    path = spm_file(tmp_path / "a.h5", ORDER, responses(20))
    assert read_published(path, "train", "god-spm").attributes["dialect"] == "god-spm"
    with pytest.raises(DataError, match="looks like dialect 'deeprecon-spm', but .* is 'deeprecon-fmriprep'"):
        read_published(path, "train", "deeprecon-fmriprep")
    with pytest.raises(ConfigError, match="dialect is 'spm'; give auto or one of"):
        read_published(path, "train", "spm")


def test_our_own_files(tmp_path):
    trials = pd.DataFrame({"stimulus": ["owl", "car"], "stimulus_set": ["train", "test"], "session": ["01", "02"]})
    trials = trials.assign(run=[1, 2], block=[3, 4], vividness=[1.5, np.nan])
    voxels = pd.DataFrame({"voxel_i": [0.0, 1], "ROI_V1": [1, 0], "ROI_VC": [1, 1]})
    own = Samples(np.array([[1, 2], [3, 4]], dtype=np.float32), trials, voxels, {"subject": "07", "simulated": True})
    write_bdata(tmp_path / "own.h5", own)
    joined = read_subject({"train": tmp_path / "own.h5", "test": tmp_path / "own.h5"}, "07")
    np.testing.assert_array_equal(joined.data, own.data)
    pd.testing.assert_frame_equal(joined.trials, trials, check_dtype=False)
    assert joined.attributes["simulated"] == "True"
    with pytest.raises(DataError, match="no trial of the set 'shapes'; it holds test, train"):
        read_published(tmp_path / "own.h5", "shapes")


def test_files_are_joined_by_the_places_of_voxels(tmp_path):
    train, test = responses(20), responses(8, seed=1)
    mixed = np.random.default_rng(2).permutation(12)
    files = {
        "train": fmriprep_file(tmp_path / "train.h5", ORDER, train, PLACES),
        "test": fmriprep_file(tmp_path / "test.h5", ORDER[:8], test[:, mixed], PLACES[mixed]),
    }
    joined = read_subject(files, "01", rois=["VC"])
    np.testing.assert_array_equal(joined.data, np.vstack([train, test]))
    assert list(joined.trials["stimulus_set"]) == ["train"] * 20 + ["test"] * 8
    assert joined.attributes["responses"] == "published"
    assert set(json.loads(joined.attributes["dialect"])) == {"train", "test"}
    write_bdata(tmp_path / "sub-01.h5", joined)
    again = read_bdata(tmp_path / "sub-01.h5")
    np.testing.assert_array_equal(again.data, joined.data)
    assert list(again.trials["stimulus"]) == list(joined.trials["stimulus"])
    fmriprep_file(tmp_path / "other.h5", ORDER[:8], test[:, 1:], PLACES[1:])
    with pytest.raises(DataError, match="do not hold the same voxels: 11 and 12, of which 11 lie in the same place"):
        read_subject({**files, "test": tmp_path / "other.h5"}, "01")


def test_files_without_places_are_joined_by_equal_areas(tmp_path):
    files = {
        "train": spm_file(tmp_path / "train.h5", ORDER, responses(20)),
        "test": spm_file(tmp_path / "test.h5", ORDER[:8], responses(8, seed=1)),
    }
    assert read_subject(files, "01").data.shape == (28, 12)
    values = responses(8, 13, seed=1)
    with pytest.raises(DataError, match=r"do not hold the same voxels \(13 and 12"):
        read_subject({**files, "test": spm_file(tmp_path / "other.h5", ORDER[:8], values)}, "01")


def test_the_script_tells_where_samples_come_from(tmp_path):
    spec = importlib.util.spec_from_file_location("import_samples", SCRIPTS / "import_samples.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = spm_file(tmp_path / "a.h5", ORDER, responses(20))
    settings = {
        "files": {"train": str(path)},
        "labels": {},
        "dialect": "auto",
        "unions": {"V1": ["V1d"]},
        "rois": ["VC"],
    }
    script.main("02", str(tmp_path / "sub-02.h5"), settings)
    read = read_bdata(tmp_path / "sub-02.h5")
    np.testing.assert_array_equal(read.data, responses(20))
    assert read.attributes["subject"] == "02"
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    assert json.loads(read.attributes["sources"]) == {"train": f"{path}, md5 {digest}"}
    assert "not the published 6000" in read.attributes["unexpected_counts"]


def test_voxels_without_a_response_are_left_out(tmp_path):
    train, test = responses(20), responses(8, seed=1)
    train[3, 2] = np.nan
    test[0, 7] = np.inf
    files = {
        "train": spm_file(tmp_path / "train.h5", ORDER, train),
        "test": spm_file(tmp_path / "test.h5", ORDER[:8], test),
    }
    joined = read_subject(files, "01")
    kept = [column for column in range(12) if column not in (2, 7)]
    np.testing.assert_array_equal(joined.data, np.vstack([train, test])[:, kept])
    assert joined.attributes["n_voxels_without_signal"] == 2
    assert len(joined.voxels) == 10


def test_what_is_no_bdata_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = np.ones(3)
    with pytest.raises(DataError, match="holds no 'dataset', so it is no BData file; it holds features"):
        read_published(tmp_path / "a.h5", "train")
    path = spm_file(tmp_path / "b.h5", ORDER, responses(20))
    with h5py.File(path, "r+") as file:
        data = file["dataset"][:, 1:]
        del file["dataset"]
        file["dataset"] = data
    with pytest.raises(DataError, match=r"metadata for 17 columns does not fit the data of shape \(20, 16\)"):
        read_published(path, "train")
    path = spm_file(tmp_path / "d.h5", ORDER, responses(20))
    with h5py.File(path, "r+") as file:
        file["vmap/stimulus_name"] = np.bytes_(b"a text where a group belongs")
    with pytest.raises(
        DataError, match=r"d\.h5 is not in BData's layout \(AttributeError: .*it holds dataset, metadata"
    ):
        read_published(path, "train")
    content = spm_file(tmp_path / "c.h5", ORDER, responses(20)).read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut.h5 (cannot be read as HDF5|is damaged)"):
        read_published(tmp_path / "cut.h5", "train")
