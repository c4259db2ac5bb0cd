"""Processes that work on large arrays together: the arrays lie in memory once, however many processes read them.

LAPACK is called one matrix at a time, and the calls hold Python's lock, so threads do not share the work; processes do.
joblib's "loky" starts them: they do not run the caller's script again (a Snakemake script has no guard against that), they
know the caller's search path, and they end with it. The arrays lie in anonymous memory that the kernel frees with its last
process, so a killed run leaves nothing behind.
"""

import itertools
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import ThreadpoolController, threadpool_limits

from fmri2image.core.errors import Fmri2imageError

Task = Callable[[Mapping[str, np.ndarray], Any], Any]
_numbers = itertools.count()
_opened: dict["_Place", np.ndarray] = {}  # in a worker process: arrays of the last `Workers`


@dataclass(frozen=True)
class _Place:
    """Where a process finds one shared array; `number` tells apart files that got the same path one after the other."""

    number: int
    path: str
    dtype: str
    shape: tuple[int, ...]


class Workers:
    """A context with processes that share arrays.

    Parameters
    ----------
    n : int
        Processes; with 1, tasks run in this process.
    shared : mapping from name to array
        Every task gets these; read only.

    Attributes
    ----------
    shared : dict from name to array
        The same arrays where they now lie; a caller that keeps these in place of its own does not hold them twice.
    """

    def __init__(self, n: int, shared: Mapping[str, np.ndarray]) -> None:
        self.n = max(1, int(n))
        self._files: list[Any] = []
        self._places: dict[str, _Place] = {}
        self.shared = dict(shared) if self.n == 1 else {name: self._share(name, a) for name, a in shared.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the shared arrays up; the processes stay for the next `Workers` and end with this process, or when idle."""
        self.shared, self._places = {}, {}
        while self._files:
            self._files.pop().close()

    def map(self, function: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Yield ``function(shared, item)`` for every item, in order.

        Parameters
        ----------
        function : callable
            Defined at the top of a module that can be imported.
        items : iterable
            Taken as results are; a task should last 10 ms or more.

        Raises
        ------
        Fmri2imageError
            If a process was killed. Errors of `function` arrive as they were raised.
        """
        if self.n == 1:
            yield from self._map_here(function, items)
            return
        with parallel_config("loky", inner_max_num_threads=1):
            parallel = Parallel(self.n, return_as="generator", batch_size=1, max_nbytes=None)
            results = parallel(delayed(_run)(function, self._places, item) for item in items)
        try:
            yield from results
        except TerminatedWorkerError as error:
            raise Fmri2imageError(
                f"One of {self.n} worker processes was killed, most likely because memory was short; use fewer workers."
            ) from error

    def _map_here(self, function: Task, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            with _controller().limit(limits=1):
                result = function(self.shared, item)
            yield result

    def _share(self, name: str, array: np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        file = _anonymous(name)
        self._files.append(file)
        file.truncate(max(array.nbytes, 1))
        path = f"/proc/{os.getpid()}/fd/{file.fileno()}" if Path("/proc/self/fd").is_dir() else file.name
        self._places[name] = _Place(next(_numbers), path, array.dtype.str, array.shape)
        mapped = np.ndarray(array.shape, array.dtype, buffer=mmap.mmap(file.fileno(), max(array.nbytes, 1)))
        mapped[...] = array
        return mapped


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep this process to one thread while workers have the cores: threads that wait for one another waste them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _controller().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _anonymous(name: str) -> Any:
    """Open memory without a name where Linux is, else a temporary file that goes when it is closed."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create(f"fmri2image-{name}"), "w+b")
    return tempfile.NamedTemporaryFile(prefix="fmri2image-")


def _open(place: _Place) -> np.ndarray:
    with Path(place.path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        array = np.ndarray(place.shape, place.dtype, buffer=mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    # Every page once, or pages that are met later would look like memory that a task has lost.
    array.reshape(-1).view(np.uint8)[:: mmap.PAGESIZE].max(initial=0)
    return array


def _run(function: Task, places: Mapping[str, _Place], item: Any) -> Any:
    _begin()
    wanted = set(places.values())
    for place in [place for place in _opened if place not in wanted]:
        del _opened[place]  # another decoder's: memory that nobody maps is free
    for place in wanted - _opened.keys():
        _opened[place] = _open(place)
    return function({name: _opened[place] for name, place in places.items()}, item)


@lru_cache(maxsize=1)
def _begin() -> threadpool_limits:
    """Prepare a worker process, once: looking for BLAS libraries, which the function's module loaded, takes a millisecond."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # Loky ends a process that has grown by 300 MB, which shared arrays do in its eyes; starting anew costs a second each time.
    process_executor._MAX_MEMORY_LEAK_SIZE = 1 << 62
    return threadpool_limits(1)


def _end_with(parent: int) -> None:
    # A killed parent cannot tell its workers; they would hold its arrays until they are idle for five minutes.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
