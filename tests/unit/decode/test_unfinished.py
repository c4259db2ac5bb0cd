"""Layers that were interrupted: what is kept, what is thrown away, and that the result does not show it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from decoding_study import TESTS, make_features, make_samples, write_features
from plain_decoder import PlainDecoder

from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples
from fmri2image.decode import layers, memory, training_sets
from fmri2image.decode.unfinished import Unfinished

TESTS_FOLDER = Path(__file__).parents[2]
SETTINGS = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 3, "norm_reference": "natural"}


def run(folder, *moments):
    """Decode in processes that are killed at these moments, and return what each left."""
    path = os.pathsep.join([str(TESTS_FOLDER), str(TESTS_FOLDER.parent / "workflow")])
    done = subprocess.run(
        [sys.executable, TESTS_FOLDER / "killed_decoding.py", folder, *moments],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def arrays(path):
    with h5py.File(path) as file:
        return {name: file[name][()].tobytes() for name in file if file[name].dtype != object} | {
            name: list(file[name][()]) for name in file if file[name].dtype == object
        }


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Two runs over the same features, one of them killed at many moments, and what they told."""
    folder = tmp_path_factory.mktemp("killed")
    write_features(folder, make_features())
    moments = ["decoding:1", "renaming:1", "writing:1", "decoding:3", "writing:2", "renaming:2", "full:3000"]
    moments += ["decoding:4", "assembling:1", "assembling:15", "removing", "none"]
    return folder, run(folder, *moments)


def test_a_killed_run_goes_on_where_it_was(killed):
    _, told = killed
    ended = [one for one in told if "moment" in one]
    by_moment = [(one["moment"], one["signal"], one["done"]) for one in ended]
    assert by_moment == [
        ("peace", 0, 0),
        ("decoding:1", 9, 0),
        ("renaming:1", 9, 0),
        ("writing:1", 9, 0),
        ("decoding:3", 9, 2),
        ("writing:2", 9, 3),
        ("renaming:2", 9, 4),
        ("full:3000", 0, 4),
        ("decoding:4", 9, 7),
        ("assembling:1", 9, 10),
        ("assembling:15", 9, 10),
        ("removing", 9, 10),
        ("none", 0, 0),
    ]
    assert [one["output"] for one in ended] == [False] * 11 + [True] * 2


def test_the_file_is_that_of_a_run_in_peace(killed):
    folder, *_ = killed
    for name in ("{}.h5", "{}_decoders.h5"):
        found, expected = arrays(folder / name.format("decoded")), arrays(folder / name.format("peace"))
        assert found.keys() == expected.keys()
        assert [key for key in found if found[key] != expected[key]] == []


def test_nothing_is_left(killed):
    folder, *_ = killed
    decoded = {f"{name}{kind}.h5" for name in ("decoded", "peace") for kind in ("", "_decoders")}
    assert {path.name for path in folder.iterdir()} == decoded | {"natural.h5", "shapes.h5", "train.h5"}


def test_a_full_disk_is_one_sentence(killed):
    *_, told = killed
    (sentence,) = [one["sentence"] for one in told if "sentence" in one]
    assert "could not be written because it is larger than a file may be here" in sentence
    assert "which goes on from there" in sentence


class Stopped(Exception):
    """Ends a run from inside."""


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A run that was stopped after four of ten chunks, and a function that runs it again and counts decoded chunks."""
    monkeypatch.setattr(training_sets, "fit_decoder", PlainDecoder)
    monkeypatch.setitem(memory.MOST_UNITS, "cpu", 3)
    monkeypatch.setattr(memory, "LEAST_UNITS", 1)
    paths = write_features(tmp_path / "features", make_features())
    output, calls = tmp_path / "decoded.h5", []
    original = layers.decode_chunk

    def count(source, chunk, *args):
        if len(calls) == count.most:
            raise Stopped
        calls.append(chunk)
        return original(source, chunk, *args)

    count.most = 4
    monkeypatch.setattr(layers, "decode_chunk", count)

    def again(samples=None, settings=SETTINGS, tests=TESTS, most=None, **more):
        calls.clear()
        count.most = most
        attributes = more.pop("attributes", {})
        decoding = layers.LayerDecoding(samples or make_samples(), tests, settings, torch.device("cpu"), **more)
        decoding.decode(paths, output, attributes)
        return len(calls)

    with pytest.raises(Stopped):
        again(most=4)
    return again, tmp_path / ".unfinished-decoded", paths


def test_only_missing_chunks_are_decoded(stopped):
    again, folder, _ = stopped
    assert len(list(folder.glob("chunk-*.npz"))) == 4
    assert again() == 6
    assert not folder.exists()


def test_a_job_with_several_layers_keeps_chunks_until_its_end(stopped, tmp_path):
    again, folder, paths = stopped
    layers.decode_chunk.most = None
    decoding = layers.LayerDecoding(make_samples(), TESTS, SETTINGS, torch.device("cpu"))
    for layer in ("decoded", "other"):
        decoding.decode(paths, tmp_path / f"{layer}.h5", {}, tidy=False)
    first = arrays(tmp_path / "decoded.h5")
    (tmp_path / "decoded.h5").unlink()  # Snakemake deletes the outputs of a job that failed
    assert folder.exists()
    assert again() == 0
    assert arrays(tmp_path / "decoded.h5") == first
    decoding.decode(paths, tmp_path / "decoded.h5", {}, tidy=False)
    decoding.tidy()
    assert not list(tmp_path.glob(".unfinished*"))


def change_settings(again, paths):
    return again(settings={**SETTINGS, "alpha": 3.0})


def change_code(again, paths):
    return again(code={"fmri2image.decode.ridge": "0123"})


def change_tests(again, paths):
    return again(tests={"shapes": TESTS["shapes"]})


def change_attributes(again, paths):
    return again(attributes={"roi": "V1"})


def change_one_response(again, paths):
    samples = make_samples()
    samples.data[12, 3] += 1
    return again(samples=samples)


def rename_one_trial(again, paths):
    samples = make_samples()
    trials = samples.trials.copy()
    trials.loc[[10, 11], "stimulus"] = ["b", "a"]
    return again(samples=Samples(samples.data, trials, samples.voxels))


def rewrite_features(again, paths):
    write_features(paths["train"].parent, make_features())
    return again()


def allow_less_memory(again, paths):
    memory.MOST_UNITS["cpu"] = 2
    return again()


@pytest.mark.parametrize(
    ("change", "chunks"),
    [
        (change_settings, 10),
        (change_code, 10),
        (change_tests, 10),
        (change_attributes, 10),
        (change_one_response, 10),
        (rename_one_trial, 10),
        (rewrite_features, 10),
        (allow_less_memory, 20),
    ],
)
def test_chunks_of_another_run_are_not_continued(stopped, change, chunks):
    again, folder, paths = stopped
    assert change(again, paths) == chunks
    assert not folder.exists()


def test_more_memory_goes_on_with_the_chunks_that_are_there(stopped):
    again, *_ = stopped
    memory.MOST_UNITS["cpu"] = 4096
    assert again() == 6


@pytest.mark.parametrize("damage", ["changed", "short", "empty", "lost"])
def test_a_damaged_chunk_is_decoded_again(stopped, damage):
    again, folder, _ = stopped
    chunk = sorted(folder.glob("chunk-*.npz"))[1]
    content = bytearray(chunk.read_bytes())
    if damage == "changed":
        content[len(content) // 2] ^= 255
    chunk.write_bytes(content if damage == "changed" else content[: len(content) // 2 if damage == "short" else 0])
    if damage == "lost":
        chunk.unlink()
    assert again() == 7


@pytest.mark.parametrize("content", ["", "{", "{}", '{"most_units": "many", "fingerprint": {}}'])
def test_a_damaged_plan_starts_anew(stopped, content):
    again, folder, _ = stopped
    (folder / "plan.json").write_text(content)
    assert again() == 10


def test_two_processes_do_not_share_a_layer(tmp_path):
    script = (
        "import sys; from fmri2image.decode.unfinished import Unfinished\n"
        "with Unfinished(sys.argv[1], {}, 5): print('held', flush=True); input()"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS_FOLDER.parent / "workflow")}
    command = [sys.executable, "-c", script, str(tmp_path / "a.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(DataError, match="is being decoded by another process"),
            Unfinished(tmp_path / "a.h5", {}, 5),
        ):
            pass
        other.kill()
        other.wait()
        with Unfinished(tmp_path / "a.h5", {}, 5) as mine:  # the lock went with the process
            mine.save("x", {"values": np.arange(3)})
    with Unfinished(tmp_path / "a.h5", {}, 5) as mine, mine.load("x") as found:
        assert mine.done("x")
        np.testing.assert_array_equal(found["values"], np.arange(3))
