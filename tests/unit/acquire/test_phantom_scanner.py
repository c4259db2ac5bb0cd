"""Simulated imaging against independent calculations."""

import copy

import numpy as np
import pytest
from phantom_settings import DEMO, tiny
from scipy.ndimage import map_coordinates

from fmri2image.acquire.phantom import anatomy, scanner
from fmri2image.acquire.phantom.active import ActiveTissue
from fmri2image.acquire.phantom.noise import RHYTHMS, block_noise, rhythm_autocorrelation
from fmri2image.core.errors import ConfigError
from fmri2image.core.geometry import grid_centre, rigid_matrix

CALM = tiny()["noise"] | {"temporal_snr": 1e9, "drift": 0.0}
NOTHING = ActiveTissue(np.zeros((1, 3), int), tiny())


@pytest.fixture(scope="module")
def head():
    return anatomy.make_head("01", tiny(), 1, anatomy.Template.load())


@pytest.fixture(scope="module")
def static(head):
    return scanner.static_image(head, tiny())


def moved_poses(n_volumes: int, n_shots: int) -> np.ndarray:
    """Poses far from the identity and from each other."""
    shape, affine = anatomy.functional_grid(tiny())
    parameters = np.random.default_rng(5).normal(0, 1, (n_volumes, n_shots, 6)) * [2, 2, 2, 0.04, 0.04, 0.04]
    return rigid_matrix(parameters, grid_centre(shape, affine))


def index_grid(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of all voxels, (*shape, 3)."""
    return np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).astype(float)


def test_slices_are_shared_between_shots():
    times = scanner.slice_times(20, DEMO)
    # Five shots of four slices, five slices apart, every other shot first.
    np.testing.assert_allclose(times[:5], [0.0, 1.2, 0.4, 1.6, 0.8])
    np.testing.assert_allclose(times, np.tile(times[:5], 4))
    ascending = DEMO | {"slice_timing": {"multiband": 1, "order": "ascending"}}
    np.testing.assert_allclose(scanner.slice_times(8, ascending), np.arange(8) * 0.25)
    together = DEMO | {"slice_timing": None}
    np.testing.assert_array_equal(scanner.slice_times(8, together), np.zeros(8))
    assert scanner.mid_volume(together) == 0
    # DEMO has 22 slices: six shots, the last 5/6 of the repetition time after the first.
    np.testing.assert_allclose(scanner.shot_times(DEMO), np.arange(6) / 3)
    assert scanner.mid_volume(DEMO) == pytest.approx(5 / 6)
    with pytest.raises(ConfigError, match="slice_timing: order is 'random'.*ascending or interleaved"):
        scanner.slice_times(8, DEMO | {"slice_timing": {"multiband": 1, "order": "random"}})


def test_every_slice_shows_the_brain_at_its_own_pose(static):
    settings = tiny() | {"noise": CALM}
    shape, affine = anatomy.functional_grid(settings)
    shots = scanner.shot_times(settings)
    poses = moved_poses(20, len(shots))
    world = anatomy.grid_points(shape, affine)
    receive = anatomy.bias_field(world, np.random.default_rng(1))
    signal = np.zeros((21, 1))
    volumes = scanner.acquire_run(static, receive, poses, signal, NOTHING, settings, np.random.default_rng(1))
    assert volumes.shape == (*shape, 20)
    assert volumes.dtype == np.int16
    times = scanner.slice_times(shape[2], settings)
    for volume in (0, 7, 19):
        for number in range(shape[2]):
            pose = poses[volume, list(shots).index(times[number])]
            brain = anatomy.apply_affine(np.linalg.inv(static.affine) @ np.linalg.inv(pose), world[:, :, number])
            expected = map_coordinates(static.values, np.moveaxis(brain, -1, 0), order=1) * receive[:, :, number]
            assert np.abs(volumes[:, :, number, volume] - expected).max() <= 1


def test_static_image_is_the_blurred_contrast_on_the_functional_grid(head, static):
    settings = tiny()
    shape, affine = anatomy.functional_grid(settings)
    index = np.moveaxis(anatomy.apply_affine(np.linalg.inv(static.affine) @ affine, index_grid(shape)), -1, 0)
    rng = np.random.default_rng(0)
    # The point-spread function as a mean over scattered points.
    samples = [head.contrast("epi", anatomy.grid_points(shape, affine) + rng.normal(0, 0.4 * 5, 3)) for _ in range(60)]
    expected = scanner.GREY_LEVEL * np.mean(samples, axis=0)
    found = map_coordinates(static.values, index, order=1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_tissue_pulsates_most_near_fluid(head, static):
    tissue = head.tissue(anatomy.grid_points(*anatomy.functional_grid(tiny())))
    fluid, white = (static.pulsation[tissue[name] > 0.9].mean() for name in ("csf", "wm"))
    grey = static.pulsation[static.grey > 0.8].mean()
    assert white < grey < fluid <= 1
    assert white < 0.5 * fluid


def test_a_response_appears_where_the_moved_voxel_is_when_its_slice_is_taken(static):
    settings = tiny() | {"noise": CALM}
    shape, affine = anatomy.functional_grid(settings)
    shots = scanner.shot_times(settings)
    times = scanner.slice_times(shape[2], settings)
    poses = np.repeat(moved_poses(4, 1), len(shots), axis=1)
    tissue = ActiveTissue(np.array([[15, 8, 7]]), settings)
    # The change at the start of every volume and the end of the last: it rises through volumes 1 and 2 and then stays.
    height = np.array([0.0, 0.0, 0.3, 0.5, 0.5])[:, None]
    receive = np.ones(shape, np.float32)
    quiet, active = (
        scanner.acquire_run(static, receive, poses, scale * height, tissue, settings, np.random.default_rng(1))
        for scale in (0, 1)
    )
    np.testing.assert_array_equal(quiet[..., 0], active[..., 0])
    unit = tissue.volumes(np.ones((1, 1)))[0].numpy()
    for volume in (1, 2, 3):
        to_tissue = np.linalg.inv(tissue.affine) @ np.linalg.inv(poses[volume, 0]) @ affine
        there = np.moveaxis(anatomy.apply_affine(to_tissue, index_grid(shape)), -1, 0)
        passed = times / settings["repetition_time"]
        now = height[volume, 0] + (height[volume + 1, 0] - height[volume, 0]) * passed
        expected = map_coordinates(unit, there, order=1) * now
        assert (np.abs(expected) > 0.02).sum() >= 3
        lit = quiet[..., volume] > 300
        found = active[..., volume][lit] / quiet[..., volume][lit] - 1.0
        np.testing.assert_allclose(found, expected[lit], atol=0.005)


def test_noise_has_the_levels_of_the_settings(head, static):
    settings = copy.deepcopy(tiny())
    settings["noise"]["drift"] = 0.0
    shots = scanner.shot_times(settings)
    shape, affine = anatomy.functional_grid(settings)
    poses = np.tile(np.eye(4), (400, len(shots), 1, 1))
    receive = np.ones(shape, np.float32)
    signal = np.zeros((401, 1))
    volumes = scanner.acquire_run(static, receive, poses, signal, NOTHING, settings, np.random.default_rng(2)).astype(
        float
    )
    # Grey matter that is as bright as pure grey matter: thermal noise does not depend on the signal.
    mean = volumes.mean(-1)
    weight = static.grey * (np.abs(mean - 1000) < 100)
    weight /= weight.sum()
    noise = volumes / np.maximum(mean, 1)[..., None] - 1
    variance = (weight * noise.var(-1)).sum()
    assert 1 / np.sqrt(variance) == pytest.approx(80, rel=0.04)
    left = (weight * noise.reshape(*shape, 100, 4).mean(-1).var(-1)).sum()
    assert np.sqrt(left) == pytest.approx(np.hypot(*block_noise(settings, 4)), rel=0.08)
    # Half of the variance is physiological, which alone is correlated from volume to volume.
    lag_one = (weight * (noise[..., 1:] * noise[..., :-1]).mean(-1)).sum() / variance
    rhythms = sum(0.2 * rhythm_autocorrelation(rhythm, np.array(2.0)) for rhythm in RHYTHMS.values())
    assert lag_one == pytest.approx(0.5 * (0.6 * 0.4 + rhythms), abs=0.03)
    assert volumes[mean < 40].min() >= 0
