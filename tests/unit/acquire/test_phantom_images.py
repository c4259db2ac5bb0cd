"""Generated stimuli: reproducible, named, and no test category ever in training."""

import hashlib

import numpy as np
import pytest

from fmri2image.acquire.phantom.images import (
    COLOURS,
    LETTERS,
    SHAPES,
    TABLE_COLUMNS,
    draw_category,
    is_test_combination,
    letter_images,
    natural_images,
    shape_images,
    stimulus_sets,
    training_images,
    training_stream,
)
from fmri2image.acquire.phantom.silhouettes import MAIN, N_PROPORTIONS, SILHOUETTES, box, ellipse, polygon, segment
from fmri2image.acquire.phantom.surfaces import PALETTES, TEXTURES, coloured_noise
from fmri2image.core.errors import ConfigError

SETTINGS = {
    "size": 32,
    "train_categories": 6,
    "train_images_per_category": 2,
    "test_categories": 5,
    "test_images_per_category": 1,
}


def test_fields_are_distances_positive_inside():
    axis = np.linspace(-1.5, 1.5, 61)
    u, v = np.meshgrid(axis, axis)
    np.testing.assert_allclose(ellipse(u, v, 0.2, 0, 0.5, 0.5), 0.5 - np.hypot(u - 0.2, v), atol=1e-12)
    np.testing.assert_allclose(
        segment(u, v, (-0.5, 0), (0.5, 0), 0.1, 0.1)[30], 0.1 - np.clip(np.abs(axis) - 0.5, 0, None)
    )
    square = [(-0.5, -0.4), (0.5, -0.4), (0.5, 0.4), (-0.5, 0.4)]
    np.testing.assert_allclose(polygon(u, v, square), box(u, v, 0, 0, 0.5, 0.4), atol=1e-9)


@pytest.mark.parametrize("name", SILHOUETTES)
def test_every_silhouette_fits_its_frame_and_shows_its_texture(name):
    axis = np.linspace(-1.25, 1.25, 81)
    u, v = np.meshgrid(axis, axis)
    for proportions in (np.zeros(N_PROPORTIONS), np.full(N_PROPORTIONS, 0.5), np.full(N_PROPORTIONS, 0.999)):
        parts = SILHOUETTES[name](u, v, proportions)
        covered = np.maximum.reduce([field for field, _ in parts]) > 0
        main = np.maximum.reduce([field for field, role in parts if role == MAIN]) > 0
        assert 0.1 < covered.mean() * 2.5**2 / 4 < 0.95
        assert main.sum() > 0.2 * covered.sum()
        assert not covered[np.hypot(u, v) > 1.4].any()


def test_noise_is_standardised_and_coarse():
    noise = coloured_noise(np.random.default_rng(0), 64, 1.3)
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    assert np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] > 0.6


def test_sets_are_equal_for_equal_seeds_and_differ_otherwise():
    first, table = stimulus_sets(SETTINGS, 3)
    again, _ = stimulus_sets(SETTINGS, 3)
    other, _ = stimulus_sets(SETTINGS, 4)
    digest = {name: hashlib.sha256(images.values.tobytes()).hexdigest() for name, images in first.items()}
    assert digest == {name: hashlib.sha256(images.values.tobytes()).hexdigest() for name, images in again.items()}
    assert digest["train"] != hashlib.sha256(other["train"].values.tobytes()).hexdigest()
    assert tuple(table.columns) == TABLE_COLUMNS
    assert not table["stimulus"].duplicated().any()
    for name, images in first.items():
        assert images.values.dtype == np.uint8
        assert images.values.shape == (len(images.rows), 32, 32, 3)
        assert images.rows == list(table.loc[table["stimulus_set"] == name, "stimulus"])
        assert images.attributes["simulated"]


def test_images_do_not_depend_on_how_many_are_made():
    few, _ = natural_images(3, 1, 5, "test", 32)
    many, _ = natural_images(6, 2, 5, "test", 32)
    np.testing.assert_array_equal(many.take(few.rows).values, few.values)


def test_test_categories_never_occur_in_training():
    seeds = range(4)
    combinations = {"train": set(), "test": set()}
    for split, found in combinations.items():
        for seed in seeds:
            _, table = natural_images(24, 1, seed, split, 8)
            assert table["category"].nunique() == 24
            found |= set(table["category"])
    _, labels = training_images(0, 0, 150, 8)
    streamed = set(labels["texture"] + "-" + labels["palette"] + "-" + labels["silhouette"])
    assert not combinations["test"] & (combinations["train"] | streamed)
    kept = [is_test_combination(s, t, p) for s in SILHOUETTES for t in TEXTURES for p in PALETTES]
    assert 0.2 < np.mean(kept) < 0.3
    with pytest.raises(ConfigError, match="split"):
        draw_category(np.random.default_rng(0), "validation")


def test_images_of_a_category_vary_and_objects_are_visible():
    images, table = natural_images(8, 3, 1, "train", 32)
    pixels = images.values.astype(float)
    assert table.groupby("category").size().eq(3).all()
    for category in table["category"].unique():
        one, two = pixels[(table["category"] == category).to_numpy()][:2]
        assert np.abs(one - two).mean() > 5
    assert pixels.std(axis=(1, 2, 3)).min() > 15


def test_shapes_have_their_names_colours_and_places():
    images, table = shape_images(0, 64)
    assert len(images.rows) == len(SHAPES) * len(COLOURS) == 40
    assert images.rows[0] == "colorExpStim01_red_square"
    assert images.rows[-1] == "colorExpStim40_black_X"
    np.testing.assert_array_equal(images.take(["colorExpStim01_red_square"]).values[0, 32, 32], [255, 0, 0])
    assert (np.abs(images.values[:, 0, 0].astype(int) - 128) <= 1).all()
    rings = images.take(["colorExpStim12_blue_smallring", "colorExpStim13_blue_largering"]).values[..., 0]
    assert (rings[:, 32, 32] > 100).all()
    assert (rings[0] < 50).sum() < (rings[1] < 50).sum()
    np.testing.assert_array_equal(images.values, images.values[:, :, ::-1])
    assert table["image_index"].tolist() == list(range(1, 41))


def test_letters_are_black_on_grey_and_differ():
    images, _ = letter_images(0, 64)
    assert images.rows[0] == "letter_black_img011_A"
    assert [row[-1] for row in images.rows] == list(LETTERS) == list("ACEINORSTU")
    ink = images.values[..., 0] < 60
    assert (ink.mean(axis=(1, 2)) > 0.02).all()
    assert len({mask.tobytes() for mask in ink}) == 10
    for row in "AIOTU":
        mask = ink[[name[-1] for name in images.rows].index(row)]
        np.testing.assert_array_equal(mask, mask[:, ::-1])


def test_stream_can_be_entered_anywhere():
    pixels, labels = training_images(9, 0, 6, 16)
    later, later_labels = training_images(9, 4, 2, 16)
    np.testing.assert_array_equal(pixels[4:], later)
    assert labels["silhouette"].tolist()[4:] == later_labels["silhouette"].tolist()
    batches = list(training_stream(9, 6, 16, batch=4))
    assert [len(images) for images, _ in batches] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), pixels)
    natural, _ = natural_images(6, 1, 9, "train", 16)
    assert not {image.tobytes() for image in natural.values} & {image.tobytes() for image in pixels}
