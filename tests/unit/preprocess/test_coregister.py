"""Paths and costs of the coregistration against simulated poses, and the checks of the result."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from anatomy_scans import distance, scans

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.preprocess.coregister import CoregisterSettings, chain, coregister, epi_from_t1w, usable
from fmri2image.preprocess.coregister_check import CheckSettings, Step, check, correction, overlap


@pytest.fixture(scope="module")
def found():
    """EPI slab, in-plane T2 and T1w of a simulated head."""
    return scans()


@pytest.mark.parametrize(
    ("path", "cost", "limit"),
    [
        pytest.param("inplane", "normalised_mutual_information", 0.35, marks=pytest.mark.slow),
        pytest.param("inplane", "mutual_information", 0.6, marks=pytest.mark.slow),
        pytest.param("direct", "normalised_mutual_information", 0.35, marks=pytest.mark.slow),
        pytest.param("direct", "mutual_information", 0.6, marks=pytest.mark.slow),
        pytest.param("direct", "boundary", 0.6, marks=pytest.mark.slow),
        pytest.param("brain", "normalised_mutual_information", 1.0, marks=pytest.mark.slow),
    ],
)
def test_the_pose_is_found_across_contrasts(found, path, cost, limit):
    result = coregister(found["epi"], found["t1w"], found["t2"], CoregisterSettings(path=path, cost=cost))
    checks = result.checks
    assert distance(np.eye(4), found["epi_pose"]) > 4
    assert distance(result.matrix, found["epi_pose"]) < limit
    assert not checks["suspicious"], checks["reasons"]
    assert checks["similarity_after"] > max(checks["similarity_before"], checks["similarity_mirrored"])
    assert len(checks["steps"]) == {"inplane": 2}.get(path, 1) + (cost == "boundary")
    json.dumps(checks)


def test_the_pose_is_found_straight_without_the_correction_too(found):
    settings = CoregisterSettings(path="direct", bias_correction=False)
    result = coregister(found["epi"], found["t1w"], settings=settings)
    assert distance(result.matrix, found["epi_pose"]) < 0.35
    assert not result.checks["suspicious"], result.checks["reasons"]


@pytest.mark.slow
def test_without_the_correction_the_inhomogeneity_shifts_the_result(found):
    settings = CoregisterSettings(cost="mutual_information", bias_correction=False)
    result = coregister(found["epi"], found["t1w"], found["t2"], settings)
    assert distance(result.matrix, found["epi_pose"]) > 0.8


@pytest.mark.slow
def test_headers_that_disagree_by_centimetres(found):
    image, affine = found["t1w"]
    away = np.eye(4)
    away[:3, 3] = [12, -25, 30]
    matrix = epi_from_t1w(found["epi"], (image, away @ affine))
    assert distance(matrix @ away, found["epi_pose"]) < 0.35


def test_images_without_overlap_are_refused(found):
    image, affine = found["t1w"]
    far = affine.copy()
    far[:3, 3] += 1000
    for cost in ("mutual_information", "normalised_mutual_information"):
        with pytest.raises(DataError, match="hardly overlap"):
            epi_from_t1w(found["epi"], (image, far), settings=CoregisterSettings(cost=cost))


@pytest.mark.parametrize("values", [np.zeros((20, 20, 12)), np.full((20, 20, 12), 7.0), np.full((9, 9, 9), np.nan)])
@pytest.mark.parametrize(("key", "name"), [("epi", "EPI reference"), ("t2", "in-plane image"), ("t1w", "T1w image")])
def test_an_image_with_nothing_in_it_is_refused_by_name(found, key, name, values):
    given = {**found, key: (values, np.diag([3.0, 3, 3, 1]))}
    with pytest.raises(DataError, match=f"The {name} cannot be coregistered"):
        coregister(given["epi"], given["t1w"], given["t2"])


def test_nan_counts_as_nothing():
    image = np.arange(27.0).reshape(3, 3, 3)
    image[0, 0] = [np.nan, np.inf, -np.inf]
    values, affine = usable((image, np.eye(4)), "T1w image")
    assert values.dtype == np.float32
    assert values[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(values[1:], image[1:])


def test_the_path_without_an_inplane_image_says_what_to_do(found):
    with pytest.raises(DataError, match="use path: direct"):
        coregister(found["epi"], found["t1w"])
    with pytest.raises(ConfigError, match="path is 'around'"):
        CoregisterSettings(path="around")


def checked(found, matrix, **settings):
    """Check a matrix from T1w to EPI world with the true brain masks."""
    epi, t1w = (*found["epi"], found["epi_brain"]), (*found["t1w"], found["t1w_brain"])
    return check(matrix, epi, t1w, settings=CheckSettings(**settings))


def test_the_truth_passes_the_check(found):
    checks = checked(found, found["epi_pose"])
    assert checks["overlap_after"] > 0.97
    assert not checks["suspicious"]


def test_an_offset_is_refused(found):
    away = np.eye(4)
    away[:3, 3] = [25, 0, 40]
    with pytest.raises(DataError, match="Coregistration failed"):
        checked(found, away @ found["epi_pose"])


@pytest.mark.slow
def test_an_image_turned_upside_down_is_suspicious(found):
    image, affine = found["t1w"]
    turned = (image[:, ::-1, ::-1], affine)
    matrix = epi_from_t1w(found["epi"], turned)
    checks = check(matrix, (*found["epi"], found["epi_brain"]), (*turned, found["t1w_brain"][:, ::-1, ::-1]))
    assert checks["suspicious"]
    assert any("the head was moved" in reason for reason in checks["reasons"])


@pytest.mark.slow
def test_swapped_left_and_right_is_suspicious(found):
    image, affine = found["t1w"]
    flipped = (image[::-1], affine)
    matrix = epi_from_t1w(found["epi"], flipped)
    checks = check(matrix, (*found["epi"], found["epi_brain"]), (*flipped, found["t1w_brain"][::-1]))
    assert checks["suspicious"]
    assert any("left and right may be swapped" in reason for reason in checks["reasons"])


def test_a_step_that_got_worse_and_a_long_way_are_suspicious(found):
    epi, t1w = (*found["epi"], found["epi_brain"]), (*found["t1w"], found["t1w_brain"])
    step = Step("boldref", "T1w", "boundary", "boundary_cost", 0.1, 0.2, 1.0, 1.0)
    checks = check(found["epi_pose"], epi, t1w, [step], CheckSettings(largest_shift=2.0))
    assert checks["suspicious"]
    assert len(checks["reasons"]) == 2
    with pytest.raises(DataError, match="moves the head"):
        checked(found, found["epi_pose"], largest_shift=0.1)


def test_overlap_and_size_of_a_correction():
    mask = np.zeros((20, 20, 20), dtype=bool)
    mask[5:15, 5:15, 5:15] = True
    affine = np.diag([2.0, 2, 2, 1])
    moved = np.eye(4)
    moved[0, 3] = 10.0  # five voxels
    assert overlap(np.eye(4), mask, affine, mask, affine) == 1.0
    assert overlap(moved, mask, affine, mask, affine) == pytest.approx(0.5)
    matrix = rigid_matrix(np.array([3, 0, 4, 0, 0, np.radians(7)]), np.full(3, 19.0))
    size = correction(matrix, mask.shape, affine)
    assert size == pytest.approx({"shift_mm": 5.0, "rotation_degrees": 7.0})


THREADS = """
import sys; sys.path[:0] = sys.argv[1:3]
from anatomy_scans import scans
from fmri2image.preprocess.coregister import CoregisterSettings, coregister
found = scans()
for cost in ("normalised_mutual_information", "boundary", "mutual_information"):
    result = coregister(found["epi"], found["t1w"], None, CoregisterSettings(path="direct", cost=cost))
    print(result.matrix.tolist())
"""


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing():
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[3] / "workflow")]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    results = [
        subprocess.run(
            [sys.executable, "-c", THREADS, *folders],
            env=os.environ | dict.fromkeys(names, threads), check=True, capture_output=True, text=True,
        ).stdout
        for threads in ("1", "2")
    ]  # fmt: skip
    assert results[0].count("[[") == 3
    assert results[0] == results[1]


def test_chain_applies_from_left_to_right():
    a = rigid_matrix(np.array([1, 2, 3, 0.1, 0.2, 0.3]), np.zeros(3))
    b = rigid_matrix(np.array([0, -1, 3, -0.1, 0.4, 0.0]), np.ones(3))
    point = np.array([3.0, 1, 2, 1])
    np.testing.assert_allclose(chain(a, b) @ point, b @ (a @ point))
