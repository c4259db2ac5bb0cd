"""A new method is one module, one entry in the schema and one row in a config; no rule is edited (docs/changes.md)."""

import numpy as np
import pytest
import yaml

from fmri2image.core.arrays import read_array

MODULE = '''"""The mean of the training images, whatever was seen: a method that knows nothing."""

from dataclasses import dataclass

import numpy as np

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.images import resize
from fmri2image.reconstruct.interface import Reconstructions


@dataclass(frozen=True)
class Settings:
    """`size`: pixels along a side."""

    size: int


def fit(train, stimuli, settings, device):
    """Average the images of the training trials."""
    shown = row_index(stimuli.rows, [str(name) for name in train.trials["stimulus"]], "The trial table")
    return {"mean": resize(stimuli.values, Settings(**settings).size)[shown].mean(0)}


def reconstruct(test, state, settings, device):
    """Show the mean for every row."""
    images = np.repeat(np.asarray(state["mean"])[None], len(test.rows), axis=0)
    return Reconstructions(LabelledArray(images, test.rows))
'''
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["method", "size"],
    "properties": {
        "method": {"const": "toy", "description": "The mean training image."},
        "size": {"type": "integer", "minimum": 1, "description": "Pixels along a side."},
    },
}


@pytest.fixture
def extended(tiny_copy):
    """The finished run with the three changes that a new method needs."""
    (tiny_copy / "workflow/fmri2image/reconstruct/toy.py").write_text(MODULE, encoding="utf-8")
    path = tiny_copy / "workflow/schemas/config.schema.yaml"
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema["$defs"]["methods"]["toy"] = SCHEMA
    path.write_text(yaml.safe_dump(schema, sort_keys=False), encoding="utf-8")
    path = tiny_copy / "config/tiny.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["reconstruct"]["methods"]["mean-image"] = {"method": "toy", "size": 8}
    config["analyses"].append({"method": "mean-image", "rois": ["VC"], "tests": ["test"]})
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return tiny_copy


def test_only_jobs_of_the_new_method_and_of_the_report_run(extended):
    assert extended.jobs() == {
        "fit_method": 1,
        "reconstruct_images": 1,
        "score_images": 1,
        "gather_tables": 1,
        "plot_sheet": 1,
        "plot_identification": 1,
        "plot_decoding_accuracy": 1,
        "plot_methods": 1,
        "write_subject_page": 1,
        "write_summary": 1,
    }


def test_it_reconstructs_and_is_scored(extended):
    scores = "results/tiny/evaluate/images/mean-image/sub-01_roi-VC_test_scores.tsv"
    extended.make(scores)
    images = read_array(extended / "results/tiny/reconstruct/mean-image/sub-01_roi-VC_test.h5", "images")
    assert images.values.shape == (6, 3, 8, 8)
    assert np.ptp(images.values, axis=0).max() == 0
    assert (extended / scores).is_file()


def test_editing_it_reruns_it_alone(extended):
    target = "results/tiny/reconstruct/mean-image/sub-01_roi-VC_test.h5"
    extended.make(target)
    extended.append("workflow/fmri2image/reconstruct/toy.py", "\nEDITED = True\n")
    assert extended.jobs(target, "results/tiny/reconstruct/icnn/sub-01_roi-VC_test.h5") == {
        "fit_method": 1,
        "reconstruct_images": 1,
    }
