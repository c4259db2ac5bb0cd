"""The grid of subjects without masks of areas: what it covers, and that coregistration stays on it."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from anatomy_scans import scans
from head import slab_affine

from fmri2image.acquire.phantom.anatomy import apply_affine
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import rigid_matrix
from fmri2image.preprocess.grid import GRID_NAME, check_inside, epi_grid
from fmri2image.preprocess.images import open_image, read_image, write_image

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
HEAD = ((200, 240, 220), np.array([[-1.0, 0, 0, 100], [0, 0, 1, -110], [0, 1, 0, -120], [0, 0, 0, 1]]))


def corners(shape, affine):
    """Return the outer corners (8, 3) of a field of view, world mm."""
    return apply_affine(affine, np.array([[i, j, k] for i in (-0.5, shape[0] - 0.5) for j in (-0.5, shape[1] - 0.5)
                                          for k in (-0.5, shape[2] - 0.5)]))  # fmt: skip


def script(name):
    """Return the function `main` of a script."""
    return runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="script")["main"]


def test_it_covers_the_epi_with_a_margin_along_the_axes_of_the_world():
    epi = ((40, 30, 20), slab_affine((40, 30, 20), zoom=3.0, oblique=0.3))
    shape, affine = epi_grid(epi, HEAD, margin=7.0)
    np.testing.assert_allclose(affine[:3, :3], np.diag([3.0, 3, 3]), atol=1e-6)
    low, high = corners(*epi).min(axis=0), corners(*epi).max(axis=0)
    own = corners(shape, affine)
    assert (own.min(axis=0) <= low - 7 + 1e-6).all()
    assert (own.max(axis=0) >= high + 7 - 1e-6).all()
    # No more than a voxel too large.
    assert (own.max(axis=0) - own.min(axis=0) < high - low + 14 + 3).all()
    again = epi_grid(epi, HEAD, margin=7.0)
    assert again[0] == shape
    np.testing.assert_array_equal(again[1], affine)


def test_voxels_are_those_of_the_epi_along_each_axis_or_as_set():
    # Voxel axes lie along z, -x and y: 2, 3 and 4 mm.
    turned = np.array([[0, -3.0, 0, 30], [0, 0, 4.0, -40], [2.0, 0, 0, -20], [0, 0, 0, 1]])
    _, affine = epi_grid(((20, 20, 20), turned), HEAD)
    np.testing.assert_allclose(np.diag(affine)[:3], [3, 4, 2])
    shape, affine = epi_grid(((20, 20, 20), turned), HEAD, voxel_size=2.5, margin=0)
    np.testing.assert_allclose(np.diag(affine)[:3], 2.5)
    assert shape == (24, 32, 16)


def test_it_ends_where_the_t1w_image_and_the_margin_end():
    wide = ((100, 100, 60), slab_affine((100, 100, 60), zoom=4.0, oblique=0.0))
    shape, affine = epi_grid(wide, HEAD, margin=5.0)
    low, high = corners(*HEAD).min(axis=0) - 5, corners(*HEAD).max(axis=0) + 5
    own = corners(shape, affine)
    np.testing.assert_allclose(own.min(axis=0)[:2], low[:2], atol=2)
    np.testing.assert_allclose(own.max(axis=0)[:2], high[:2], atol=2)


def test_what_cannot_be_a_grid_is_refused():
    epi = ((40, 30, 20), slab_affine((40, 30, 20)))
    with pytest.raises(ConfigError, match="grid_voxel_size is 0"):
        epi_grid(epi, HEAD, voxel_size=0)
    with pytest.raises(ConfigError, match="grid_margin is -1"):
        epi_grid(epi, HEAD, margin=-1)
    with pytest.raises(ConfigError, match="too large.*larger preprocess.grid_voxel_size"):
        epi_grid(epi, HEAD, voxel_size=0.3)
    away = epi[1] + 0.0
    away[0, 3] += 500
    with pytest.raises(DataError, match=r"EPI \(x 4\d\d to .*T1w image \(x -1.* lie apart"):
        epi_grid((epi[0], away), HEAD)


def test_a_grid_that_loses_the_brain_is_refused():
    brain = np.zeros((20, 20, 20), dtype=bool)
    brain[4:16, 4:16, 4:16] = True
    shift = np.eye(4)
    check_inside(brain, shift, (20, 20, 20), "g")
    shift[0, 3] = 6.0  # voxels 4 to 15 become 10 to 21: two of twelve slices are outside
    with pytest.raises(DataError, match="17% of the brain.*grid g.*grid_margin"):
        check_inside(brain, shift, (20, 20, 20), "g")


@pytest.mark.slow
def test_coregistration_brings_the_brain_onto_the_grid(tmp_path):
    """The EPI lies 20 mm from where its header says, as between two sessions; a margin of 30 mm holds it, one of 0 not."""
    known = scans()
    moved = rigid_matrix(np.array([0, 0, 20.0, 0, 0, 0]), np.zeros(3)) @ known["epi"][1]
    paths = {name: str(tmp_path / f"sub-01_{name}.nii.gz") for name in ("boldref", "T1w")}
    write_image(paths["boldref"], known["epi"][0].astype(np.float32), moved)
    write_image(paths["T1w"], known["t1w"][0].astype(np.float32), known["t1w"][1])
    settings = {"coregister": {"path": "direct", "bias_correction": False}}

    def run(margin):
        grid = str(tmp_path / f"sub-01_space-T1w{GRID_NAME}")
        script("make_grid")(paths["boldref"], paths["T1w"], grid, {"grid_margin": margin})
        outputs = {name: str(tmp_path / name) for name in ("transform", "reference_t1w.nii.gz", "brain_mask.nii.gz")}
        outputs = {name.split(".")[0]: path for name, path in outputs.items()} | {"checks": str(tmp_path / "c.json")}
        inputs = {"reference": paths["boldref"], "inplane": None, "t1w": paths["T1w"], "grid": grid}
        script("coregister")(inputs, outputs, settings)
        return outputs, open_image(grid)

    outputs, grid = run(30.0)
    brain, affine = read_image(outputs["brain_mask"])
    np.testing.assert_allclose(affine, grid.affine)
    points = apply_affine(affine, np.argwhere(brain > 0.5))
    at = np.rint(apply_affine(np.linalg.inv(known["t1w"][1]), points)).astype(int)
    # The brain of the EPI lies in the brain of the T1w image, but for its rim of fluid.
    assert known["t1w_brain"][tuple(at.T)].mean() > 0.85
    assert len(points) * 4.0**3 > 0.5 * known["epi_brain"].sum() * 4.0**3
    assert "boldref" in json.loads((tmp_path / "c.json").read_text())["Description"]
    with pytest.raises(DataError, match="of the brain in the EPI lie outside of the grid"):
        run(0.0)
