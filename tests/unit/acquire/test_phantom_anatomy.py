"""Heads and areas of the simulated subjects."""

import numpy as np
import pytest
from phantom_settings import DEMO, tiny

from fmri2image.acquire.phantom import anatomy, areas
from fmri2image.acquire.phantom.paradigm import AREAS, HEMISPHERES


@pytest.fixture(scope="module")
def template():
    return anatomy.Template.load()


@pytest.mark.parametrize("subject", DEMO["subjects"])
def test_areas_cover_a_plausible_visual_cortex(template, subject):
    head = anatomy.make_head(subject, DEMO, 1, template)
    masks = areas.area_masks(head, DEMO)
    assert set(masks) == {(side, area) for side in HEMISPHERES for area in AREAS}
    assert min(mask.sum() for mask in masks.values()) >= 10
    disjoint = [area for area in AREAS if area not in ("LOC", "FFA", "PPA")]
    total = sum(masks[side, area].astype(int) for side in HEMISPHERES for area in disjoint)
    assert total.max() == 1
    assert 1200 <= total.sum() <= 1900
    shape, affine = anatomy.functional_grid(DEMO)
    points = head.template_points(anatomy.grid_points(shape, affine))
    for side, sign in zip(HEMISPHERES, (-1, 1), strict=True):
        for area in ("LOC", "FFA", "PPA"):
            assert not (masks[side, area] & ~masks[side, "HVC"]).any()
        for area in AREAS:
            assert (np.sign(points[masks[side, area]][:, 0]) == sign).all()
        for area in ("V1", "V2", "V3"):
            heights = [points[masks[side, f"{area}{half}"]][:, 2].mean() for half in "dv"]
            assert heights[0] > heights[1] + 4
        grey = template.sample("gm", points[np.any([masks[side, area] for area in AREAS], axis=0)])
        assert np.median(grey) > 0.6
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    assert (total[edge] == 0).all()


def test_no_area_is_empty_at_five_millimetres(template):
    masks = areas.area_masks(anatomy.make_head("01", tiny(), 1, template), tiny())
    assert all(mask.any() for mask in masks.values())


def test_heads_differ_between_subjects_and_come_back_with_the_seed(template):
    points = np.random.default_rng(0).uniform(-60, 60, (500, 3))
    moved = {
        key: anatomy.make_head(subject, DEMO, seed, template).template_points(points)
        for key, subject, seed in (("a", "01", 1), ("again", "01", 1), ("b", "02", 1), ("c", "01", 2))
    }
    np.testing.assert_array_equal(moved["a"], moved["again"])
    for other in ("b", "c"):
        assert np.sqrt(((moved["a"] - moved[other]) ** 2).sum(1).mean()) > 2


def test_displacement_has_the_size_of_the_setting_and_never_folds(template):
    head = anatomy.make_head("01", DEMO, 1, template)
    assert np.sqrt((head.displacement**2).sum(0).mean()) == pytest.approx(DEMO["warp"])
    gradient = np.stack(np.gradient(head.displacement, anatomy.WARP_SPACING, axis=(1, 2, 3)), axis=-1)
    jacobian = np.linalg.det(np.eye(3) + np.moveaxis(gradient, 0, -2))
    assert jacobian.min() > 0.2


def test_contrasts_have_the_order_of_the_sequence(template):
    head = anatomy.make_head("01", DEMO, 1, template)
    points = anatomy.grid_points(*anatomy.functional_grid(DEMO))
    tissue = head.tissue(points)
    assert max(fraction.max() for fraction in tissue.values()) <= 1 + 1e-6
    assert min(fraction.min() for fraction in tissue.values()) >= 0
    epi, t1 = head.contrast("epi", points), head.t1(points)
    pure = {name: fraction > 0.95 for name, fraction in tissue.items()}
    assert epi[pure["csf"]].mean() > epi[pure["gm"]].mean() > epi[pure["wm"]].mean() > epi[pure["skull"]].mean()
    assert t1[pure["wm"]].mean() > t1[pure["gm"]].mean() > t1[pure["csf"]].mean()
    corner = anatomy.apply_affine(np.eye(4), np.array([[-91.0, -129.0, 107.0]]))
    assert head.contrast("epi", corner)[0] == 0


def test_grids_share_the_slab():
    shape, affine = anatomy.functional_grid(DEMO)
    assert shape == (48, 30, 22)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), 3)
    fine_shape, fine = anatomy.slab_grid(DEMO, (1.5, 1.5, 3.0))
    assert fine_shape == (96, 60, 22)
    for grid_shape, matrix in ((shape, affine), (fine_shape, fine)):
        corners = anatomy.apply_affine(matrix, np.array([[-0.5] * 3, np.array(grid_shape) - 0.5]))
        np.testing.assert_allclose(corners.mean(0), anatomy.SLAB_CENTRE, atol=1e-9)
        assert np.linalg.norm(corners[1] - corners[0]) == pytest.approx(np.linalg.norm(DEMO["slab"]))
