"""One simulated subject from anatomy to raw BIDS files, with the truth kept aside."""

import json
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.anatomy import Head, Template, functional_grid, grid_points, head_grid, make_head, slab_grid
from fmri2image.acquire.phantom.areas import area_masks
from fmri2image.acquire.phantom.scan import Scanner, head_motion, poses, session_offset, signal_time_course, static_contrast
from fmri2image.acquire.phantom.tuning import ResponseModel, draw_tuning, response_model
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.files import replacing
from fmri2image.core.seeds import generator_for

SIMULATED = "Simulated by fmri2image; not measured in a person."


def simulate_subject(
    subject: str,
    images: Mapping[str, LabelledArray],
    stimuli: pd.DataFrame,
    settings: Mapping,
    seed: int,
    bids: Path,
    truth: Path,
) -> None:
    """Write the raw files of one subject and the truth about it.

    Parameters
    ----------
    subject : str
    images : mapping from stimulus set to LabelledArray, uint8 (n, size, size, 3)
    stimuli : DataFrame
        Table of all stimuli: stimulus, category_index, image_index.
    settings : mapping
        Chapter ``acquire.simulate`` of the configuration.
    seed : int
    bids : path
        BIDS folder.
    truth : path
        HDF5: ``pose_ses-…_run-…`` (n_volumes, 4, 4), brain to scanner at mid-volume, for every run; ``response_<set>``
        (n_stimuli, n_voxels), per cent signal change; ``voxels`` (n_voxels, 3), indices on the mask grid; ``noise``
        (n_voxels, 1), expected SD of one volume's noise in per cent.
    """
    head = make_head(subject, settings, seed, Template.load())
    shape, affine = functional_grid(settings)
    masks = area_masks(head, settings)
    _write_anatomy(subject, head, masks, affine, settings, seed, bids)
    model, voxels = _tune(subject, head, masks, images["train"].values, shape, affine, seed)
    gain = settings["signal_percent"] * settings["signal_to_noise"] * model.tuning.amplitude
    responses = {
        name: LabelledArray(settings["block_percent"] + gain * model.responses(array.values), array.rows)
        for name, array in images.items()
    }
    static = static_contrast(head, shape, affine, generator_for(seed, "receive field", subject))
    scanner = Scanner(static, shape, affine, voxels, settings)
    arrays = {f"response_{name}": array for name, array in responses.items()}
    arrays["voxels"] = LabelledArray(voxels, [f"{i}-{j}-{k}" for i, j, k in voxels])
    noise = np.hypot(settings["thermal_noise"], settings["physiological_noise"])
    arrays["noise"] = LabelledArray(np.full((len(voxels), 1), noise), arrays["voxels"].rows)
    runs = paradigm.run_table(settings)
    orders = {
        name: paradigm.stimulus_order(
            images[name].rows, part["repeats"], sum(part["runs"]), generator_for(seed, "order", subject, name)
        )
        for name, part in settings["stimulus_sets"].items()
    }
    base: dict[str, np.ndarray] = {}
    for run in runs.to_dict("records"):
        session = run["session"]
        if session not in base:
            base[session] = session_offset(settings, generator_for(seed, "position", subject, session))
            _write_inplane(subject, session, head, base[session], settings, seed, bids)
        rng = generator_for(seed, "run", subject, session, run["run"])
        blocks = orders[run["stimulus_set"]][run["run_index"]]
        events = paradigm.run_events(blocks, run, stimuli, settings, rng)
        parameters = base[session] + 0.4 * rng.normal(0, 1, 6) * np.array([1, 1, 1, 0.01, 0.01, 0.01])
        where = poses(parameters + head_motion(run["n_volumes"], settings, rng), shape, affine)
        shown = events[events["event_type"].isin([paradigm.STIMULUS, paradigm.ONE_BACK])]
        response = responses[run["stimulus_set"]].take(list(shown["stimulus_name"])).values
        onsets, durations = shown["onset"].to_numpy(float), shown["duration"].to_numpy(float)
        signal = signal_time_course(onsets, durations, response, run["n_volumes"], settings["repetition_time"])
        volumes = np.concatenate(list(scanner.scan(signal, where, rng)))
        _write_run(subject, run, volumes, affine, events, settings, bids)
        rows = [f"volume-{volume:04d}" for volume in range(len(where))]
        arrays[f"pose_ses-{session}_run-{run['run']}"] = LabelledArray(where, rows)
    write_arrays(truth, arrays, {"simulated": True, "subject": subject, "settings": json.dumps(dict(settings))})


def write_dataset_files(bids: Path, settings: Mapping) -> None:
    """Write the files of the dataset that belong to no subject, as `paradigm.dataset_files` lists them."""
    description = {
        "Name": "Simulated subjects of fmri2image (not measured in people)",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["fmri2image"],
        "GeneratedBy": [{"Name": "fmri2image", "Description": SIMULATED}],
    }
    _write_json(bids / "dataset_description.json", description)
    lines = [f"# {description['Name']}", "", SIMULATED, "The paradigm follows Shen et al. 2019 (PLOS CB) at small size.", ""]
    _write_text(bids / "README", "\n".join(lines))
    table = ["participant_id\tsimulated", *[f"sub-{subject}\ttrue" for subject in settings["subjects"]]]
    _write_text(bids / "participants.tsv", "\n".join(table) + "\n")
    levels = {"1": "stimulus block", "2": "one-back repetition", "-1": "initial rest", "-2": "final rest", "-3": "rest"}
    events = {
        "event_type": {"Description": "What happens", "Levels": levels},
        "stimulus_id": {"Description": "Stimulus shown"},
        "stimulus_name": {"Description": "Stimulus shown"},
        "category_index": {"Description": "Category of the stimulus within its set, from 1"},
        "image_index": {"Description": "Stimulus within its set, from 1"},
        "response_time": {"Description": "Button press after the onset of a one-back repetition", "Units": "s"},
    }
    _write_json(bids / f"task-{paradigm.TASK}_events.json", events)


def _tune(
    subject: str, head: Head, masks: Mapping, training: np.ndarray, shape: tuple[int, ...], affine: np.ndarray, seed: int
) -> tuple[ResponseModel, np.ndarray]:
    # The most specific area decides: HVC holds LOC, FFA and PPA, and is asked last.
    area = np.full(shape, "", dtype=object)
    side = np.full(shape, "", dtype=object)
    for name in reversed(paradigm.AREAS):
        for hemisphere in paradigm.HEMISPHERES:
            mask = masks[hemisphere, name]
            area[mask], side[mask] = name, hemisphere
    voxels = np.argwhere(area != "")
    index = tuple(voxels.T)
    template = head.template_points(grid_points(shape, affine)[index])
    rng = generator_for(seed, "tuning", subject)
    tuning = draw_tuning(list(area[index]), list(side[index]), template, rng)
    return response_model(tuning, training), voxels


def _write_anatomy(
    subject: str, head: Head, masks: Mapping, affine: np.ndarray, settings: Mapping, seed: int, bids: Path
) -> None:
    rng = generator_for(seed, "t1w noise", subject)
    shape, grid = head_grid(settings)
    t1w = 800 * head.t1(grid_points(shape, grid))
    _write_nifti(bids / f"{paradigm.t1w_stem(subject)}.nii.gz", t1w + rng.normal(0, 10, shape), grid)
    _write_json(bids / f"{paradigm.t1w_stem(subject)}.json", _sidecar(MagneticFieldStrength=3))
    for (hemisphere, area), mask in masks.items():
        _write_nifti(bids / paradigm.mask_path(subject, hemisphere, area), mask.astype(np.uint8), affine)


def _write_inplane(
    subject: str, session: str, head: Head, offset: np.ndarray, settings: Mapping, seed: int, bids: Path
) -> None:
    """Write the in-plane T2 of a session: same slab, finer in the plane, in the session's head position."""
    size = settings["voxel_size"]
    shape, affine = slab_grid(settings, (size / 2, size / 2, size))
    back = np.linalg.inv(poses(offset, *functional_grid(settings)))
    points = grid_points(shape, affine) @ back[:3, :3].T + back[:3, 3]
    rng = generator_for(seed, "inplane noise", subject, session)
    stem = paradigm.inplane_stem(subject, session)
    _write_nifti(bids / f"{stem}.nii.gz", 700 * head.contrast("t2", points) + rng.normal(0, 8, shape), affine)
    _write_json(bids / f"{stem}.json", _sidecar(MagneticFieldStrength=3))


def _write_run(
    subject: str,
    run: Mapping,
    volumes: np.ndarray,
    affine: np.ndarray,
    events: pd.DataFrame,
    settings: Mapping,
    bids: Path,
) -> None:
    stem = paradigm.run_stem(subject, run["session"], run["run"], run["task"])
    time = settings["repetition_time"]
    _write_nifti(bids / f"{stem}_bold.nii.gz", np.moveaxis(volumes, 0, -1), affine, time)
    n_slices = volumes.shape[3]
    sidecar = _sidecar(
        TaskName=run["task"], RepetitionTime=time, EchoTime=0.03, FlipAngle=80, SliceTiming=[0.0] * n_slices
    )
    _write_json(bids / f"{stem}_bold.json", sidecar)
    with replacing(bids / f"{stem}_events.tsv") as partial:
        events.to_csv(partial, sep="\t", index=False, na_rep="n/a")


def _sidecar(**fields: object) -> dict:
    return {"Manufacturer": "Simulated", "ManufacturersModelName": "fmri2image phantom", **fields}


def _write_nifti(path: Path, values: np.ndarray, affine: np.ndarray, repetition_time: float | None = None) -> None:
    if values.dtype not in (np.int16, np.uint8):
        values = np.clip(np.rint(values), 0, 32767).astype(np.int16)
    image = nibabel.Nifti1Image(values, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    if repetition_time is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    with replacing(path) as partial:
        nibabel.save(image, partial)


def _write_json(path: Path, content: Mapping) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
