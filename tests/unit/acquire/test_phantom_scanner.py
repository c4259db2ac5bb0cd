"""Simulated imaging against independent calculations."""

import copy

import numpy as np
import pytest
from nilearn.glm.first_level import spm_hrf
from phantom_settings import DEMO, tiny
from scipy.ndimage import map_coordinates

from fmri2image.acquire.phantom import anatomy, scanner
from fmri2image.core.geometry import grid_centre, rigid_matrix

CALM = {"temporal_snr": 1e9, "physiological_fraction": 0.5, "autocorrelation": 0.4, "smoothness": 10.0, "drift": 0.0}


@pytest.fixture(scope="module")
def static():
    return scanner.static_image(anatomy.make_head("01", tiny(), 1, anatomy.Template.load()), tiny())


def moved_poses(n_volumes: int) -> np.ndarray:
    """Poses far from the identity."""
    shape, affine = anatomy.functional_grid(tiny())
    parameters = np.random.default_rng(5).normal(0, 1, (n_volumes, 6)) * [2, 2, 2, 0.04, 0.04, 0.04]
    return rigid_matrix(parameters, grid_centre(shape, affine))


def test_block_design_is_the_convolution_of_boxes_with_the_canonical_response():
    step, n_volumes = 0.1, 60
    onsets, durations = np.array([6.0, 14.0, 50.0]), np.array([8.0, 8.0, 12.0])
    design = scanner.block_design(onsets, durations, n_volumes, 2.0)
    times = np.arange(int(n_volumes * 2 / step)) * step
    hrf = spm_hrf(step, oversampling=1)
    for block, (onset, duration) in enumerate(zip(onsets, durations, strict=True)):
        box = (times > onset - 1e-6) & (times < onset + duration - 1e-6)
        expected = np.convolve(box, hrf)[: len(times)] / hrf.sum()
        # The sampled box lags by one step at most.
        np.testing.assert_allclose(design[:, block], expected[:: int(2 / step)], atol=0.03)
    endless = scanner.block_design(np.array([0.0]), np.array([200.0]), 50, 2.0)
    assert endless[-1, 0] == pytest.approx(1)


def test_volumes_show_the_brain_at_its_pose(static):
    settings = tiny() | {"noise": CALM}
    shape, affine = anatomy.functional_grid(settings)
    poses = moved_poses(20)
    world = anatomy.grid_points(shape, affine)
    receive = anatomy.bias_field(world, np.random.default_rng(1))
    volumes = scanner.acquire_run(
        static, receive, poses, np.zeros((20, 1)), np.zeros((1, 3), int), settings, np.random.default_rng(1)
    )
    assert volumes.shape == (*shape, 20)
    assert volumes.dtype == np.int16
    for volume in (0, 7, 19):
        brain = anatomy.apply_affine(np.linalg.inv(static.affine) @ np.linalg.inv(poses[volume]), world)
        expected = map_coordinates(static.values, np.moveaxis(brain, -1, 0), order=1) * receive
        assert np.abs(volumes[..., volume] - expected).max() <= 1


def test_static_image_is_the_blurred_contrast_on_the_functional_grid(static):
    settings = tiny()
    shape, affine = anatomy.functional_grid(settings)
    index = np.moveaxis(anatomy.apply_affine(np.linalg.inv(static.affine) @ affine, index_grid(shape)), -1, 0)
    head = anatomy.make_head("01", settings, 1, anatomy.Template.load())
    rng = np.random.default_rng(0)
    # The point-spread function as a mean over scattered points.
    samples = [head.contrast("epi", anatomy.grid_points(shape, affine) + rng.normal(0, 0.4 * 5, 3)) for _ in range(60)]
    expected = scanner.GREY_LEVEL * np.mean(samples, axis=0)
    found = map_coordinates(static.values, index, order=1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def index_grid(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of all voxels, (*shape, 3)."""
    return np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).astype(float)


def test_a_response_appears_where_the_moved_voxel_is(static):
    settings = tiny() | {"noise": CALM}
    shape, affine = anatomy.functional_grid(settings)
    poses = moved_poses(4)
    voxel = np.array([[15, 8, 7]])
    signal = np.array([[0.0], [0.5], [0.5], [0.5]])
    receive = np.ones(shape, np.float32)
    quiet, active = (
        scanner.acquire_run(static, receive, poses, scale * signal, voxel, settings, np.random.default_rng(1))
        for scale in (0, 1)
    )
    np.testing.assert_array_equal(quiet[..., 0], active[..., 0])
    for volume in (1, 2, 3):
        # What a voxel of the scan shows is a tent around the responding voxel, in the coordinates of the brain.
        brain = np.linalg.inv(affine) @ np.linalg.inv(poses[volume]) @ affine
        tent = np.maximum(1 - np.abs(anatomy.apply_affine(brain, index_grid(shape)) - voxel), 0).prod(-1)
        assert (tent > 0.05).sum() >= 3
        lit = quiet[..., volume] > 300
        assert lit[tent > 0.05].all()
        found = active[..., volume][lit] / quiet[..., volume][lit] - 1.0
        np.testing.assert_allclose(found, 0.5 * tent[lit], atol=0.005)


def test_noise_has_the_levels_of_the_settings(static):
    settings = copy.deepcopy(tiny())
    settings["noise"]["drift"] = 0.0
    poses = np.tile(np.eye(4), (200, 1, 1))
    receive = np.ones(anatomy.functional_grid(settings)[0], np.float32)
    volumes = scanner.acquire_run(
        static, receive, poses, np.zeros((200, 1)), np.zeros((1, 3), int), settings, np.random.default_rng(2)
    ).astype(float)
    mean = volumes.mean(-1)
    grey = (mean > 900) & (mean < 1100)
    assert grey.sum() > 500
    noise = volumes[grey] / mean[grey][:, None] - 1
    assert 1 / noise.std() == pytest.approx(80, rel=0.06)
    # Half of the variance is physiological, which alone is correlated from volume to volume.
    lag_one = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert lag_one == pytest.approx(0.5 * 0.4, abs=0.04)
    blocks = noise.reshape(len(noise), 50, 4).mean(-1).std()
    assert blocks == pytest.approx(np.hypot(*scanner.block_noise(settings, 4)), rel=0.06)
    air = mean < 40
    assert volumes[air].min() >= 0


def test_drift_is_slow_and_as_large_as_asked():
    settings = copy.deepcopy(DEMO)
    settings["noise"] |= {"temporal_snr": 1e9, "drift": 0.7}
    draws = [scanner._fluctuation((20, 16, 12), 239, settings, np.random.default_rng(seed)) for seed in range(12)]
    field = np.stack(draws)
    assert 100 * np.sqrt((field**2).mean()) == pytest.approx(0.7, rel=0.15)
    # Neighbours along an axis share it as a Gaussian field of that width does.
    kernel = settings["noise"]["smoothness"] / 2.355 / np.sqrt(2)
    expected = np.exp(-(settings["voxel_size"] ** 2) / (4 * kernel**2))
    assert (field[:, :, 1:] * field[:, :, :-1]).mean() / (field**2).mean() == pytest.approx(expected, abs=0.05)
    spectrum = (np.abs(np.fft.rfft(field - field.mean(1, keepdims=True), axis=1)) ** 2).mean((0, 2, 3, 4))
    frequencies = np.fft.rfftfreq(239, 2.0)
    assert spectrum[frequencies > 1 / 60].sum() < 0.1 * spectrum.sum()


def test_smooth_noise_has_unit_variance_and_the_asked_width():
    weights = scanner._spread(40, 3.0, 10.0)
    covariance = weights @ weights.T
    np.testing.assert_allclose(np.diag(covariance), 1)
    # Points one kernel width (σ √2 of the kernel) apart correlate as a Gaussian field of 10 mm.
    kernel = 10.0 / 2.355 / np.sqrt(2)
    for lag in (1, 2, 3):
        expected = np.exp(-((3.0 * lag) ** 2) / (4 * kernel**2))
        assert np.diag(covariance, lag).mean() == pytest.approx(expected, abs=0.05)
