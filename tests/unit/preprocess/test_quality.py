"""The figures are drawn, their parts show what they claim, and the table of signals holds what plain numpy computes."""

import numpy as np
import pandas as pd
import pytest
from head import acquire, slab_affine
from matplotlib.figure import Figure
from PIL import Image
from skimage.filters import threshold_multiotsu

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess import quality_motion
from fmri2image.preprocess.quality import FIGURES, write_quality
from fmri2image.preprocess.quality_carpet import choose_runs
from fmri2image.preprocess.quality_motion import binned, number_runs, plot_motion, session_key
from fmri2image.preprocess.quality_overlays import BRAIN_COLOUR, TISSUE_COLOUR, tissue_border, without_bias
from fmri2image.preprocess.quality_runs import QualityRun, entities, match_runs, read_runs, session_codes
from fmri2image.preprocess.quality_signal import subject_signal
from fmri2image.preprocess.quality_slices import Box, Grid, Row, Tile, draw_rows, spread
from fmri2image.preprocess.quality_style import OUTLINES
from fmri2image.preprocess.summary import RunSummary, write_summary
from fmri2image.preprocess.tables import framewise_displacement, write_confounds
from fmri2image.samples.runs import judge_motion, read_motion
from fmri2image.samples.settings import MotionLimit

SHAPE = (48, 30, 22)
LIMIT = {"displacement": 0.5, "share": 0.25, "runs": "flag", "trials": "keep"}
SESSIONS = ["perceptionNaturalImageTraining01"] * 3 + ["perceptionNaturalImageTraining02"] * 2 + ["imagery01"]


def confounds(rng, n_volumes=60, step=0.03):
    parameters = np.cumsum(rng.normal(0, [step] * 3 + [step / 60] * 3, (n_volumes, 6)), axis=0)
    table = pd.DataFrame(parameters, columns=list(PARAMETERS))
    table["framewise_displacement"] = framewise_displacement(parameters)
    table["std_dvars"] = np.concatenate([[np.nan], 1 + 0.1 * rng.random(n_volumes - 1)])
    table["converged"] = 1
    return table


def quality_run(number, table, session="a01"):
    return QualityRun(number, session, "perception", f"{number:02}", table)


def summary(mean, deviation, affine, rng, n_volumes=60):
    carpet = rng.normal(size=(40, n_volumes)).astype(np.float32)
    return RunSummary(mean.astype(np.float32), deviation.astype(np.float32), carpet, ["areas"] * 10 + ["brain"] * 30,
                      affine, 2.0, n_volumes + 4, 4)  # fmt: skip


@pytest.fixture(scope="module")
def subject(tmp_path_factory, head):
    """Files and images of a subject with six runs in three sessions; the second run moves a lot."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("subject")
    affine = slab_affine(SHAPE)
    epi = acquire(*head, np.eye(4), SHAPE, affine).astype(np.float32)
    brain = epi > 0.5 * np.percentile(epi, 99)
    index = np.indices(SHAPE)
    areas = {
        name: ((index - np.array(centre).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 20
        for name, centre in {"V1": (24, 12, 11), "V4": (18, 12, 9), "HVC": (31, 14, 8)}.items()
    }
    files = {"confounds": [], "summaries": []}
    for i, session in enumerate(SESSIONS):
        stem = f"{folder}/sub-01_ses-{session}_task-perception_run-{i + 1:02}"
        files["confounds"].append(f"{stem}_desc-confounds_timeseries.tsv")
        write_confounds(files["confounds"][-1], confounds(rng, step=0.3 if i == 1 else 0.03))
        files["summaries"].append(f"{stem}_space-T1w_desc-quality_bold.h5")
        write_summary(files["summaries"][-1], summary(epi * brain, brain * (10.0 + i), affine, rng))
    images = {
        "epi": (epi, affine),
        "brain": (brain.astype(np.float32), affine),
        "t1w": head,
        "t1w_brain": (head[0] > 0.5 * np.percentile(head[0], 99), head[1]),
    }
    return {"files": files, "images": images, "areas": areas, "affine": affine}


def pixels_of(path, colour):
    """Return rows and columns of the pixels of about this colour."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere(np.abs(pixels - wanted).max(axis=2) < 20)


def test_all_figures_are_drawn(tmp_path, subject):
    outputs = {name: tmp_path / f"sub-01_quality_{name}.png" for name in FIGURES}
    table = tmp_path / "sub-01_signal.tsv"
    # The summaries are joined by name, whatever their order.
    files = subject["files"] | {"summaries": subject["files"]["summaries"][::-1]}
    write_quality({**outputs, "signal_table": table}, "01", files, subject["images"], subject["areas"], subject["affine"],
                  {"motion_limit": LIMIT, "simulated": True})  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in outputs.values()), "sub-01_signal.tsv", "sub-01_signal.json"
    }  # fmt: skip
    assert {Image.open(path).width for path in outputs.values()} == {1771}
    for colour in (BRAIN_COLOUR, TISSUE_COLOUR):
        assert len(pixels_of(outputs["coregistration"], colour)) > 500
    for colour in OUTLINES[:3]:
        assert len(pixels_of(outputs["rois"], colour)) > 300
    assert len(pixels_of(outputs["rois"], OUTLINES[4])) == 0
    assert len(pixels_of(outputs["motion"], quality_motion.MARK["flagged"][0])) > 1000
    written = pd.read_csv(table, sep="\t", dtype={"run": str})
    assert list(written["number"].unique()) == [1, 2, 3, 4, 5, 6]
    level = subject["images"]["epi"][0][subject["areas"]["V1"] & (subject["images"]["brain"][0] > 0)]
    medians = written[written["area"] == "V1"].set_index("number")["tsnr_median"]
    for number in (1, 6):
        assert medians[number] == pytest.approx(np.median(level) / (9 + number), rel=1e-4)


def test_another_grid_is_refused(tmp_path, subject):
    epi, affine = subject["images"]["epi"]
    images = subject["images"] | {"epi": (epi[1:], affine)}
    with pytest.raises(DataError, match="the epi image in T1w space .* lies on another grid than the ROI masks"):
        write_quality({}, "01", subject["files"], images, subject["areas"], subject["affine"], {})


def test_signals_equal_plain_numpy(tmp_path):
    rng = np.random.default_rng(1)
    shape, affine = (6, 5, 4), np.diag([3.0, 3, 3, 1])
    brain, area = rng.random(shape) > 0.3, rng.random(shape) > 0.5
    images, paths, runs = [], [], []
    for number in (1, 2):
        mean, deviation = rng.uniform(50, 100, shape), rng.uniform(1, 3, shape)
        deviation[0] = mean[0] = 0  # outside of the field of view
        path = tmp_path / f"sub-01_ses-a01_task-perception_run-{number:02}_desc-quality_bold.h5"
        write_summary(path, summary(mean, deviation, affine, rng))
        images.append(np.where(deviation > 0, mean / np.where(deviation > 0, deviation, 1), 0))
        paths.append(path)
        runs.append(quality_run(number, confounds(rng)))
    found = subject_signal(runs, paths, brain, {"V1": area}, affine)
    np.testing.assert_allclose(found.tsnr, np.mean(images, axis=0), rtol=1e-5)
    row = found.table.set_index(["number", "area"]).loc[(2, "V1")]
    inside = area & (np.indices(shape)[0] > 0)
    assert (row["n_voxels"], row["n_covered"]) == (area.sum(), inside.sum())
    assert row["tsnr_p95"] == pytest.approx(np.percentile(images[1][inside], 95), abs=1e-3)
    with pytest.raises(DataError, match=r"run-01_desc-quality_bold\.h5 lies on another grid"):
        subject_signal(runs, paths, brain, {"V1": area}, affine * 2)
    with pytest.raises(DataError, match="without a summary ses-a01 task-perception run-02, without confounds none"):
        match_runs(runs, paths[:1])


def test_a_run_has_the_status_that_the_samples_give_it():
    rng = np.random.default_rng(2)
    for step, unsettled in ((0.03, 0), (0.1, 0), (0.4, 0), (0.03, 20)):
        table = confounds(rng, step=step)
        table.loc[: unsettled - 1, "converged"] = 0
        for what in ("keep", "flag", "drop"):
            run, limit = quality_run(1, table), LIMIT | {"runs": what}
            assert run.status(limit) == judge_motion(read_motion(table), MotionLimit(**limit))[0]
    assert quality_run(1, table).status(None) == "ok"
    bare = table.drop(columns=["framewise_displacement"])
    np.testing.assert_allclose(quality_run(1, bare).displacement, table["framewise_displacement"])


def test_176_runs_stay_readable(tmp_path, monkeypatch):
    monkeypatch.setattr(quality_motion, "BINS", 500)
    rng = np.random.default_rng(3)
    table = confounds(rng, 12)
    runs = [quality_run(i + 1, table, f"perceptionNaturalImageTraining{i // 8 + 1:02}") for i in range(176)]
    path = tmp_path / "motion.png"
    plot_motion(path, "01", runs, LIMIT, False)
    assert Image.open(path).height < 2000
    edges = np.arange(177.0) * 12
    assert session_key(runs, edges) == ["Sessions: A\u00a0perceptionNaturalImageTraining."]
    axis = Figure().subplots()
    number_runs(axis, runs, edges)
    assert [int(label.get_text()) for label in axis.get_xticklabels()][:4] == [1, 10, 20, 30]


def test_runs_without_motion_are_drawn(tmp_path):
    rng = np.random.default_rng(4)
    table = confounds(rng)
    for columns in (["std_dvars"], ["csf"]):
        runs = [quality_run(1, table.assign(csf=1.0)[columns])]
        plot_motion(tmp_path / f"{columns[0]}.png", "01", runs, LIMIT, False)
        assert len(pixels_of(tmp_path / f"{columns[0]}.png", "#D55E00")) == 0  # no limit is drawn where nothing moves
    assert choose_runs(runs, 0.5) == [(runs[0], "no estimate of motion")]


def test_bins_hold_mean_and_largest_value():
    middle, mean, most = binned(np.array([np.nan, 1.0, 2.0, 6.0, 5.0]), 2)
    np.testing.assert_allclose(middle, [1, 3, 4.5])
    np.testing.assert_allclose(mean, [1, 4, 5])
    np.testing.assert_allclose(most, [1, 6, 5])


def test_the_runs_with_most_motion_and_a_typical_one_are_chosen():
    rng = np.random.default_rng(5)
    steps = [0.03, 0.2, 0.04, 0.5, 0.05, 0.02, 0.06]
    runs = [quality_run(i + 1, confounds(rng, 200, step)) for i, step in enumerate(steps)]
    assert [(run.number, why) for run, why in choose_runs(runs, 0.5)] == [
        (4, "most motion"), (2, "second most motion"), (5, "typical motion")
    ]  # fmt: skip
    assert [run.number for run, _ in choose_runs(runs[:1], None)] == [1]


def test_names_of_files_and_sessions():
    assert entities("sub-01_ses-imagery01_task-imagery_run-02_desc-confounds_timeseries.tsv") == (
        "imagery01",
        "imagery",
        "02",
    )
    assert entities("sub-01_task-faces_desc-confounds_timeseries.tsv") == ("", "faces", "")
    codes = session_codes(["train01", "train02", "test01", "x"])
    assert codes == {"train01": "A01", "train02": "A02", "test01": "B01", "x": "C"}
    with pytest.raises(DataError, match="No table of confounds"):
        read_runs([])


def test_the_left_of_the_subject_is_on_the_left():
    affine = slab_affine((20, 16, 12))  # x runs from right to left
    values = np.zeros((20, 16, 12), dtype=np.float32)
    values[15, 4, 6] = 1
    assert (affine @ [15, 4, 6, 1])[0] < (affine @ [10, 4, 6, 1])[0]
    grid = Grid.of(values.shape, affine)
    i, j, k = np.argwhere(grid.turn(values) == 1)[0]
    np.testing.assert_allclose(grid.affine @ [i, j, k, 1], affine @ [15, 4, 6, 1], atol=1e-4)
    assert i < 10
    tile = draw_rows(Figure(), grid, Box((0, 0, 0), values.shape), [Row("axial", (int(k),))], 0)[0]
    assert tuple(np.argwhere(tile.plane(grid.turn(values)) == 1)[0]) == (j, i)
    assert tile.axis.get_xlim() == (-0.5, 19.5)


def test_finer_sampling_keeps_the_field_of_view():
    affine = slab_affine((20, 16, 12))
    world = np.einsum("ij,j...->i...", affine, np.stack([*np.indices((20, 16, 12)), np.ones((20, 16, 12))]))
    fine = Grid.of((20, 16, 12), affine).finer()
    assert fine.shape == (60, 48, 36)
    at = np.einsum("ij,j...->i...", fine.affine, np.stack([*np.indices(fine.shape), np.ones(fine.shape)]))
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(fine.sample(world[1], affine)[inner], at[1][inner], atol=1e-3)


def test_outlines_follow_the_voxel_faces():
    mask = np.zeros((5, 5, 3), dtype=bool)
    mask[2, 1:3, 1] = True
    axis = Figure().subplots()
    Tile(axis, 0, "axial", 1, (-0.5, 4.5, -0.5, 4.5)).outline(mask, "white")
    segments = {tuple(sorted(map(tuple, segment))) for segment in axis.collections[-1].get_segments()}
    assert len(segments) == 6
    corners = np.array([point for segment in segments for point in segment])
    assert corners.min(axis=0).tolist() == [1.5, 0.5]
    assert corners.max(axis=0).tolist() == [2.5, 2.5]


def test_slices_are_spread_inside_their_range():
    assert spread(10, 20, 5) == (11, 13, 15, 17, 19)
    assert spread(0, 3, 10) == (0, 1, 2)


def test_the_tissue_border_is_otsus_and_survives_a_bias_field():
    rng = np.random.default_rng(6)
    tissue = rng.choice([0.3, 0.7, 1.0], size=(40, 40, 40), p=[0.1, 0.45, 0.45])
    values = tissue + rng.normal(0, 0.08, tissue.shape)
    assert tissue_border(values) == pytest.approx(threshold_multiotsu(values, 3)[1], abs=0.02)
    # Blocks of tissue under a brightness that rises by half from left to right.
    blocks = np.kron(rng.choice([0.6, 1.0], size=(10, 10, 10)), np.ones((4, 4, 4)))
    bias = np.linspace(0.8, 1.2, 40)[:, None, None]
    flat = without_bias(blocks * bias, np.ones((40, 40, 40), bool), np.full(3, 2.0))
    inner = np.zeros((4, 4, 4), bool)
    inner[1:3, 1:3, 1:3] = True
    inside = np.tile(inner, (10, 10, 10))
    bright = flat > flat[inside & (blocks == 1)].mean() / 2 + flat[inside & (blocks < 1)].mean() / 2
    assert (bright == (blocks == 1))[inside].mean() > 0.97
