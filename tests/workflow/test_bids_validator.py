"""The raw data of a simulated subject are BIDS: the official validator finds no error in either dialect.

Warnings are left: it recommends metadata that a simulated scanner does not have (its serial number, its institution).
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.bids import simulate_subject
from fmri2image.acquire.phantom.images import imagery_images, letter_images, natural_images
from fmri2image.acquire.phantom.sidecars import write_dataset_files

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit" / "acquire"))
from phantom_settings import tiny, with_imagery  # noqa: E402

VALIDATOR = "bids-validator-deno==3.0.2"
FUNC = "sub-01/ses-perceptionLetterImage01/func/sub-01_ses-perceptionLetterImage01_task-perception_run-01"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> Callable[[Path], set[str]]:
    """Return a function from a dataset to the codes of the errors that the validator finds in it."""
    folder = tmp_path_factory.mktemp("validator")
    venv.create(folder / "env", with_pip=True)
    subprocess.run([folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", VALIDATOR], check=True)

    def validate(dataset: Path) -> set[str]:
        command = [folder / "env" / "bin" / "bids-validator-deno", "--format", "json", str(dataset)]
        done = subprocess.run(command, capture_output=True, text=True)
        report = json.loads(done.stdout)
        assert report["summary"]["totalFiles"] > 20, done.stdout[:2000]
        found = {issue["code"] for issue in report["issues"]["issues"] if issue["severity"] == "error"}
        assert bool(found) == (done.returncode != 0)
        return found

    return validate


@pytest.fixture(scope="module", params=paradigm.DIALECTS)
def dataset(request, tmp_path_factory) -> Path:
    """One tiny subject, perception and imagery, in one dialect."""
    settings = with_imagery(tiny()) | {"dialect": request.param}
    settings["stimulus_sets"]["letters"] |= {"images": 10}
    train, letters = natural_images(6, 2, 1, "train", 16), letter_images(1, 16)
    images = {"train": train[0], "letters": letters[0]}
    images["imagery"] = imagery_images(images, settings["stimulus_sets"]["imagery"]["from"], "imagery")
    folder = tmp_path_factory.mktemp(request.param)
    write_dataset_files(folder / "bids", ["01"], settings)
    table = pd.concat([train[1], letters[1]], ignore_index=True)
    simulate_subject("01", images, table, settings, 1, folder / "bids", folder / "truth.h5")
    return folder / "bids"


def test_the_validator_finds_no_error(dataset, errors):
    assert errors(dataset) == set()


def without_onsets(dataset: Path) -> None:
    path = dataset / f"{FUNC}_events.tsv"
    pd.read_csv(path, sep="\t").drop(columns="onset").to_csv(path, sep="\t", index=False, na_rep="n/a")


def without_repetition_time(dataset: Path) -> None:
    for path in [*dataset.glob("task-perception_bold.json"), *dataset.glob(f"{FUNC}_bold.json")]:
        content = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "RepetitionTime"}))


def with_slices_after_the_volume(dataset: Path) -> None:
    for path in [*dataset.glob("task-perception_bold.json"), *dataset.glob(f"{FUNC}_bold.json")]:
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"SliceTiming": (np.array(content["SliceTiming"]) + 3).tolist()}))


@pytest.mark.parametrize("damage", [without_onsets, without_repetition_time, with_slices_after_the_volume])
def test_the_validator_sees_what_is_broken(dataset, errors, tmp_path, damage):
    shutil.copytree(dataset, tmp_path / "bids")
    damage(tmp_path / "bids")
    assert errors(tmp_path / "bids")
