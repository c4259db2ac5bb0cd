"""Tests of the reader of Miyawaki et al. 2008: a tiny copy of nilearn's layout, and the published matrix."""

import hashlib
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from fmri2image.acquire import miyawaki
from fmri2image.acquire.miyawaki import Settings
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import read_bdata, write_bdata

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -60], [0, 0, 3, 9], [0, 0, 0, 1]])
SHAPE = (3, 2, 2)
# Mask: all but the last voxel; i, j, k of the ROI voxels follow.
MASKED = [(i, j, k) for i in range(3) for j in range(2) for k in range(2)][:-1]
ROIS = {
    "LHV1d": [(0, 0, 0)],
    "RHV1v": [(0, 0, 1), (2, 1, 1)],
    "LHV2v": [(0, 1, 0)],
    "RHV3": [(1, 0, 0)],
    "LHVP": [(1, 1, 0)],
    "RHV3A": [(2, 0, 0)],
    "LHlag0to1": [(2, 0, 1)],
}
RAW = Settings(image_size=10, shift_volumes=2, linear_detrend=False, z_score=False)


def pattern_row(*patches: int) -> np.ndarray:
    """Return a label row with the given positions set to 1."""
    row = np.zeros(100, dtype=int)
    row[list(patches)] = 1
    return row


REST = np.full(100, -1)
A, B = pattern_row(1, 2), pattern_row(50)


def save_volume(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> str:
    """Write one NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(values, affine).to_filename(path)
    return str(path)


def save_run(
    root: Path, kind: str, number: int, rows: list[np.ndarray], series: np.ndarray | None = None
) -> np.ndarray:
    """Write volumes (voxel n of the grid has 100·n + volume, unless given) and labels of one run."""
    n = len(rows)
    if series is None:
        series = 100.0 * np.arange(np.prod(SHAPE)).reshape(*SHAPE, 1) + np.arange(n)
    name = f"data_{kind}_run{number:02d}"
    save_volume(root / "func" / f"{name}.nii.gz", series.astype(np.float32))
    (root / "label").mkdir(exist_ok=True)
    np.savetxt(root / "label" / f"{name}_label.csv", np.array(rows), fmt="%d", delimiter=",")
    return series


def save_masks(root: Path) -> None:
    """Write the mask and the areas."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[tuple(np.transpose(MASKED))] = 1
    save_volume(root / "mask" / "mask.nii.gz", mask)
    for name, voxels in ROIS.items():
        values = np.zeros(SHAPE, dtype=np.uint8)
        values[tuple(np.transpose(voxels))] = 1
        save_volume(root / "mask" / f"{name}.nii.gz", values)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write a data set of two figure runs and one random run in nilearn's folder."""
    root = tmp_path / "miyawaki2008"
    save_masks(root)
    #                            0     1     2  3  4     5     6  7  8     9     10
    save_run(root, "figure", 1, [REST, REST, A, A, REST, REST, B, B, REST, REST, REST])
    save_run(root, "figure", 2, [B, B, B, A, REST, REST, REST])
    save_run(root, "random", 3, [REST, A, REST, B, REST, REST])
    return root


def bunch(root: Path) -> dict:
    """Return lists of paths in the order of `fetch_miyawaki2008`: figures first, text not Path."""
    runs = [("figure", 1), ("figure", 2), ("random", 3)]
    return {
        "func": [str(root / "func" / f"data_{kind}_run{n:02d}.nii.gz") for kind, n in runs],
        "label": [str(root / "label" / f"data_{kind}_run{n:02d}_label.csv") for kind, n in runs],
        "mask": str(root / "mask" / "mask.nii.gz"),
        "mask_roi": [str(root / "mask" / f"{name}.nii.gz") for name in ROIS],
        "background": "not read",
    }


def trial(samples: miyawaki.Samples, run: int, block: int) -> int:
    """Return the row of a block."""
    (row,) = np.flatnonzero((samples.trials["run"] == run) & (samples.trials["block"] == block))
    return row


def test_blocks_are_equal_rows_between_changes() -> None:
    """Blocks that touch are separate, and a block may end with the run."""
    assert miyawaki.find_blocks(np.array([REST, A, A, B, REST, B, B])) == [(1, 3), (3, 4), (5, 7)]
    assert miyawaki.find_blocks(np.array([A])) == [(0, 1)]
    assert miyawaki.find_blocks(np.array([REST, REST])) == []


def test_blocks_are_shifted_and_averaged(root: Path) -> None:
    """Voxel n of the grid holds 100·n + volume, so that the mean tells which volumes were averaged."""
    samples, _ = miyawaki.read_nilearn(bunch(root), RAW)
    expected = {  # (run, block): mean volume after a shift of 2, number of volumes
        (21, 1): ((4 + 5) / 2, 2),
        (21, 2): ((8 + 9) / 2, 2),
        (22, 1): ((2 + 3 + 4) / 3, 3),
        (22, 2): (5, 1),
        (3, 1): (3, 1),
        (3, 2): (5, 1),
    }
    assert len(samples.trials) == len(expected)
    for (run, block), (volume, count) in expected.items():
        row = trial(samples, run, block)
        np.testing.assert_allclose(samples.data[row], 100 * np.arange(11) + volume, rtol=1e-6)
        assert samples.trials["n_volumes"][row] == count


def test_shift_is_a_setting_and_the_end_of_a_run_truncates(root: Path) -> None:
    """With a shift of 3, the last figure block of run 22 takes the last volume, that of run 21 volumes 9 and 10."""
    save_run(root, "random", 3, [A, A, B, B, B, REST])
    samples, _ = miyawaki.read_nilearn(bunch(root), Settings(10, 3, False, False))
    assert samples.data[trial(samples, 22, 2), 0] == 6
    assert samples.data[trial(samples, 21, 2), 0] == 9.5
    row = trial(samples, 3, 2)
    assert samples.data[row, 0] == 5
    assert samples.trials["n_volumes"][row] == 1


def test_trial_table(root: Path) -> None:
    """Names, sets and run numbers; equal figures share a name, equal random patterns do not."""
    samples, images = miyawaki.read_nilearn(bunch(root), RAW)
    table = samples.trials.set_index(["run", "block"])
    # Row-major order of the upright patterns: B (position 50 = row 0, column 5) has its first 1 earlier in the
    # flattened grid than A (positions 1, 2 = rows 1, 2 of column 0), so A sorts first.
    assert table["stimulus"].to_dict() == {
        (21, 1): "figure-00",
        (21, 2): "figure-01",
        (22, 1): "figure-01",
        (22, 2): "figure-00",
        (3, 1): "random-run03-block01",
        (3, 2): "random-run03-block02",
    }
    assert table["stimulus_set"].to_dict() == {
        key: ("random" if key[0] == 3 else "figures") for key in table["stimulus"].to_dict()
    }
    assert set(images.rows) == set(samples.trials["stimulus"])
    assert set(samples.trials["session"]) == {"unknown"}


def test_images_show_the_patterns_upright(root: Path) -> None:
    """Labels run down the columns; one patch becomes a square of equal pixels, black or white in every channel."""
    _, images = miyawaki.read_nilearn(bunch(root), Settings(image_size=30))
    assert images.values.dtype == np.uint8
    assert images.values.shape == (4, 30, 30, 3)
    expected = np.zeros((30, 30), dtype=np.uint8)
    expected[3:9, 0:3] = 255
    image = images.values[images.rows.index("figure-00")]
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], expected)
    _, along_rows = miyawaki.read_nilearn(bunch(root), Settings(image_size=30, label_order="C"))
    random = "random-run03-block01"
    np.testing.assert_array_equal(along_rows.take([random]).values[0], image.transpose(1, 0, 2))


def test_voxel_table(root: Path) -> None:
    """Areas join hemispheres and halves (VP is ventral V3), bands of the mapping are no areas, affine gives mm."""
    samples, _ = miyawaki.read_nilearn(bunch(root), RAW)
    voxels = samples.voxels
    index = [tuple(row) for row in voxels[["voxel_i", "voxel_j", "voxel_k"]].to_numpy()]
    assert index == MASKED
    members = {roi: {index[v] for v in np.flatnonzero(voxels[f"ROI_{roi}"] == 1)} for roi in samples.rois}
    assert members == {
        "V1": {(0, 0, 0), (0, 0, 1)},  # (2, 1, 1) lies outside the mask
        "V2": {(0, 1, 0)},
        "V3": {(1, 0, 0), (1, 1, 0)},
        "V3A": {(2, 0, 0)},
    }
    row = index.index((2, 1, 0))
    assert voxels.loc[row, ["voxel_x", "voxel_y", "voxel_z"]].tolist() == [24.0, -57.0, 9.0]


def test_roi_mask_on_another_grid_is_resampled(root: Path) -> None:
    """The same V1 voxel, saved with the first axis running the other way."""
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[2, 0, 0] = 1
    flipped = AFFINE @ np.array([[-1.0, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    save_volume(root / "mask" / "LHV1d.nii.gz", values, flipped)
    samples, _ = miyawaki.read_nilearn(bunch(root), RAW)
    assert (samples.voxels["ROI_V1"] == [1, 1] + [0] * 9).all()


def test_each_run_is_scaled_by_itself_alone(root: Path) -> None:
    """Against numpy's polyfit; multiplying one run leaves the others as they were."""
    random = np.random.default_rng(3)
    rows = [REST, A, A, REST, B, B, B, REST, REST, REST]
    noise = random.normal(size=(*SHAPE, len(rows))) + 3 * np.arange(len(rows)) + 1000
    noise[0, 0, 1] = 7  # constant
    noise[0, 1, 0] = 5 + 3 * np.arange(len(rows))  # nothing but trend
    save_run(root, "figure", 1, rows, noise)
    settings = Settings(image_size=10)
    samples, _ = miyawaki.read_nilearn(bunch(root), settings)
    time = np.arange(len(rows))
    series = np.float32(noise)[tuple(np.transpose(MASKED))].astype(float).T
    coefficients = np.polyfit(time, series, 1)
    clean = series - (np.outer(time, coefficients[0]) + coefficients[1])
    flat = [1, 2]
    expected = np.delete(clean / clean.std(axis=0), flat, axis=1)
    row = trial(samples, 21, 2)
    np.testing.assert_allclose(np.delete(samples.data[row], flat), expected[6:9].mean(axis=0), atol=1e-5)
    assert (samples.data[samples.trials["run"] == 21][:, flat] == 0).all()
    save_run(root, "random", 3, [REST, A, REST, B, REST, REST], 50 * random.normal(size=(*SHAPE, 6)))
    again, _ = miyawaki.read_nilearn(bunch(root), settings)
    others = (samples.trials["run"] != 3).to_numpy()
    np.testing.assert_array_equal(again.data[others], samples.data[others])
    assert not np.allclose(again.data[~others], samples.data[~others])
    assert "transductive" not in samples.attributes
    assert "simulated" not in samples.attributes
    assert "z-score over the volumes of the run" in samples.attributes["units"]


def test_folder_reads_as_the_lists_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lists in any order, the folder it was given and the folder it makes give one result."""
    files = bunch(root)
    files["func"].reverse()
    expected, expected_images = miyawaki.read_nilearn(files)
    monkeypatch.setattr(
        "nilearn.datasets.fetch_miyawaki2008", lambda data_dir, verbose: bunch(Path(data_dir) / root.name)
    )
    for data in (root, root.parent, None):
        samples, images = miyawaki.load(data, root.parent)
        np.testing.assert_array_equal(samples.data, expected.data)
        assert samples.trials.equals(expected.trials)
        assert samples.voxels.equals(expected.voxels)
        assert images.rows == expected_images.rows
        np.testing.assert_array_equal(images.values, expected_images.values)


def test_nilearn_finds_our_layout(root: Path) -> None:
    """The real `fetch_miyawaki2008` accepts a complete folder of this layout without any download."""
    from nilearn.datasets import fetch_miyawaki2008
    from nilearn.datasets.func import miyawaki2008_file_mask

    for kind, count in (("figure", 12), ("random", 20)):
        for number in range(1, count + 1):
            save_run(root, kind, number, [A, B, REST, REST])
    for name in miyawaki2008_file_mask():
        if not (root / "mask" / name).exists():
            save_volume(root / "mask" / name, np.zeros(SHAPE, dtype=np.uint8))
    save_volume(root / "bg.nii.gz", np.zeros(SHAPE, dtype=np.uint8))
    files = fetch_miyawaki2008(data_dir=str(root.parent), url="file:///nowhere", verbose=0)
    samples, images = miyawaki.read_nilearn(files, RAW)
    from_folder, _ = miyawaki.read_nilearn(root, RAW)
    np.testing.assert_array_equal(samples.data, from_folder.data)
    assert samples.rois == from_folder.rois
    assert sorted(samples.rois) == ["V1", "V2", "V3", "V3A", "V4v"]
    assert samples.trials["run"].nunique() == 32
    assert len(images.rows) == 2 + 40


def test_samples_survive_their_file(root: Path, tmp_path: Path) -> None:
    """Text and numbers of the trial table come back from BData."""
    samples, _ = miyawaki.read_nilearn(root, RAW)
    write_bdata(tmp_path / "sub-01.h5", samples)
    back = read_bdata(tmp_path / "sub-01.h5")
    np.testing.assert_allclose(back.data, samples.data)
    assert back.trials["stimulus"].tolist() == samples.trials["stimulus"].tolist()
    assert back.trials["run"].tolist() == samples.trials["run"].tolist()
    assert back.rois == samples.rois


def test_failed_download_names_the_alternative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says what to give instead."""

    def fail(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("nilearn.datasets.fetch_miyawaki2008", fail)
    with pytest.raises(DataError, match=rf"NITRC.*no route to host.*{miyawaki.MATRIX_NAME}"):
        miyawaki.load(None, tmp_path)


def drop_label(root: Path) -> None:
    """Remove a label file."""
    (root / "label" / "data_figure_run02_label.csv").unlink()


def drop_volumes(root: Path) -> None:
    """Remove all volumes."""
    for path in (root / "func").iterdir():
        path.unlink()


def shorten_labels(root: Path) -> None:
    """One label row too few."""
    path = root / "label" / "data_figure_run01_label.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))


def narrow_labels(root: Path) -> None:
    """Rows of 99 values."""
    np.savetxt(root / "label" / "data_figure_run01_label.csv", np.zeros((11, 99)), fmt="%d", delimiter=",")


def odd_labels(root: Path) -> None:
    """Write rows of rest and pattern at once."""
    half = np.where(np.arange(100) < 50, -1, 1)
    np.savetxt(root / "label" / "data_figure_run01_label.csv", [half] * 11, fmt="%d", delimiter=",")


def text_labels(root: Path) -> None:
    """Not a table."""
    (root / "label" / "data_figure_run01_label.csv").write_text("<html>moved</html>")


def truncate_volumes(root: Path) -> None:
    """Half a file."""
    path = root / "func" / "data_figure_run01.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_grid(root: Path) -> None:
    """Volumes that do not lie on the mask."""
    save_volume(root / "func" / "data_figure_run01.nii.gz", np.zeros((4, 2, 2, 11), dtype=np.float32))


def not_finite(root: Path) -> None:
    """Leave a voxel without a value."""
    values = np.zeros((*SHAPE, 11), dtype=np.float32)
    values[0, 0, 0, 4] = np.nan
    save_volume(root / "func" / "data_figure_run01.nii.gz", values)


def drop_mask(root: Path) -> None:
    """No mask."""
    (root / "mask" / "mask.nii.gz").unlink()


def drop_v1(root: Path) -> None:
    """No V1."""
    (root / "mask" / "LHV1d.nii.gz").unlink()
    (root / "mask" / "RHV1v.nii.gz").unlink()


def late_block(root: Path) -> None:
    """Write a block whose response was not recorded."""
    save_run(root, "random", 3, [REST, REST, REST, A])


def only_rest(root: Path) -> None:
    """No stimulus in any run."""
    for kind, number in (("figure", 1), ("figure", 2), ("random", 3)):
        save_run(root, kind, number, [REST, REST, REST])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_label, r"data_figure_run02\.nii\.gz stands alone"),
        (drop_volumes, r"no files func"),
        (shorten_labels, r"run01_label\.csv has 10 rows but .*run01\.nii\.gz has 11 volumes"),
        (narrow_labels, r"run01_label\.csv has rows of 99 values"),
        (odd_labels, r"run01_label\.csv holds rows that are neither"),
        (text_labels, r"run01_label\.csv cannot be read"),
        (truncate_volumes, r"data_figure_run01\.nii\.gz cannot be read"),
        (other_grid, r"data_figure_run01\.nii\.gz of shape \(4, 2, 2, 11\) does not lie on the grid"),
        (not_finite, r"data_figure_run01\.nii\.gz holds values that are not finite"),
        (drop_mask, r"mask\.nii\.gz does not exist"),
        (drop_v1, r"No V1 mask"),
        (late_block, r"data_random_run03\.nii\.gz ends before block 1"),
        (only_rest, r"hold no stimulus"),
    ],
)
def test_damaged_layout_is_one_clear_sentence(root: Path, damage: object, message: str) -> None:
    """Each defect is named with its file."""
    damage(root)
    with pytest.raises(DataError, match=message):
        miyawaki.read_nilearn(root, RAW)


def test_foreign_folder(tmp_path: Path) -> None:
    """A folder of neither kind is refused, by the chooser and by both readers."""
    for read in (lambda: miyawaki.load(tmp_path, tmp_path), lambda: miyawaki.read_nilearn(tmp_path)):
        with pytest.raises(DataError, match=f"give a folder that holds {miyawaki.MATRIX_NAME}"):
            read()
    with pytest.raises(DataError, match=f"{miyawaki.MATRIX_NAME} does not exist"):
        miyawaki.read_matrix(tmp_path)


@pytest.mark.parametrize("wrong", [{"image_size": 64}, {"image_size": 0}, {"shift_volumes": -1}, {"label_order": "A"}])
def test_impossible_settings(wrong: dict) -> None:
    """Settings that mean nothing are refused."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Settings(**wrong)


def test_matrix_content_is_checked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the same keys with other bytes is refused; with its own hash it is read by its labels."""
    path = tmp_path / miyawaki.MATRIX_NAME
    stimulus = np.zeros((3, 12, 12), dtype=np.uint8)
    stimulus[[0, 2], 1, 3] = 1  # first row, third column of the inner 10 × 10
    stimulus[1, 10, 10] = 1
    np.savez(
        path,
        fmri=np.arange(6, dtype=np.float32).reshape(3, 2),
        stimulus=stimulus,
        stimulus_id=np.array([3, 0, 3]),
        trial_type=np.array(["stimulus_alphabet_thin", "stimulus_shape", "stimulus_alphabet_thin"]),
        session=np.array(["ses-01", "ses-01", "ses-02"]),
        run=np.array([3, 3, 3]),
        run_label=np.array([21, 21, 23]),
        trial=np.array([0, 1, 0]),
    )
    with pytest.raises(DataError, match=f"{miyawaki.MATRIX_NAME} is damaged or another version"):
        miyawaki.read_matrix(tmp_path)
    monkeypatch.setattr(miyawaki, "MATRIX_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    samples, images = miyawaki.load(str(tmp_path), tmp_path, Settings(image_size=20))
    assert samples.trials.to_dict("list") == {
        "stimulus": ["figure-03_alphabet-thin", "figure-00_shape", "figure-03_alphabet-thin"],
        "stimulus_set": ["figures"] * 3,
        "session": ["01", "01", "02"],
        "run": [21, 21, 23],
        "block": [1, 2, 1],
    }
    assert images.rows == ["figure-00_shape", "figure-03_alphabet-thin"]
    expected = np.zeros((2, 20, 20, 3), dtype=np.uint8)
    expected[0, 18:20, 18:20] = 255
    expected[1, 0:2, 4:6] = 255
    np.testing.assert_array_equal(images.values, expected)


@pytest.fixture(scope="module")
def matrix() -> tuple:
    """Read the published matrix, where this machine has it."""
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get("FMRI2IMAGE_SHARED_DATA", beside)) / "miyawaki2008_figures"
    if not (folder / miyawaki.MATRIX_NAME).is_file():
        pytest.skip(f"{folder} does not hold {miyawaki.MATRIX_NAME}; set FMRI2IMAGE_SHARED_DATA to the shared data")
    return miyawaki.load(folder, folder)


def test_matrix_of_the_experiment(matrix: tuple) -> None:
    """Shapes and counts of the experiment: 12 runs of 10 blocks, 20 figures seen 4 or 8 times."""
    samples, images = matrix
    assert samples.data.shape == (120, 967)
    np.testing.assert_allclose(samples.data.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(samples.data.std(axis=0), 1, atol=1e-4)
    assert images.values.shape == (20, 60, 60, 3)
    assert set(np.unique(images.values)) == {0, 255}
    assert len(np.unique(images.values.reshape(20, -1), axis=0)) == 20
    assert samples.trials.groupby("run").size().tolist() == [10] * 12
    assert samples.trials.groupby("run")["block"].apply(list).tolist() == [list(range(1, 11))] * 12
    repeats = samples.trials["stimulus"].value_counts()
    assert set(repeats.index) == set(images.rows)
    assert repeats.value_counts().to_dict() == {8: 10, 4: 10}
    assert samples.rois == ["V1"]
    assert samples.select(roi="V1").data.shape == (120, 967)
    assert samples.voxels.filter(like="voxel_").isna().all(axis=None)
    assert samples.attributes["transductive"] == "True"
    assert "simulated" not in samples.attributes
    # The long "e" of "neuron": open to the right below its eye when upright, elsewhere when transposed or flipped.
    letter = images.take(["figure-17_alphabet-long"]).values[0, 3::6, 3::6, 0] > 0
    body = ["######", "######", "##..##", "##..##", "######", "##....", "##....", "######"]
    assert ["".join(".#"[int(patch)] for patch in row) for row in letter] == [
        "." * 10,
        *(f"..{row}.." for row in body),
        "." * 10,
    ]


@pytest.mark.parametrize(
    ("held_out", "published"), [("run", (0.833, 0.433, 0.920)), ("stimulus", (0.774, 0.192, 0.752))]
)
def test_ridge_reproduces_the_known_scores(matrix: tuple, held_out: str, published: tuple) -> None:
    """Ridge (alpha 3000) per trial: pixel correlation with the seen pattern, and identification among the 20 patterns.

    The seen pattern wins against a lure when its correlation with the predicted one is strictly higher. Pairwise: the
    fraction of the 19 lures it wins against; top-1: it wins against all. Means over the 120 trials.
    """
    samples, images = matrix
    patterns = images.values[:, ::6, ::6, 0].reshape(20, 100) / 255.0
    seen = np.array([images.rows.index(name) for name in samples.trials["stimulus"]])
    predicted = np.zeros((120, 100))
    for train, test in LeaveOneGroupOut().split(samples.data, groups=samples.trials[held_out]):
        model = Ridge(alpha=3000).fit(samples.data[train], patterns[seen[train]])
        predicted[test] = model.predict(samples.data[test])
    correlation = np.corrcoef(predicted, patterns)[:120, 120:]
    own = correlation[np.arange(120), seen]
    wins = own[:, None] > correlation
    scores = (own.mean(), (wins.sum(axis=1) == 19).mean(), wins.sum(axis=1).mean() / 19)
    np.testing.assert_allclose(scores, published, atol=0.005)
