"""Responses of the simulated voxels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fmri2image.acquire.phantom import encoding


def random_images(seed: int, n: int, size: int = 64) -> np.ndarray:
    """Smooth random images."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((n, size, size, 3)), (0, 4, 4, 0))
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def grating(orientation: float, cycles: float, phase: float, size: int = 64) -> np.ndarray:
    """Grating whose intensity varies along `orientation` (radians, counted from right towards down)."""
    y, x = np.mgrid[:size, :size] / size
    return 0.4 * np.cos(2 * np.pi * cycles * (x * np.cos(orientation) + y * np.sin(orientation)) + phase)


@pytest.mark.parametrize("frequency", range(4))
@pytest.mark.parametrize("orientation", range(4))
def test_energy_peaks_at_its_own_orientation_whatever_the_phase(frequency, orientation):
    angle = np.pi * orientation / encoding.N_ORIENTATIONS
    images = np.stack([grating(angle, encoding.FREQUENCIES[frequency], phase) for phase in (0, 0.7, 2.0)])
    energy = encoding.oriented_energy(images.astype(np.float32))
    middle = energy[:, :, 16:48, 16:48].mean((2, 3)).reshape(3, 4, 4)
    assert (middle[:, frequency].argmax(1) == orientation).all()
    np.testing.assert_allclose(middle[:, frequency, orientation], middle[0, frequency, orientation], rtol=0.05)


def test_maps_keep_the_sign_of_luminance_and_colour():
    images = np.full((4, 64, 64, 3), 128, np.uint8)
    images[0], images[1], images[2], images[3] = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)
    maps, groups = encoding.feature_maps(images)
    assert maps.shape == (4, len(groups), 32, 32)
    luminance, red_green, blue_yellow = maps.mean((2, 3))[:, :3].T
    np.testing.assert_allclose(luminance, [0.5, -0.5, 1 / 3 - 0.5, 1 / 3 - 0.5], atol=1e-6)
    np.testing.assert_allclose(red_green, [0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(blue_yellow, [0, 0, -0.5, 1], atol=1e-6)


@pytest.mark.parametrize("size", [32, 48, 64])
def test_shrinking_keeps_the_mean(size):
    maps = np.random.default_rng(0).standard_normal((2, size, size))
    small = encoding._shrink(maps)
    assert small.shape == (2, 32, 32)
    np.testing.assert_allclose(small.mean((1, 2)), maps.mean((1, 2)), atol=1e-6)


def test_receptive_fields_follow_the_retinotopy_of_the_cortex():
    rng = np.random.default_rng(0)
    x = np.tile([-9.0, 9.0], 100)
    y = np.repeat(np.linspace(-102, -66, 100), 2)
    upper = encoding.calcarine_coordinates(np.stack([x, y, np.zeros(200)], 1))["height"]
    for shift, area, sign in ((7, "V1d", -1), (-7, "V1v", 1), (12, "V2d", -1), (-12, "V2v", 1)):
        points = np.stack([x, y, -upper + shift], 1)
        voxels = encoding.receptive_fields(np.full(200, area), points, rng)
        assert set(voxels.area) == {area[:2]}
        assert (np.sign(voxels.centre[:, 1]) == sign).mean() > 0.9
        far = np.abs(voxels.centre[:, 0]) > 0.15
        assert far.any()
        assert (np.sign(voxels.centre[far, 0]) == -np.sign(x[far])).all()
        distance = np.linalg.norm(voxels.centre, axis=1)
        assert distance[-40:].mean() > distance[:40].mean() + 0.5
    mean_width = {
        area: encoding.receptive_fields(np.full(200, area), points, rng).width.mean() for area in ("V1v", "V3v", "LOC")
    }
    assert mean_width["V1v"] < mean_width["V3v"] < mean_width["LOC"]


def test_a_field_sees_its_own_place():
    images = np.full((3, 64, 64, 3), 128, np.uint8)
    images[0, 40:56, 8:24] = 255
    images[1, 8:24, 40:56] = 255
    luminance = encoding.feature_maps(images)[0][:, 0].reshape(3, -1)
    pooled = luminance @ encoding._pooling(np.array([[-0.5, -0.5], [0.5, 0.5]]), np.array([0.1, 0.1])).T
    assert pooled[0, 0] > 0.4
    assert pooled[1, 1] > 0.4
    assert abs(pooled[0, 1]) < 0.01
    assert abs(pooled[1, 0]) < 0.01


def test_responses_are_in_units_of_the_training_set_and_ignore_the_test_set():
    areas = np.array(["V1d", "V3v", "hV4", "LOC", "HVC"] * 6)
    points = np.random.default_rng(1).uniform([-40, -100, -15], [40, -60, 15], (30, 3))
    voxels = encoding.receptive_fields(areas, points, np.random.default_rng(2))
    train = random_images(0, 40)
    first = encoding.responses({"train": train, "test": random_images(1, 5)}, voxels, np.random.default_rng(3))
    second = encoding.responses({"test": random_images(2, 9), "train": train}, voxels, np.random.default_rng(3))
    np.testing.assert_allclose(first["train"].mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(first["train"].std(0), 1, atol=1e-4)
    np.testing.assert_allclose(first["train"], second["train"], atol=1e-4)
    assert first["test"].shape == (5, 30)
    assert second["test"].shape == (9, 30)
    other = encoding.responses({"train": train}, voxels, np.random.default_rng(4))["train"]
    agreement = [np.corrcoef(first["train"][:, v], other[:, v])[0, 1] for v in range(30)]
    assert np.abs(agreement).mean() < 0.7


def test_luminance_and_colour_of_uniform_fields_are_invisible_because_the_surround_cancels_the_centre(monkeypatch):
    # Contrast and energy see the edge of the image against the grey around it.
    blind = {"contrast": 0.0, "energy": 0.0, "products": 0.0}
    monkeypatch.setattr(encoding, "TUNING", {name: replace(area, **blind) for name, area in encoding.TUNING.items()})
    areas = np.array(["V1d", "V2v", "hV4", "LOC"] * 4)
    points = np.random.default_rng(1).uniform([-40, -100, -15], [40, -60, 15], (16, 3))
    voxels = encoding.receptive_fields(areas, points, np.random.default_rng(2))
    uniform = np.full((4, 64, 64, 3), 128, np.uint8)
    uniform[1], uniform[2], uniform[3] = 220, 40, (200, 60, 60)
    spot = uniform[:1].copy()
    spot[:, 24:40, 24:40] = 220
    sets = {"train": random_images(0, 40), "test": np.concatenate([uniform, spot])}
    found = encoding.responses(sets, voxels, np.random.default_rng(3))["test"]
    np.testing.assert_allclose(found[1:4], found[[0, 0, 0]], atol=1e-3)
    assert np.abs(found[4] - found[0]).max() > 0.5
