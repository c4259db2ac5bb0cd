"""Decode a small study in processes that are killed at given moments; the numbers of finished chunks go to standard output.

``python killed_decoding.py FOLDER MOMENT…`` forks one process per moment, each of which goes on where the last one was killed.
The output is ``decoded.h5`` in the folder; before them, a process of its own writes ``peace.h5`` without interruption.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from decoding_study import TESTS, make_samples
from plain_decoder import PlainDecoder

from fmri2image.core.errors import WriteError
from fmri2image.decode import layer_file, layers, memory, training_sets, unfinished

SETTINGS = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 3, "norm_reference": "natural", "keep": True}


def decode(folder: Path, name: str = "decoded") -> None:
    """Decode in chunks of one row of three units."""
    paths = {name: folder / f"{name}.h5" for name in ("train", "shapes", "natural")}
    decoding = layers.LayerDecoding(make_samples(), TESTS, SETTINGS, torch.device("cpu"))
    decoding.decode(paths, folder / f"{name}.h5", {})


def die(*_: object, **__: object) -> None:
    """End at once, without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, function, before=die):
    """Return a function that is called as before, but dies at one of its calls."""
    calls = iter(range(1, 10**9))

    def counted(*args, **kwargs):
        if next(calls) == number:
            before(*args, **kwargs)
        return function(*args, **kwargs)

    return counted


def half_written(file, **arrays) -> None:
    """Write the first half of a chunk's file and die."""
    whole = Path(f"{file.name}.whole")
    with whole.open("wb") as copy:
        np_savez(copy, **arrays)
    content = whole.read_bytes()
    file.write(content[: len(content) // 2])
    file.flush()
    die()


np_savez = np.savez


def arrange(moment: str) -> None:
    """Make this process die, or the disk fill up, at a moment."""
    what, _, number = moment.partition(":")
    if what == "decoding":  # in the middle of a chunk
        layers.decode_chunk = at_call(int(number), layers.decode_chunk)
    elif what == "writing":  # half of a chunk's file is there
        np.savez = at_call(int(number), np.savez, half_written)
    elif what == "renaming":  # the file is complete and has no name yet
        unfinished.os.fsync = at_call(int(number), os.fsync)
    elif what == "assembling":  # while the output is written
        layer_file.h5py.File.create_dataset = at_call(int(number), h5py.File.create_dataset)
    elif what == "removing":  # the output is there, the chunks go
        unfinished.shutil.rmtree = die
    elif what == "full":  # no file may be larger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), int(number)))


def main(folder: Path, moments: list[str]) -> None:
    """Run one process per moment and tell how each ended and what it left."""
    training_sets.fit_decoder = PlainDecoder
    memory.MOST_UNITS["cpu"], memory.LEAST_UNITS = 3, 1
    torch.set_num_threads(1)
    for moment in ["peace", *moments]:
        child = os.fork()
        if not child:
            arrange(moment)
            try:
                decode(folder, "peace" if moment == "peace" else "decoded")
            except WriteError as error:
                print(json.dumps({"sentence": str(error)}), flush=True)
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        done = len(list((folder / ".unfinished-decoded").glob("chunk-*.npz")))
        ended = {"moment": moment, "signal": os.WTERMSIG(status), "code": os.WEXITSTATUS(status)}
        print(json.dumps({**ended, "done": done, "output": (folder / "decoded.h5").exists()}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
