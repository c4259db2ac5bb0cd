"""Files of the simulated dataset that describe it and its images: dataset description, README and JSON sidecars.

OpenNeuro ds001506 has a sidecar beside every image, ds001246 one per kind of image at the top of the dataset (BIDS
inheritance). Settings used: ``dialect``, ``stimulus_sets``; in ds001246 also those of the scanner and its slab.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.anatomy import functional_grid
from fmri2image.acquire.phantom.events import FILE_COLUMNS
from fmri2image.acquire.phantom.scanner import slice_times
from fmri2image.core.files import replacing

SCANNER = {"Manufacturer": "Simulated", "ManufacturersModelName": "fmri2image phantom", "MagneticFieldStrength": 3}
# Sequences and their times (s) as the README of ds001506 gives them.
T1W_SIDECAR = SCANNER | {
    "PulseSequenceType": "MPRAGE", "MRAcquisitionType": "3D", "EchoTime": 0.00306, "FlipAngle": 9,
}  # fmt: skip
INPLANE_SIDECAR = SCANNER | {
    "PulseSequenceType": "T2-weighted Turbo Spin Echo", "MRAcquisitionType": "2D", "EchoTime": 0.059, "FlipAngle": 160,
}  # fmt: skip
EPI_SIDECAR = SCANNER | {
    "PulseSequenceType": "Gradient Echo EPI", "MRAcquisitionType": "2D", "EchoTime": 0.043, "FlipAngle": 80,
}  # fmt: skip
TASKS = {
    "perception": {
        "TaskDescription": "Images are shown in blocks; some are repeated at once",
        "Instructions": "Press the button when an image is repeated",
    },
    "imagery": {
        "TaskDescription": "A cued image is imagined and its vividness scored",
        "Instructions": "Imagine the cued image as vividly as you can, then score its vividness",
    },
}  # fmt: skip

README = """\
# Simulated subjects (phantom)

Everything in this folder is simulated by fmri2image; no person was scanned. It has the layout of OpenNeuro {dialect}
(Kamitani Lab): block design, one session per folder, area masks in sourcedata/. In perception runs some blocks are
repeated at once (one-back task){imagery}. Heads are distortions of the MNI152 template, responses come from filters on
the images, and noise, drift and head motion are added. It serves to test methods and says nothing about brains.
"""
IMAGERY_SENTENCE = "; in imagery runs a cued image is imagined and its vividness scored from 1 to 5"

_LEVELS = {
    ("ds001506", "perception"): {
        "1": "stimulus block", "2": "one-back repetition of the block before", "-1": "initial rest",
        "-2": "final rest", "-3": "rest between blocks",
    },
    ("ds001506", "imagery"): {
        "1": "cue", "2": "imagery", "3": "evaluation of vividness", "4": "rest between trials", "-1": "initial rest",
        "-2": "final rest",
    },
    ("ds001246", "perception"): {"stimulus": "stimulus block; the second of two equal ones is a one-back repetition",
                                 "rest": "rest"},
    ("ds001246", "imagery"): {
        "rest": "initial or final rest", "cue": "cue", "imagery": "imagery", "evaluation": "evaluation of vividness",
        "inter_rest": "rest between trials",
    },
}  # fmt: skip
_COLUMNS = {
    "trial_no": {"Description": "Number of the block or trial in the run, rests counted"},
    "stimulus_id": {"Description": "Name of the image"},
    "stimulus_name": {"Description": "Name of the image that was shown or imagined"},
    "category_id": {"Description": "Number of the image among those that are imagined"},
    "category_name": {"Description": "Category of the image"},
    "category_index": {"Description": "Number of the image's category; in imagery, of the image among those imagined"},
    "image_index": {"Description": "Number of the image in its stimulus set"},
    "response_time": {"Description": "Button press, from the start of the run", "Units": "s"},
    "evaluation": {"Description": "Vividness of the imagery, from 1 (cannot recognise) to 5 (very vivid)"},
}


def write_dataset_files(bids_dir: str | Path, subjects: Sequence[str], settings: Mapping) -> None:
    """Write the files of the dataset that belong to no subject (`paradigm.dataset_files`).

    Parameters
    ----------
    bids_dir : path
    subjects : list of str
        Labels without ``sub-``.
    settings : mapping
        Configuration key ``simulate``.
    """
    bids_dir, dialect, tasks = Path(bids_dir), paradigm.dialect(settings), paradigm.tasks(settings)
    description = {
        "Name": "Simulated subjects (phantom) of fmri2image: no person was scanned", "BIDSVersion": "1.10.0",
        "DatasetType": "raw", "License": "CC0", "Authors": ["fmri2image simulator"],
        "GeneratedBy": [{"Name": "fmri2image simulator"}],
    }  # fmt: skip
    write_json(bids_dir / "dataset_description.json", description)
    imagery = IMAGERY_SENTENCE if paradigm.IMAGERY in tasks else ""
    _write_text(bids_dir / "README", README.format(dialect=dialect, imagery=imagery))
    _write_text(bids_dir / "CHANGES", "1.0.0 2019-01-14\n  - Simulated.\n")
    participants = "".join(f"sub-{subject}\tsimulated\n" for subject in subjects)
    _write_text(bids_dir / "participants.tsv", f"participant_id\tkind\n{participants}")
    write_json(bids_dir / "participants.json", {"kind": {"Description": "Always 'simulated': nobody was scanned"}})
    for task in tasks:
        columns = {"event_type": {"Description": "Kind of event", "Levels": _LEVELS[dialect, task]}}
        columns |= {name: about for name, about in _COLUMNS.items() if name in FILE_COLUMNS[dialect, task]}
        write_json(bids_dir / f"task-{task}_events.json", columns)
    if dialect == "ds001246":
        n_slices = functional_grid(settings)[0][2]
        for task in tasks:
            write_json(bids_dir / f"task-{task}_bold.json", bold_sidecar(task, n_slices, settings))
        write_json(bids_dir / "T1w.json", T1W_SIDECAR)
        write_json(bids_dir / "inplaneT2.json", INPLANE_SIDECAR)


def bold_sidecar(task: str, n_slices: int, settings: Mapping) -> dict:
    """Return the content of the JSON sidecar of a run."""
    times = [round(float(time), 6) for time in slice_times(n_slices, settings)]
    timing = settings.get("slice_timing")
    multiband = {"MultibandAccelerationFactor": timing["multiband"]} if timing else {}
    about = {"TaskName": task, **TASKS[task], "RepetitionTime": settings["repetition_time"]}
    return EPI_SIDECAR | about | multiband | {"SliceTiming": times}


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON file."""
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
