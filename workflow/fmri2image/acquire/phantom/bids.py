"""Raw BIDS of the simulated subjects, as from a scanner, and the truth beside it.

Settings used besides those of `paradigm`, `anatomy`, `motion` and `scanner`: ``signal_to_noise`` (multiplies the
response, 1 = as below) and, under ``response``, per cent signal change that an endless block would reach: ``mean``
over the training images, ``deviation`` (standard deviation over them), ``trial_deviation`` (of the response from trial
to trial, in units of `deviation`) and ``spread`` (mm, see `spread`); ``null_subjects`` (labels of subjects whose
responses do not depend on the image).
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.active import ActiveTissue
from fmri2image.acquire.phantom.anatomy import (
    Head,
    Template,
    apply_affine,
    bias_field,
    functional_grid,
    grid_points,
    head_grid,
    make_head,
    slab_grid,
)
from fmri2image.acquire.phantom.areas import area_masks
from fmri2image.acquire.phantom.encoding import receptive_fields, responses
from fmri2image.acquire.phantom.events import (
    block_weights,
    in_dialect,
    response_blocks,
    run_events,
    stimulus_labels,
    stimulus_order,
    with_cue,
)
from fmri2image.acquire.phantom.motion import run_motion, session_offset
from fmri2image.acquire.phantom.scanner import acquire_run, mid_volume, shot_times, static_image
from fmri2image.acquire.phantom.sidecars import INPLANE_SIDECAR, T1W_SIDECAR, bold_sidecar, write_json
from fmri2image.acquire.phantom.signal import block_signal
from fmri2image.acquire.phantom.spread import spread_responses, spread_weights
from fmri2image.acquire.phantom.truth import MEANING, field_array, response_array, trial_array, truth_arrays
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.files import replacing
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.core.seeds import generator_for

IMAGE_NOISE = 0.015


@dataclass(frozen=True)
class VisualCortex:
    """The responding voxels of a subject.

    Parameters
    ----------
    index : array of shape (n_voxels, 3)
        Place on the functional grid.
    area : array of str, shape (n_voxels,)
    mean, deviation : arrays of shape (n_voxels,)
        Statistics of the response over the training images, per cent.
    spread : sparse array of shape (n_voxels, n_voxels)
        How the response spreads over neighbours, from `spread.spread_weights`.
    field : array of shape (n_voxels, 3)
        Receptive field of the voxel's own tissue: centre right, centre up and width in half image widths.
    """

    index: np.ndarray
    area: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    spread: csr_array
    field: np.ndarray

    @property
    def names(self) -> list[str]:
        """Names ``i-j-k`` on the grid of the masks."""
        return ["-".join(str(number) for number in row) for row in self.index]


def simulate_subject(
    subject: str,
    images: Mapping[str, LabelledArray],
    stimuli: pd.DataFrame,
    settings: Mapping,
    seed: int,
    bids_dir: str | Path,
    truth_path: str | Path,
) -> None:
    """Scan one subject: write all files of `paradigm.bids_files` and the truth.

    Parameters
    ----------
    subject : str
        Label without ``sub-``.
    images : dict from stimulus set to LabelledArray
        uint8 (n, size, size, 3), rows = stimulus names.
    stimuli : DataFrame
        ``stimulus``, ``category``, ``category_index``, ``image_index``.
    settings : mapping
        Configuration key ``simulate``.
    seed : int
    bids_dir, truth_path : path

    Raises
    ------
    ConfigError
        If a stimulus set does not hold as many images as the settings say, or an area is empty at this voxel size.
    DataError
        If the stimulus table lacks an image.
    """
    runs = paradigm.run_table(settings, subject)
    _check(images, stimuli, settings)
    bids_dir = Path(bids_dir)
    head = make_head(subject, settings, seed, Template.load())
    masks = area_masks(head, settings)
    empty = [" ".join(key) for key, mask in masks.items() if not mask.any()]
    if empty:
        raise ConfigError(
            f"simulate: sub-{subject} has no voxel in {', '.join(empty)} at voxel_size {settings['voxel_size']} mm; "
            "use smaller voxels."
        )
    _write_anatomy(subject, head, masks, settings, seed, bids_dir)
    cortex, known = _visual_cortex(subject, head, masks, images, settings, seed)
    static, active = static_image(head, settings), ActiveTissue(cortex.index, settings)
    shape, affine = functional_grid(settings)
    centre = grid_centre(shape, affine)
    # One coil for all sessions of a subject.
    receive = bias_field(grid_points(shape, affine), generator_for(seed, "receive field", subject))
    labels, orders = {}, {}
    for name, part in settings["stimulus_sets"].items():
        rows, n_runs = images[name].rows, sum(paradigm.session_runs(settings, name, subject))
        labels[name] = stimulus_labels(stimuli, rows, paradigm.task(part))
        rng = generator_for(seed, "order", subject, name)
        orders[name] = stimulus_order(rows, part["repeats"], n_runs, rng)
    truth = truth_arrays(cortex, known, runs, settings)
    truth["receptive_field"] = field_array(cortex.names, cortex.field)
    truth["block_response"] = response_array()
    shots = shot_times(settings)
    # Moments of the poses, from mid-volume in repetition times: the truth's, then those of the shots.
    moments = np.append(0.0, (shots - mid_volume(settings)) / settings["repetition_time"])
    for session, in_session in runs.groupby("session", sort=False):
        offset = session_offset(settings, generator_for(seed, "placement", subject, session))
        placement = rigid_matrix(offset, centre)
        _write_inplane(subject, session, head, placement, settings, seed, bids_dir)
        truth[f"pose_ses-{session}_inplaneT2"] = LabelledArray(
            placement[None], ["image"], {"meaning": MEANING["inplane"]}
        )
        for run in in_session.to_dict("records"):
            stimulus_set = run["stimulus_set"]
            rng = generator_for(seed, "run", subject, session, run["run"])
            order = orders[stimulus_set][run["run_index"]]
            events = run_events(order, run, labels[stimulus_set], settings, rng)
            poses = rigid_matrix(offset + run_motion(run["n_volumes"], settings, rng, moments), centre)
            blocks, responses_of_set = response_blocks(events), with_cue(known[stimulus_set])
            weights = block_weights(blocks, cortex.area, settings)
            times = np.arange(run["n_volumes"] + 1) * settings["repetition_time"]
            signal, trials = block_signal(blocks, responses_of_set, cortex, times, settings, rng, weights)
            volumes = acquire_run(static, receive, poses[:, 1:], signal, active, settings, rng)
            _write_run(bids_dir, subject, run, volumes, affine, events, settings)
            rows = [f"volume-{number:04d}" for number in range(len(poses))]
            name = f"ses-{session}_run-{run['run']}"
            truth[f"pose_{name}"] = LabelledArray(poses[:, 0], rows, {"meaning": MEANING["pose"]})
            truth[f"trials_{name}"] = trial_array(events, trials)
    attributes = {
        "simulated": True, "subject": subject, "seed": seed, "settings": json.dumps(settings, sort_keys=True),
        "mask_grid_affine": affine, "mask_grid_shape": shape,
        "pose": MEANING["pose"],
    }  # fmt: skip
    write_arrays(truth_path, truth, attributes)


def _check(images: Mapping[str, LabelledArray], stimuli: pd.DataFrame, settings: Mapping) -> None:
    known = set(stimuli["stimulus"])
    if "train" not in settings["stimulus_sets"]:
        raise ConfigError("simulate: stimulus_sets must hold 'train', whose responses give the unit.")
    for name, part in settings["stimulus_sets"].items():
        found = len(images[name].rows) if name in images else 0
        if found != paradigm.n_images(part):
            raise ConfigError(
                f"simulate: stimulus_sets: {name}: it shows {paradigm.n_images(part)} images, but {found} were made."
            )
        missing = [row for row in images[name].rows if row not in known]
        if missing:
            raise DataError(f"The stimulus table lacks image '{missing[0]}' of set '{name}'.")


def _visual_cortex(
    subject: str, head: Head, masks: Mapping, images: Mapping[str, LabelledArray], settings: Mapping, seed: int
) -> tuple[VisualCortex, dict[str, pd.DataFrame]]:
    """Choose the responding voxels and compute their responses, a table stimuli × voxels for every set."""
    shape, affine = functional_grid(settings)
    label = np.full(shape, "", dtype="U4")
    # LOC, FFA and PPA lie inside HVC.
    for area in ("HVC", *[area for area in paradigm.AREAS if area != "HVC"]):
        for hemisphere in paradigm.HEMISPHERES:
            label[masks[hemisphere, area]] = area
    index = np.argwhere(label != "")
    area = label[tuple(index.T)]
    places = apply_affine(affine, index)
    rng = generator_for(seed, "tuning", subject)
    voxels = receptive_fields(area, head.template_points(places), rng)
    sets = list(settings["stimulus_sets"])
    spread = spread_weights(places, settings["response"]["spread"])
    values = spread_responses(responses({name: images[name].values for name in sets}, voxels, rng), spread)
    if subject in settings.get("null_subjects", ()):
        # Blocks still evoke a response that varies from trial to trial, but it tells nothing of the image.
        values = {name: np.zeros_like(array) for name, array in values.items()}
    response, scale = settings["response"], settings["signal_to_noise"]
    # Voxels differ in vascularisation, and in how much of their response depends on the image.
    vessels = np.exp(rng.normal(0, 0.25, len(index)))
    mean = scale * response["mean"] * vessels
    deviation = scale * response["deviation"] * vessels * np.exp(rng.normal(0, 0.35, len(index)))
    known = {name: pd.DataFrame(values[name], index=images[name].rows) for name in sets}
    field = np.column_stack([voxels.centre, voxels.width])
    return VisualCortex(index, area, mean, deviation, spread, field), known


def _write_anatomy(subject: str, head: Head, masks: Mapping, settings: Mapping, seed: int, bids_dir: Path) -> None:
    shape, affine = head_grid(settings)
    points = grid_points(shape, affine)
    rng = generator_for(seed, "t1w", subject)
    image = head.t1(points) * bias_field(points, rng, 0.1)
    image = np.hypot(image + IMAGE_NOISE * rng.standard_normal(shape), IMAGE_NOISE * rng.standard_normal(shape))
    stem = bids_dir / paradigm.t1w_stem(subject)
    _write_image(stem.with_name(f"{stem.name}.nii.gz"), (1000 * image).astype(np.int16), affine)
    if paradigm.dialect(settings) == "ds001506":
        write_json(stem.with_name(f"{stem.name}.json"), T1W_SIDECAR)
    _, affine = functional_grid(settings)
    for (hemisphere, area), mask in masks.items():
        _write_image(bids_dir / paradigm.mask_path(subject, hemisphere, area), mask.astype(np.uint8), affine)


def _write_inplane(
    subject: str, session: str, head: Head, placement: np.ndarray, settings: Mapping, seed: int, bids_dir: Path
) -> None:
    """Write the anatomical image of the slab: half the functional voxel size in plane, same slices."""
    zoom = settings["voxel_size"]
    shape, affine = slab_grid(settings, (zoom / 2, zoom / 2, zoom))
    points = grid_points(shape, affine)
    rng = generator_for(seed, "inplane", subject, session)
    image = head.contrast("t2", apply_affine(np.linalg.inv(placement), points))
    # Thick slices blur along the third axis.
    image = gaussian_filter(image, (0.4, 0.4, 0.3)) * bias_field(points, rng)
    image = np.hypot(image + IMAGE_NOISE * rng.standard_normal(shape), IMAGE_NOISE * rng.standard_normal(shape))
    stem = bids_dir / paradigm.inplane_stem(subject, session)
    _write_image(stem.with_name(f"{stem.name}.nii.gz"), (1000 * image).astype(np.int16), affine)
    if paradigm.dialect(settings) == "ds001506":
        write_json(stem.with_name(f"{stem.name}.json"), INPLANE_SIDECAR)


def _write_run(
    bids_dir: Path, subject: str, run: Mapping, volumes: np.ndarray, affine: np.ndarray, events: pd.DataFrame,
    settings: Mapping,
) -> None:  # fmt: skip
    stem = bids_dir / paradigm.run_stem(subject, run["session"], run["run"], run["task"])
    _write_image(stem.with_name(f"{stem.name}_bold.nii.gz"), volumes, affine, settings["repetition_time"])
    if paradigm.dialect(settings) == "ds001506":
        write_json(stem.with_name(f"{stem.name}_bold.json"), bold_sidecar(run["task"], volumes.shape[2], settings))
    with replacing(stem.with_name(f"{stem.name}_events.tsv")) as partial:
        in_dialect(events, run["task"], settings).to_csv(partial, sep="\t", index=False, na_rep="n/a")


def _write_image(path: Path, values: np.ndarray, affine: np.ndarray, repetition_time: float | None = None) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec" if repetition_time else "unknown")
    if repetition_time:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    # No time stamp, so that equal seeds give equal files.
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
