"""Boundary-based registration against a sphere whose surface is known, and against the simulated head."""

import numpy as np
import pytest
from anatomy_scans import distance, scans

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.preprocess.boundary import (
    BoundarySettings,
    Surface,
    boundary_contrast,
    boundary_cost,
    register_boundary,
    white_surface,
)

OBLIQUE = rigid_matrix(np.array([5.0, -3, 2, 0.2, -0.1, 0.3]), np.zeros(3)) @ np.diag([-2.0, 1.5, 2.5, 1])


@pytest.fixture(scope="module")
def ball():
    """White ball of 24 mm in grey of 34 mm in fluid, on an oblique anisotropic grid; image, affine, brain, centre."""
    shape = (48, 60, 40)
    world = np.indices(shape).reshape(3, -1)
    world = OBLIQUE[:3, :3] @ world + OBLIQUE[:3, 3:]
    centre = OBLIQUE[:3, :3] @ (np.array(shape) / 2) + OBLIQUE[:3, 3]
    radius = np.linalg.norm(world.T - centre, axis=1).reshape(shape)
    image = 100 + 150 / (1 + np.exp((radius - 34) / 0.8)) + 250 / (1 + np.exp((radius - 24) / 0.8))
    return image + np.random.default_rng(0).normal(0, 5, shape), OBLIQUE, radius < 40, centre


def test_the_surface_lies_where_it_should_and_its_normals_lead_outwards(ball):
    image, affine, brain, centre = ball
    surface = white_surface(image, affine, brain)
    outwards = surface.points - centre
    radius = np.linalg.norm(outwards, axis=1)
    assert len(surface.points) > 1000
    assert abs(np.median(radius) - 24) < 0.6
    cosine = (outwards / radius[:, None] * surface.normals).sum(1)
    assert np.percentile(cosine, 5) > 0.95


def test_contrast_and_cost_are_those_of_the_paper():
    affine = np.diag([2.0, 2, 2, 1])
    image = np.full((12, 12, 12), 80.0)
    image[6:] = 100.0
    surface = Surface(np.array([[11.0, 10, 10], [11.0, 12, 8], [500.0, 0, 0]]), np.tile([1.0, 0, 0], (3, 1)))
    contrast = boundary_contrast(np.eye(4), surface, image, affine, (2.0, 2.0))
    np.testing.assert_allclose(contrast, 100 * 20 / 90)  # difference over the mean of both; the third point is outside
    cost = boundary_cost(np.array([4.0, -4.0, 0.0]), BoundarySettings(slope=0.5))
    np.testing.assert_allclose(cost, 1.0)
    np.testing.assert_allclose(boundary_cost(np.array([4.0]), BoundarySettings(slope=0.5)), 1 - np.tanh(2.0))
    white = BoundarySettings(contrast="white_brighter")
    np.testing.assert_allclose(boundary_cost(np.array([4.0]), white), 1 + np.tanh(2.0))


@pytest.fixture(scope="module")
def surface():
    """White matter's surface of the simulated head."""
    found = scans()
    return white_surface(*found["t1w"], found["t1w_brain"])


def test_a_known_motion_is_recovered_across_contrasts(surface):
    found = scans()
    start = rigid_matrix(np.array([1.0, -1.2, 0.8, 0.02, -0.015, 0.01]), np.zeros(3)) @ found["epi_pose"]
    result = register_boundary(surface, *found["epi"], start, BoundarySettings())
    assert distance(start, found["epi_pose"]) > 1.5
    assert distance(result, found["epi_pose"]) < 0.6


def test_a_start_far_away_is_refused(surface):
    found = scans()
    far = np.eye(4)
    far[0, 3] = 400
    with pytest.raises(DataError, match="field of view"):
        register_boundary(surface, *found["epi"], far, BoundarySettings())


def test_an_image_without_tissue_is_refused():
    with pytest.raises(DataError, match="another cost than boundary"):
        white_surface(np.ones((20, 20, 20)), np.eye(4), np.ones((20, 20, 20), dtype=bool))
