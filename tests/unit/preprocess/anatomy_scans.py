"""Scans of a simulated head without motion or physiology: EPI slab, in-plane T2 and T1w, each in a known pose."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from fmri2image.acquire.phantom.anatomy import (
    Template,
    apply_affine,
    bias_field,
    functional_grid,
    grid_points,
    head_grid,
    make_head,
    slab_grid,
)
from fmri2image.core.geometry import grid_centre, rigid_matrix

# Strength of the inhomogeneity, as in the simulated data set: without its correction EPI and T2 match 0.5 to 1.1 mm off.
BIAS = 0.25
SETTINGS = {"voxel_size": 4.0, "slab": [148, 96, 72], "slab_tilt": 15.0, "t1w_voxel_size": 2.5, "warp": 2.0}


@cache
def scans() -> dict:
    """Return pairs (image, affine) `epi`, `t2`, `t1w`, masks `epi_brain`, `t1w_brain` and the poses (4, 4) of the slabs."""
    rng = np.random.default_rng(3)
    head = make_head("01", SETTINGS, 7, Template.load())
    shape, affine = functional_grid(SETTINGS)
    centre = grid_centre(shape, affine)
    epi_pose = rigid_matrix(np.array([2, -3, 2.5, 0.04, -0.02, 0.03]), centre)
    t2_pose = rigid_matrix(np.array([0.5, 0.6, -0.7, 0.008, 0.01, -0.006]), np.zeros(3)) @ epi_pose

    def seen(contrast: str, shape: tuple, affine: np.ndarray, pose: np.ndarray, blur: tuple, zoom: int) -> np.ndarray:
        """Sample on a grid that is finer by `zoom`, blur by `blur` voxels of it, and keep every zoom-th voxel."""
        fine = affine @ np.diag([1 / zoom, 1 / zoom, 1 / zoom, 1])
        points = grid_points(tuple(n * zoom for n in shape), fine)
        image = head.contrast(contrast, apply_affine(np.linalg.inv(pose), points))
        kept = gaussian_filter(image, blur)[::zoom, ::zoom, ::zoom]
        return kept * bias_field(grid_points(shape, affine), rng, BIAS) + 0.02 * rng.standard_normal(shape)

    t2_shape, t2_affine = slab_grid(SETTINGS, (2.0, 2.0, 4.0))
    t1_shape, t1_affine = head_grid(SETTINGS)
    points = grid_points(t1_shape, t1_affine)
    outside = head.template.sample("outside", head.template_points(points))
    inside = apply_affine(np.linalg.inv(epi_pose), grid_points(shape, affine))
    return {
        "epi": (1000 * np.maximum(seen("epi", shape, affine, epi_pose, (0.8,) * 3, 2), 0), affine),
        "t2": (1000 * np.maximum(seen("t2", t2_shape, t2_affine, t2_pose, (0.8, 0.8, 0.8), 2), 0), t2_affine),
        "t1w": (1000 * np.maximum(head.t1(points) + 0.02 * rng.standard_normal(t1_shape), 0), t1_affine),
        "t1w_brain": outside < 0,
        "epi_brain": head.template.sample("outside", head.template_points(inside)) < 0,
        "epi_pose": epi_pose,
        "t2_pose": t2_pose,
    }


def distance(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean distance in mm between two matrices from T1w world over the brain inside the EPI slab."""
    found = scans()
    points = apply_affine(found["epi"][1], np.argwhere(found["epi_brain"]))
    points = apply_affine(np.linalg.inv(found["epi_pose"]), points)
    return float(np.linalg.norm(apply_affine(estimate, points) - apply_affine(truth, points), axis=1).mean())
