"""Noise of the simulated scans against its definition."""

import copy

import numpy as np
import pytest
from phantom_settings import DEMO

from fmri2image.acquire.phantom import noise
from fmri2image.core.errors import ConfigError

SHAPE = (20, 16, 12)


def field_of(shares: dict, seed: int, n_volumes: int = 239, times: np.ndarray | None = None) -> np.ndarray:
    """Draw a fluctuation of unit standard deviation in grey matter, without drift unless asked."""
    settings = copy.deepcopy(DEMO)
    settings["noise"] |= {"temporal_snr": 1.0, "physiological_fraction": 1.0, "drift": 0.0} | shares
    if times is None:
        times = np.arange(n_volumes)[:, None] * 2.0 + np.arange(SHAPE[2]) % 4 * 0.5
    pulsation = np.linspace(0.2, 1, SHAPE[0])[:, None, None] * np.ones(SHAPE)
    grey = np.zeros(SHAPE)
    grey[5:15] = 1
    return noise.fluctuation(times, pulsation, grey, settings, np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["cardiac", "respiratory"])
def test_a_rhythm_has_unit_variance_and_the_stated_autocorrelation(name):
    rhythm = noise.RHYTHMS[name]
    lags = np.array([0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 6.0])
    starts = np.arange(0, 20000, 5.0)
    series = noise.rhythm_series(rhythm, starts[:, None] + lags, np.random.default_rng(1))
    assert series[:, 0].var() == pytest.approx(1, abs=0.05)
    found = (series * series[:, :1]).mean(0)
    np.testing.assert_allclose(noise.rhythm_autocorrelation(rhythm, lags), found, atol=0.06)
    # Quasi-periodic: nothing is left after minutes.
    assert abs(noise.rhythm_autocorrelation(rhythm, np.array([300.0]))[0]) < 0.01


def test_a_rhythm_beats_at_its_frequency():
    times = np.arange(0, 2000, 0.1)
    for rhythm in noise.RHYTHMS.values():
        series = noise.rhythm_series(rhythm, times, np.random.default_rng(2))
        power = np.abs(np.fft.rfft(series)) ** 2
        frequencies = np.fft.rfftfreq(len(times), 0.1)
        near = np.abs(frequencies - rhythm.frequency) < 3 * rhythm.wander
        share = rhythm.harmonics[0] ** 2 / np.square(rhythm.harmonics).sum()
        assert power[near].sum() / power[1:].sum() == pytest.approx(share, abs=0.05)


def test_rhythms_alias_because_they_are_sampled_at_the_times_of_the_slices():
    # Breathing at 0.27 Hz, seen every two seconds, shows at 0.5 - 0.27 Hz.
    breath = field_of({"cardiac": 0.0, "respiratory": 1.0}, 3, n_volumes=800)[:, 10, 8, 0]
    power, frequencies = np.abs(np.fft.rfft(breath)) ** 2, np.fft.rfftfreq(800, 2.0)
    assert np.average(frequencies, weights=power) == pytest.approx(0.22, abs=0.02)
    # Slices of one volume that are taken at different times show different phases.
    apart = field_of({"cardiac": 1.0, "respiratory": 0.0}, 3)
    assert np.corrcoef(apart[:, 10, 8, 0], apart[:, 10, 8, 4])[0, 1] > 0.999
    assert np.corrcoef(apart[:, 10, 8, 0], apart[:, 10, 8, 1])[0, 1] < 0


@pytest.mark.parametrize(
    "shares",
    [{"cardiac": 1.0, "respiratory": 0.0}, {"cardiac": 0.0, "respiratory": 1.0}, {"cardiac": 0.2, "respiratory": 0.3}],
)
def test_all_parts_together_have_the_asked_variance_in_grey_matter(shares):
    field = np.stack([field_of(shares, seed) for seed in range(4)])
    assert (field[:, :, 5:15] ** 2).mean() == pytest.approx(1, rel=0.06)


def test_the_heart_shows_where_tissue_pulsates_and_breathing_is_smooth():
    heart = np.sqrt((field_of({"cardiac": 1.0, "respiratory": 0.0}, 1) ** 2).mean((0, 2, 3)))
    np.testing.assert_allclose(heart / heart[0], np.linspace(1, 5, SHAPE[0]), rtol=0.02)
    breath = field_of({"cardiac": 0.0, "respiratory": 1.0}, 1)
    together = [np.corrcoef(breath[:, place, 8, 0], breath[:, place + 1, 8, 0])[0, 1] for place in range(19)]
    assert np.mean(np.array(together) > 0.99) > 0.8


def test_shares_of_more_than_everything_are_refused():
    settings = DEMO | {"noise": DEMO["noise"] | {"cardiac": 0.7, "respiratory": 0.5}}
    with pytest.raises(ConfigError, match="cardiac and respiratory.*1.2"):
        noise.physiological_shares(settings)


def test_the_noise_of_a_block_is_what_remains_of_the_mean_of_its_volumes():
    settings = copy.deepcopy(DEMO)
    settings["noise"] |= {"temporal_snr": 1.0, "physiological_fraction": 1.0, "cardiac": 0.3, "respiratory": 0.4}
    shares = {"cardiac": 0.3, "respiratory": 0.4}
    field = np.stack([field_of(shares, seed, n_volumes=480) for seed in range(6)])[:, :, 5:15]
    for n_averaged in (1, 4, 6):
        means = field.reshape(6, -1, n_averaged, *field.shape[2:]).mean(2)
        assert np.sqrt((means**2).mean()) == pytest.approx(noise.block_noise(settings, n_averaged)[1], rel=0.06)


def test_drift_is_slow_and_as_large_as_asked():
    shares = {"temporal_snr": 1e9, "drift": 0.7}
    field = np.stack([field_of(shares, seed) for seed in range(12)])
    assert 100 * np.sqrt((field**2).mean()) == pytest.approx(0.7, rel=0.15)
    # Neighbours along an axis share it as a Gaussian field of that width does.
    kernel = DEMO["noise"]["smoothness"] / 2.355 / np.sqrt(2)
    expected = np.exp(-(DEMO["voxel_size"] ** 2) / (4 * kernel**2))
    assert (field[:, :, 1:] * field[:, :, :-1]).mean() / (field**2).mean() == pytest.approx(expected, abs=0.05)
    spectrum = (np.abs(np.fft.rfft(field - field.mean(1, keepdims=True), axis=1)) ** 2).mean((0, 2, 3, 4))
    frequencies = np.fft.rfftfreq(239, 2.0)
    assert spectrum[frequencies > 1 / 60].sum() < 0.1 * spectrum.sum()


def test_smooth_noise_remembers_the_volume_before():
    field = field_of({"cardiac": 0.0, "respiratory": 0.0}, 5)
    assert field.std() == pytest.approx(1, rel=0.03)
    assert (field[1:] * field[:-1]).mean() == pytest.approx(0.4, abs=0.03)
    assert (field[3:] * field[:-3]).mean() == pytest.approx(0.4**3, abs=0.03)


def test_smooth_noise_has_unit_variance_and_the_asked_width():
    weights = noise._spread(40, 3.0, 10.0)
    covariance = weights @ weights.T
    np.testing.assert_allclose(np.diag(covariance), 1)
    # Points one kernel width (σ √2 of the kernel) apart correlate as a Gaussian field of 10 mm.
    kernel = 10.0 / 2.355 / np.sqrt(2)
    for lag in (1, 2, 3):
        expected = np.exp(-((3.0 * lag) ** 2) / (4 * kernel**2))
        assert np.diag(covariance, lag).mean() == pytest.approx(expected, abs=0.05)
