"""Tasks for tests/unit/decode/test_workers.py; processes import them from here."""

import os
import time

from threadpoolctl import threadpool_info

from fmri2image.core.errors import DataError


def look(shared, item):
    array = shared["array"]
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    return item, float(array[item, item]), array.flags.writeable, os.getpid(), threads


def slow_first(shared, item):
    time.sleep(0.2 if item == 0 else 0)
    return item


def fail(shared, item):
    raise DataError(f"item {item} of {shared['array'].shape}")


def die(shared, item):
    os.kill(os.getpid(), 9)
