"""The images nobody is shown: never a test category, never an image of another set."""

import numpy as np

from fmri2image.acquire.phantom.images import TABLE_COLUMNS, independent_images, is_test_combination, stimulus_sets

SETTINGS = {
    "size": 16,
    "train_categories": 12,
    "train_images_per_category": 4,
    "test_categories": 5,
    "test_images_per_category": 1,
    "natural_images": 60,
}


def test_independent_images_are_none_of_the_other_sets():
    sets, table = stimulus_sets(SETTINGS, 3)
    natural = sets["natural"]
    assert len(natural.rows) == 60
    assert tuple(table.columns) == TABLE_COLUMNS
    assert not table["stimulus"].duplicated().any()
    mine = table[table["stimulus_set"] == "natural"]
    assert natural.rows == list(mine["stimulus"])
    assert mine["image_index"].tolist() == list(range(1, 61))
    assert mine.groupby("category")["category_index"].nunique().eq(1).all()
    pixels = {image.tobytes() for image in natural.values}
    assert len(pixels) == 60
    for name in ("train", "test"):
        assert not pixels & {image.tobytes() for image in sets[name].values}
    combinations = [name.split("-") for name in mine["category"]]
    assert not [c for c in combinations if is_test_combination(c[2], c[0], c[1])]
    assert not set(mine["category"]) & set(table.loc[table["stimulus_set"] == "test", "category"])


def test_the_other_sets_do_not_depend_on_them():
    with_them, _ = stimulus_sets(SETTINGS, 3)
    without, table = stimulus_sets({key: value for key, value in SETTINGS.items() if key != "natural_images"}, 3)
    assert set(with_them) - set(without) == {"natural"}
    assert "natural" not in set(table["stimulus_set"])
    for name, images in without.items():
        np.testing.assert_array_equal(images.values, with_them[name].values)


def test_independent_images_come_from_their_seed_alone():
    few, _ = independent_images(3, 5, 16)
    many, _ = independent_images(6, 5, 16)
    other, _ = independent_images(3, 6, 16)
    np.testing.assert_array_equal(many.values[:3], few.values)
    assert many.rows[:3] == few.rows
    assert (other.values != few.values).any()
