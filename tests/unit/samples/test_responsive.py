"""The area of voxels that respond most to stimulation: against nilearn, on known responses, and on a simulated subject."""

import json
import logging
import runpy
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from nilearn.glm import compute_fixed_effects
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import FirstLevelModel, compute_regressor, make_first_level_design_matrix, run_glm
from scipy.ndimage import gaussian_filter

from fmri2image.acquire.phantom.bids import simulate_subject
from fmri2image.acquire.phantom.paradigm import run_table
from fmri2image.acquire.phantom.sidecars import write_dataset_files
from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.core.samples import read_bdata, write_bdata
from fmri2image.preprocess.masks import on_grid, read_masks
from fmri2image.preprocess.run import RunOutputs, RunSettings, correct_run
from fmri2image.preprocess.timeseries import TimeSeries, read_timeseries, write_timeseries
from fmri2image.samples.build import build_samples
from fmri2image.samples.responsive import COLUMN, add_responsive, strongest
from fmri2image.samples.rois import add_areas
from fmri2image.samples.runs import Run, file_of_run, planned_runs
from fmri2image.samples.settings import ResponsiveSettings, SampleSettings

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
SHAPE, AFFINE = (6, 5, 4), np.diag([3.0, 3, 3, 1])
AFFINE[:3, 3] = [-9, -30, 4]
SECONDS, DISCARDED, N_KEPT = 2.0, 2, 90
VOXELS = np.argwhere(np.ones(SHAPE, dtype=bool))
SETTINGS = ResponsiveSettings(stimulus_set="random", n_voxels=10)
CLEANING = SampleSettings(despike_threshold=None)
# Per cent by which the first voxels respond.
RESPONDING = np.linspace(3.0, 1.2, 10)


def write_run(folder, number, stimulus_set="random", response=RESPONDING, order=None, rests=True, seed=None):
    """Write a run of 6 s on and 6 s off in which the first voxels of the grid respond, and others do not."""
    rng = np.random.default_rng(number if seed is None else seed)
    times = (DISCARDED + np.arange(N_KEPT)) * SECONDS
    onsets = np.arange(14) * (12.0 if rests else 6.0) + 16
    shown = np.stack([onsets, np.full(14, 6.0), np.ones(14)])
    evoked = compute_regressor(shown, "spm", times + SECONDS / 2)[0][:, 0]
    gain = np.zeros(len(VOXELS))
    gain[: len(response)] = response
    motion = np.cumsum(rng.normal(0, [0.01] * 3 + [0.0002] * 3, (N_KEPT, 6)), axis=0)
    noise = rng.normal(0, 1.0, (N_KEPT, len(VOXELS)))
    noise[1:] += 0.4 * noise[:-1]
    drift = np.linspace(-1, 1, N_KEPT)[:, None] * rng.normal(0, 1, len(VOXELS)) + 3 * motion[:, :1]
    base = np.random.default_rng(99).uniform(300, 900, len(VOXELS))
    signal = base * (1 + (np.outer(evoked, gain) + noise + drift) / 100)
    series = TimeSeries(
        signal.astype(np.float32),
        VOXELS,
        {"brain": np.ones(len(VOXELS), dtype=bool)},
        SHAPE,
        AFFINE,
        SECONDS,
        DISCARDED,
    )
    if order is not None:
        areas = {"brain": series.areas["brain"][order]}
        series = replace(series, signal=series.signal[:, order], voxels=VOXELS[order], areas=areas)
    name = f"sub-01_ses-01_task-{stimulus_set}_run-{number:02}"
    paths = [folder / f"{name}_{end}" for end in ("timeseries.h5", "confounds.tsv", "events.tsv")]
    write_timeseries(paths[0], series)
    table = pd.DataFrame(motion, columns=list(PARAMETERS)).assign(framewise_displacement=0.1, converged=1)
    table.to_csv(paths[1], sep="\t", index=False)
    events = [(0.0, 16.0, -1, "n/a")] + [(onset, 6.0, 1, f"p{i:02}") for i, onset in enumerate(onsets)]
    events.append((float(onsets[-1] + 6), 6.0, -2, "n/a"))
    columns = ["onset", "duration", "event_type", "stimulus_name"]
    pd.DataFrame(events, columns=columns).to_csv(paths[2], sep="\t", index=False)
    return Run(*paths, stimulus_set, "01", number, stimulus_set)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of random patterns, and one of figures to which other voxels respond, far more."""
    folder = tmp_path_factory.mktemp("runs")
    figures = write_run(folder, 3, "figures", response=np.r_[np.zeros(20), np.full(20, 9.0)])
    return [
        figures,
        write_run(folder, 1),
        write_run(folder, 2, order=np.random.default_rng(0).permutation(len(VOXELS))),
    ]


def test_voxels_that_respond_are_found_and_others_are_not_kept(runs, tmp_path):
    built = build_samples(runs, {"VC": ["active"]}, "01", True, CLEANING, responsive=SETTINGS)
    samples = built.samples
    assert samples.rois == ["active", "VC"]
    assert samples.data.shape == (3 * 14, 10)
    np.testing.assert_array_equal(samples.voxels[["voxel_i", "voxel_j", "voxel_k"]], VOXELS[:10])
    assert (samples.voxels["ROI_active"] == 1).all()
    # Voxels that respond more have the larger t.
    assert np.corrcoef(samples.voxels[COLUMN], RESPONDING)[0, 1] > 0.7
    assert json.loads(samples.attributes["responsive"])["stimulus_set"] == "random"
    write_bdata(tmp_path / "samples.h5", samples)
    np.testing.assert_allclose(read_bdata(tmp_path / "samples.h5").voxels[COLUMN], samples.voxels[COLUMN])


def test_the_samples_are_those_of_the_whole_brain(runs):
    """Leaving out what does not respond changes nothing in what is kept."""
    whole = build_samples(runs, {}, "01", True, CLEANING).samples
    assert whole.rois == ["brain"]
    few = build_samples(runs, {}, "01", True, CLEANING, responsive=SETTINGS).samples
    np.testing.assert_array_equal(few.data, whole.data[:, :10])
    both = build_samples(runs, {}, "01", True, CLEANING, responsive=replace(SETTINGS, keep_brain=True)).samples
    np.testing.assert_array_equal(both.data, whole.data)
    assert both.rois == ["brain", "active"]
    assert both.voxels["ROI_active"].sum() == 10
    np.testing.assert_array_equal(both.select(roi="active").data, few.data)


def test_a_tested_set_decides_nothing(runs, tmp_path):
    """Other responses in the runs of figures leave the choice and every t as they were."""
    t = add_responsive(runs, {}, SETTINGS, CLEANING).values[COLUMN]
    other = write_run(tmp_path, 3, "figures", response=np.full(60, -5.0), seed=17)
    np.testing.assert_array_equal(add_responsive([other, *runs[1:]], {}, SETTINGS, CLEANING).values[COLUMN], t)
    changed = write_run(tmp_path, 1, response=RESPONDING[::-1])
    assert np.abs(add_responsive([runs[0], changed, runs[2]], {}, SETTINGS, CLEANING).values[COLUMN] - t).max() > 1


def designs(runs):
    """Return signals in per cent, in the order of the grid, and the design of every run of random patterns; the task is first."""
    for run in runs[1:]:
        series, confounds = read_timeseries(run.series), pd.read_csv(run.confounds, sep="\t")
        percent = np.empty((N_KEPT, len(VOXELS)))
        keys = np.ravel_multi_index(tuple(series.voxels.T), SHAPE)
        percent[:, keys] = 100 * series.signal.astype(float) / series.signal.mean(axis=0, dtype=float)
        events = pd.read_csv(run.events, sep="\t").query("event_type == 1")[["onset", "duration"]]
        beside = confounds[list(PARAMETERS)].assign(trend=np.linspace(-1, 1, N_KEPT))
        times = (DISCARDED + np.arange(N_KEPT)) * SECONDS + SECONDS / 2
        design = make_first_level_design_matrix(
            times, events.assign(trial_type="on"), "spm", "cosine", 1 / 128, add_regs=beside.to_numpy()
        )
        yield percent, design


def test_t_is_that_of_generalised_least_squares(runs):
    """Noise of order 1 by Yule and Walker, effects and variances summed over runs, in plain numpy."""
    some, effect, variance = [0, 5, 60, 119], 0.0, 0.0
    for percent, design in designs(runs):
        x = design.to_numpy()
        x = x / np.linalg.norm(x, axis=0)
        scale = np.linalg.norm(design.to_numpy()[:, 0])
        left = percent[:, some] - x @ np.linalg.lstsq(x, percent[:, some], rcond=None)[0]
        found = []
        for column, values in enumerate(percent[:, some].T):
            rho = np.mean(left[1:, column] * left[:-1, column]) / np.mean(left[:, column] ** 2)
            rho = np.trunc(100 * rho) / 100
            white, y = x.copy(), values.copy()
            white[1:] -= rho * x[:-1]
            y[1:] -= rho * values[:-1]
            inverse = np.linalg.inv(white.T @ white)
            betas = inverse @ white.T @ y
            noise = np.square(y - white @ betas).sum() / (len(y) - x.shape[1])
            found.append((betas[0] / scale, noise * inverse[0, 0] / scale**2))
        effect, variance = effect + np.array(found)[:, 0], variance + np.array(found)[:, 1]
    t = add_responsive(runs, {}, SETTINGS, CLEANING).values[COLUMN]
    np.testing.assert_allclose(t[some], effect / np.sqrt(variance), rtol=1e-3)


@pytest.mark.slow
def test_t_is_that_of_nilearns_fixed_effects(runs):
    effects, variances = [], []
    mask = nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), AFFINE)
    for percent, design in designs(runs):
        model = FirstLevelModel(mask_img=mask, noise_model="ar1", minimize_memory=True, signal_scaling=False)
        volumes = percent.T.reshape(*SHAPE, N_KEPT).astype(np.float32)
        model.fit(nibabel.Nifti1Image(volumes, AFFINE), design_matrices=design)
        found = model.compute_contrast("on", output_type="all")
        effects.append(found["effect_size"])
        variances.append(found["effect_variance"])
    expected = compute_fixed_effects(effects, variances, mask)[2].get_fdata()[tuple(VOXELS.T)]
    t = add_responsive(runs, {}, SETTINGS, CLEANING).values[COLUMN]
    np.testing.assert_allclose(t, expected, rtol=1e-3, atol=1e-3)


def test_number_threshold_and_ties():
    t = np.array([2.0, 5.0, np.nan, 3.0, 3.0, 9.0, 3.0])
    inside = np.array([1, 1, 1, 1, 1, 0, 1], dtype=bool)
    few = ResponsiveSettings("random", n_voxels=3)
    assert np.flatnonzero(strongest(t, inside, few)).tolist() == [1, 3, 4]  # of three equal ones the first two
    above = ResponsiveSettings("random", n_voxels=None, threshold=3.0)
    assert np.flatnonzero(strongest(t, inside, above)).tolist() == [1, 3, 4, 6]
    both = ResponsiveSettings("random", n_voxels=2, threshold=3.0)
    assert np.flatnonzero(strongest(t, inside, both)).tolist() == [1, 3]
    with pytest.raises(DataError, match=r"no voxel of brain has a t of at least 6 \(the largest is 5.00\)"):
        strongest(t, inside, replace(above, threshold=6.0))


def test_voxels_that_some_run_did_not_see_are_no_candidates(runs, tmp_path):
    lost = write_run(tmp_path, 3, "figures")
    series = read_timeseries(lost.series)
    signal = series.signal.copy()
    signal[:, 0] = np.nan
    write_timeseries(lost.series, replace(series, signal=signal))
    samples = build_samples(
        [lost, *runs[1:]], {}, "01", True, CLEANING, responsive=replace(SETTINGS, n_voxels=9)
    ).samples
    np.testing.assert_array_equal(samples.voxels[["voxel_i", "voxel_j", "voxel_k"]], VOXELS[1:10])
    assert samples.attributes["n_voxels_without_signal"] == 0  # of those chosen


def mixed(folder, told):
    """Write a run whose events tell the set of every stimulus; voxels 40 to 49 respond to every third stimulus only."""
    run = write_run(folder, 5, "faces")
    events = pd.read_csv(run.events, sep="\t", keep_default_na=False)
    events["stimulus_set"] = ["n/a", *told, "n/a"]
    events["trial_type"] = ["rest", *["stimulus"] * len(told), "rest"]
    events = events.drop(columns="event_type")
    events.to_csv(run.events, sep="\t", index=False)
    series = read_timeseries(run.series)
    times = (DISCARDED + np.arange(N_KEPT)) * SECONDS + SECONDS / 2
    tested = events[1:-1].iloc[::3]
    shown = np.stack([tested["onset"], tested["duration"], np.ones(len(tested))]).astype(float)
    signal = series.signal.copy()
    signal[:, 40:50] *= 1 + 0.12 * compute_regressor(shown, "spm", times)[0]
    write_timeseries(run.series, replace(series, signal=signal))
    return run


def test_stimuli_of_a_tested_set_in_the_same_runs_decide_nothing(tmp_path):
    told = ["test" if place % 3 == 0 else "train" for place in range(14)]
    run, settings = mixed(tmp_path, told), replace(SETTINGS, stimulus_set="train")
    found = add_responsive([run], {}, settings, CLEANING)
    assert found.areas["active"][:10].sum() >= 8 and not found.areas["active"][40:50].any()
    # The same t as nilearn's with a regressor for each set.
    series, confounds = read_timeseries(run.series), pd.read_csv(run.confounds, sep="\t")[list(PARAMETERS)]
    events = pd.read_csv(run.events, sep="\t", keep_default_na=False)[1:-1].assign(trial_type=told)
    times = (DISCARDED + np.arange(N_KEPT)) * SECONDS + SECONDS / 2
    design = make_first_level_design_matrix(
        times, events[["onset", "duration", "trial_type"]], "spm", "cosine", 1 / 128,
        add_regs=np.column_stack([confounds, np.arange(N_KEPT)]), add_reg_names=[*PARAMETERS, "trend"],
    )  # fmt: skip
    percent = 100 * series.signal / series.signal.mean(axis=0, dtype=float)
    labels, fits = run_glm(percent, design.to_numpy(), "ar1", bins=1000)
    expected = compute_contrast(labels, fits, (design.columns == "train").astype(float)).stat()
    assert np.corrcoef(found.values[COLUMN], np.ravel(expected))[0, 1] > 0.999
    # Taken for one set, the tested stimuli would choose: so would a name that is left out.
    together = add_responsive([mixed(tmp_path, ["train"] * 14)], {}, settings, CLEANING)
    assert together.areas["active"][40:50].sum() > 2
    names = [f"p{place:02}" for place in range(0, 14, 3)]
    apart = add_responsive([run], {}, settings, replace(CLEANING, leave_out=names))
    np.testing.assert_allclose(apart.values[COLUMN], found.values[COLUMN])


def test_fewer_voxels_than_asked_for_and_few_rests_are_said(runs, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="fmri2image"):
        add_responsive(runs, {}, replace(SETTINGS, n_voxels=500), CLEANING)
    assert "active: only 120 voxels, 500 were asked for" in caplog.text
    assert "few rests" not in caplog.text
    with caplog.at_level(logging.WARNING, logger="fmri2image"):
        add_responsive([write_run(tmp_path, 1, rests=False)], {}, SETTINGS, CLEANING)
    assert "look like drift or confounds, because the runs of random have few rests" in caplog.text


def test_what_cannot_be_an_area_is_refused(runs):
    for settings, message in (
        ({"n_voxels": None}, "n_voxels, threshold or both"),
        ({"n_voxels": 0}, "n_voxels is 0"),
        ({"high_pass": 0}, "high_pass is 0"),
        ({"name": "brain"}, "are both 'brain'"),
    ):
        with pytest.raises(ConfigError, match=message):
            ResponsiveSettings(stimulus_set="random", **settings)
    with pytest.raises(DataError, match="no run of the stimulus set 'letters' is left.*figures, random"):
        add_responsive(runs, {}, replace(SETTINGS, stimulus_set="letters"), CLEANING)
    with pytest.raises(ConfigError, match="from is 'V1', which is no area; there are brain"):
        add_responsive(runs, {"V1": ["active"]}, replace(SETTINGS, source="V1"), CLEANING)
    assert ResponsiveSettings.of({"stimulus_set": "random", "from": "VC"}).source == "VC"
    assert ResponsiveSettings.of(None) is None


def test_an_area_of_the_samples_can_be_drawn_on_the_grid(runs, tmp_path):
    samples = build_samples(runs, {}, "01", True, CLEANING, responsive=SETTINGS).samples
    brain = tmp_path / "sub-01_space-T1w_desc-brain_mask.nii.gz"
    nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), AFFINE).to_filename(brain)
    masks = add_areas(read_masks([brain]), samples, ["active", "brain", "V1"])
    np.testing.assert_array_equal(np.argwhere(masks.masks["active"]), VOXELS[:10])
    assert set(masks.masks) == {"brain", "active"}
    main = runpy.run_path(str(SCRIPTS / "plot_preprocess.py"), run_name="script")["find_areas"]
    write_bdata(tmp_path / "samples.h5", samples)
    settings = {"outlines": ["brain", "active"], "unions": {}}
    areas = main([], str(brain), None, str(tmp_path / "samples.h5"), settings)
    assert {name: int(mask.sum()) for name, mask in areas.masks.items()} == {"brain": 120, "active": 10}


def test_runs_find_their_files_by_path_or_by_name(runs):
    plan = {"session": "01", "task": "random", "run": "01", "stimulus_set": "random"}
    series, confounds, events = (
        [str(getattr(run, kind)) for run in runs] for kind in ("series", "confounds", "events")
    )
    assert planned_runs([plan], series, confounds, events) == [runs[1]]
    own = {**plan, "events": "/data/my study/look_events.tsv"}
    found = planned_runs([own], series, confounds, [*events, "/data/my study/look_events.tsv"])[0]
    assert (found.series, found.events) == (runs[1].series, Path("/data/my study/look_events.tsv"))
    with pytest.raises(DataError, match="0 of 3 files are the events of /data/my study/look_events.tsv"):
        file_of_run(own, events, "events")
    with pytest.raises(DataError, match="0 of 3 files are the series of ses-01_task-random_run-09"):
        file_of_run({**plan, "run": "09"}, series, "series")


# A simulated subject, from raw BOLD without masks to samples ----------------------------------------------------------

PHANTOM = {
    "subjects": ["01"],
    "repetition_time": 2.0,
    "slice_timing": {"multiband": 4, "order": "interleaved"},
    "initial_rest": 28,
    "final_rest": 6,
    "voxel_size": 4.0,
    "slab": [148, 96, 72],
    "slab_tilt": 10.0,
    "t1w_voxel_size": 2.5,
    "warp": 3.0,
    "signal_to_noise": 0.8,
    "response": {"mean": 1.0, "deviation": 0.8, "trial_deviation": 0.5, "spread": 3.9},
    "noise": {
        "temporal_snr": 80, "physiological_fraction": 0.4, "cardiac": 0.2, "respiratory": 0.2, "autocorrelation": 0.6,
        "smoothness": 6.0, "drift": 0.8,
    },
    "motion": {"between_sessions": [[2.0, 4.0], [2.0, 3.0]], "between_runs": [0.3, 0.2], "within_run": [0.3, 0.2], "jumps": 1.0},
    "stimulus_sets": {
        "train": {"session": "perceptionNaturalImageTraining", "runs": [3], "images": 42, "repeats": 1, "one_back": 1,
                  "block": 6, "rest": 6},
        "test": {"session": "perceptionNaturalImageTest", "runs": [2], "images": 10, "repeats": 4, "one_back": 1, "block": 6,
                 "rest": 6},
    },
}  # fmt: skip


def scripted(name, *arguments, **named):
    """Run a script's `main`."""
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="script")["main"](*arguments, **named)


def reliability(data, trials):
    """Return the correlation over stimuli between the means of odd and even repeats, per voxel."""
    trials = trials.assign(repeat=trials.groupby("stimulus").cumcount() % 2)
    halves = [pd.DataFrame(data[trials["repeat"] == half]).groupby(trials["stimulus"][trials["repeat"] == half].to_numpy()).mean()
              for half in (0, 1)]  # fmt: skip
    first, second = (half.to_numpy() - half.to_numpy().mean(axis=0) for half in halves)
    return (first * second).sum(axis=0) / np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))


@pytest.mark.slow
def test_a_subject_without_masks_goes_from_raw_bold_to_samples_of_visual_areas(tmp_path):
    """The chosen voxels lie in visual areas, whose masks nothing has seen, more than five times as often as brain voxels do."""
    rng = np.random.default_rng(0)
    images, tables = {}, []
    for name, part in PHANTOM["stimulus_sets"].items():
        noise = gaussian_filter(rng.standard_normal((part["images"], 64, 64, 3)), (0, 6, 6, 0))
        rows = [f"{name}-{number}" for number in range(part["images"])]
        images[name] = LabelledArray(np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8), rows)
        tables.append(pd.DataFrame({"stimulus": rows, "category": name, "category_index": 1, "image_index": 1}))
    bids, out = tmp_path / "bids", tmp_path / "out"
    write_dataset_files(bids, ["01"], PHANTOM)
    simulate_subject("01", images, pd.concat(tables, ignore_index=True), PHANTOM, 5, bids, tmp_path / "truth.h5")
    plans = run_table(PHANTOM, "01").to_dict("records")
    raw = {}
    for plan in plans:
        stem = f"sub-01_ses-{plan['session']}_task-{plan['task']}_run-{plan['run']}"
        raw[stem] = bids / f"sub-01/ses-{plan['session']}/func/{stem}"
    first = next(iter(raw.values()))
    t1w, inplane = (str(next(bids.rglob(f"*_{suffix}.nii.gz"))) for suffix in ("T1w", "inplaneT2"))
    names = {"reference_t1w": "space-T1w_boldref.nii.gz", "brain_mask": "space-T1w_desc-brain_mask.nii.gz",
             "transform": "xfm.txt", "checks": "xfm.json"}  # fmt: skip
    files = {name: str(out / f"sub-01_{end}") for name, end in names.items()}
    reference, grid = str(out / "sub-01_boldref.nii.gz"), str(out / "sub-01_space-T1w_desc-grid_mask.nii.gz")
    scripted(
        "make_reference", f"{first}_bold.nii.gz", reference, {"discard_seconds": 8, "realign": {}, "device": "cpu"}
    )
    scripted("make_grid", reference, t1w, grid, {})
    inputs = {"reference": reference, "inplane": inplane, "t1w": t1w, "grid": grid}
    scripted("coregister", inputs, files, {"coregister": {"bias_correction": True}})
    found = {"series": [], "confounds": [], "events": []}
    for stem, path in raw.items():
        outputs = RunOutputs(out / f"{stem}_series.h5", out / f"{stem}_confounds.tsv", out / f"{stem}_quality.h5")
        correct_run(
            f"{path}_bold.nii.gz", reference, files["transform"], [], files["brain_mask"], outputs, RunSettings()
        )
        for kind, file in zip(found, (outputs.series, outputs.confounds, f"{path}_events.tsv"), strict=True):
            found[kind].append(str(file))
    runs = planned_runs(plans, **found)
    masks = read_masks(sorted((bids / "sourcedata").rglob("*_mask_*.nii.gz")))
    brain = read_masks([files["brain_mask"]])
    visual = on_grid(np.any(list(masks.masks.values()), axis=0), masks.affine, brain.shape, brain.affine)
    settings = ResponsiveSettings(stimulus_set="train", n_voxels=300, keep_brain=True)
    samples = build_samples(runs, {}, "01", True, SampleSettings(shift_seconds=5.0), ("test",), settings).samples
    place = tuple(samples.voxels[["voxel_i", "voxel_j", "voxel_k"]].to_numpy(int).T)
    true, active = visual[place], samples.voxels["ROI_active"].to_numpy() == 1
    share, chance = true[active].mean(), true.mean()
    tested = (samples.trials["stimulus_set"] == "test").to_numpy()
    agree = reliability(samples.data[tested], samples.trials[tested].reset_index(drop=True))
    print(
        f"{len(true)} brain voxels, {true.sum()} in visual areas: {share:.3f} of 300 chosen lie there, by chance {chance:.3f}; "
        f"reliability {agree[active].mean():.3f}, of all voxels of the areas {agree[true].mean():.3f}, of the others "
        f"{agree[~true & ~active].mean():.3f}"
    )
    assert active.sum() == 300
    assert share > 0.5
    assert share > 5 * chance
    assert agree[active].mean() > agree[true].mean() - 0.05
    assert agree[active].mean() > agree[~true & ~active].mean() + 0.1
