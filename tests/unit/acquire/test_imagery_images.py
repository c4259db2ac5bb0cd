"""The images that simulated subjects imagine."""

import numpy as np
import pytest

from fmri2image.acquire.phantom.images import COLOURS, SHAPES, imagery_images, letter_images, shape_images
from fmri2image.core.errors import ConfigError

SETS = {"shapes": shape_images(1, 16)[0], "letters": letter_images(1, 16)[0]}


def test_images_keep_their_names_and_pixels():
    images = imagery_images(SETS, {"letters": 4, "shapes": 5}, "imagery")
    assert len(images.rows) == len(set(images.rows)) == 9
    assert images.rows[0].startswith("letter_") and images.rows[-1].startswith("colorExpStim")
    for name, image in zip(images.rows, images.values, strict=True):
        source = SETS["letters" if name.startswith("letter") else "shapes"]
        np.testing.assert_array_equal(image, source.take([name]).values[0])
    assert images.attributes["simulated"]
    assert imagery_images(SETS, {"letters": 4, "shapes": 5}, "imagery").rows == images.rows


def test_images_are_spread_over_the_set():
    shapes = imagery_images(SETS, {"shapes": 5}, "imagery").rows
    assert {name.split("_")[2] for name in shapes} == set(SHAPES)
    assert len({name.split("_")[1] for name in shapes} & set(COLOURS)) == 5
    assert imagery_images(SETS, {"letters": 10}, "imagery").rows == SETS["letters"].rows


def test_images_can_be_named():
    named = ["colorExpStim06_green_square", "colorExpStim01_red_square"]
    images = imagery_images(SETS, {"shapes": named, "letters": 2}, "imagery")
    assert images.rows[:2] == named
    np.testing.assert_array_equal(images.values[:2], SETS["shapes"].take(named).values)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"letters": 11}, "11 images of 'letters'.*has 10"),
        ({"films": 1}, "films"),
        ({"shapes": ["colorExpStim01_red_square", "colorExpStim41_red_cube"]}, "'shapes' has no image .*41_red_cube"),
    ],
)
def test_more_images_than_there_are_is_refused(parts, words):
    with pytest.raises(ConfigError, match=f"imagery: from: .*{words}"):
        imagery_images(SETS, parts, "imagery")
