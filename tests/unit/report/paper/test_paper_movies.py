"""Movies of the optimisation: frames, time, order, and equal bytes."""

import json

import numpy as np
import pytest
from image_files import ITERATIONS, NAMES, colour, settings, write_images, write_stimuli
from PIL import Image, ImageSequence

from fmri2image.core.arrays import LabelledArray, read_array, write_arrays
from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table
from fmri2image.report.paper.movies import (
    FRAME,
    MARGIN,
    PAUSE,
    SIDE,
    SLOWEST,
    make_movie,
    movie_frames,
    write_gif,
)

BOX = SIDE + 2 * FRAME


def movie(tmp_path, images: str, stimuli: str, name: str = "movie", **choice) -> tuple[Image.Image, dict]:
    wanted = {
        **settings(how=choice or {"how": "all"}), "figure": "movie_s1", "test": "test", "set": "test",
        "method": "icnn", "subject": "01", "roi": "VC",
    }  # fmt: skip
    outputs = {"movie": str(tmp_path / f"{name}.gif"), "table": str(tmp_path / f"{name}.tsv")}
    make_movie(images, stimuli, outputs, wanted)
    return Image.open(outputs["movie"]), outputs


def corner(frame: np.ndarray) -> tuple[int, int]:
    """Return the upper left corner (y, x) of the first black frame: the first dark line at the left margin."""
    dark = (frame[:, MARGIN : MARGIN + 40].max(axis=(1, 2)) < 8).nonzero()[0]
    return int(dark[0]), MARGIN


def middle(frame: np.ndarray, place: tuple[int, int], pair: int, right: bool) -> np.ndarray:
    """Return the colour in [0, 1] in the middle of a picture of a pair of the first line."""
    step = 2 * BOX + 14
    y, x = place[0] + BOX // 2, place[1] + pair * step + right * BOX + BOX // 2
    return frame[y, x] / 255


def test_a_movie_has_a_frame_for_each_step_and_pauses_at_the_end(tmp_path):
    gif, outputs = movie(tmp_path, write_images(tmp_path, "icnn", "sub-01_roi-VC"), write_stimuli(tmp_path))
    assert gif.n_frames == len(ITERATIONS)
    assert [frame.info["duration"] for frame in ImageSequence.Iterator(gif)] == [SLOWEST, SLOWEST, PAUSE]
    assert gif.info["loop"] == 0  # for ever
    table = read_table(outputs["table"], subject=str)
    assert table["stimulus"].tolist() == sorted(NAMES) and table["unit"].tolist() == [1, 2, 3, 4]
    about = json.loads((tmp_path / "movie.json").read_text())
    assert about["iterations"] == ITERATIONS and "All 4 images" in about["note"]


def test_left_stays_and_right_changes_from_step_to_step(tmp_path):
    path = write_images(tmp_path, "icnn", "sub-01_roi-VC")
    gif, _ = movie(tmp_path, path, write_stimuli(tmp_path))
    frames = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(gif)]
    place = corner(frames[0])
    along = read_array(path, "snapshots")
    for pair, name in enumerate(sorted(NAMES)):
        steps = along.take([name]).values[0].mean(axis=(-1, -2)) / 255
        for step, frame in enumerate(frames):
            np.testing.assert_allclose(middle(frame, place, pair, False), colour(name, "seen"), atol=0.03)
            np.testing.assert_allclose(middle(frame, place, pair, True), steps[step], atol=0.03)


def test_frames_are_black_and_grey(tmp_path):
    presented = LabelledArray(np.full((1, 3, 8, 8), 0.5, np.float32), ["a"])
    snapshots = np.full((1, 2, 3, 8, 8), 200, np.uint8)
    frame = np.asarray(movie_frames(presented, snapshots, [1, 2], ["Heading", "Left: seen."], "Note")[0])
    y, x = corner(frame)
    assert (frame[y + BOX // 2, x + 1] == 0).all()
    assert (frame[y + BOX // 2, x + BOX + 1] == 154).all()
    assert (frame[y + BOX // 2, x + BOX + BOX // 2] == 200).all()


def test_the_number_of_the_iteration_is_all_that_moves_where_nothing_moves():
    presented = LabelledArray(np.full((5, 3, 8, 8), 0.5, np.float32), list("abcde"))
    snapshots = np.full((5, 2, 3, 8, 8), 200, np.uint8)
    first, second = (np.asarray(frame) for frame in movie_frames(presented, snapshots, [9, 10], ["H", "L"], "Note"))
    lines = np.nonzero((first != second).any(axis=(1, 2)))[0]
    assert len(lines) and lines.max() < corner(first)[0]
    assert first.shape[0] > corner(first)[0] + 2 * BOX  # five pairs take two lines


def test_long_movies_play_in_a_few_seconds(tmp_path):
    presented = LabelledArray(np.full((1, 3, 8, 8), 0.5, np.float32), ["a"])
    snapshots = np.arange(60, dtype=np.uint8)[None, :, None, None, None] * np.ones((1, 1, 3, 8, 8), np.uint8)
    write_gif(str(tmp_path / "long.gif"), movie_frames(presented, snapshots, list(range(60)), ["H", "L"], "Note"))
    durations = [frame.info["duration"] for frame in ImageSequence.Iterator(Image.open(tmp_path / "long.gif"))]
    assert durations == [100] * 59 + [PAUSE]


def test_equal_movies_are_equal_files(tmp_path):
    images, stimuli = write_images(tmp_path, "icnn", "sub-01_roi-VC"), write_stimuli(tmp_path)
    for name in ("one", "two"):
        movie(tmp_path, images, stimuli, name)
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()


def test_hidden_pictures_are_cards(tmp_path):
    _, outputs = movie(
        tmp_path,
        write_images(tmp_path, "icnn", "sub-01_roi-VC"),
        write_stimuli(tmp_path, show="no"),
        how="spread",
        most=2,
    )
    assert set(read_table(outputs["table"])["picture"]) == {"hidden"}
    assert "terms forbid" in json.loads((tmp_path / "movie.json").read_text())["note"]


def test_iterations_that_do_not_fit_are_one_sentence(tmp_path):
    path = tmp_path / "sub-01_roi-VC_test.h5"
    values = np.zeros((1, 3, 3, 8, 8), np.uint8)
    for named, words in (("[1, 2]", "3 images along the way, but 2 iterations"), ("[]", "but 0 iterations")):
        write_arrays(path, {"snapshots": LabelledArray(values, ["a-dog"], {"snapshot_iterations": named})})
        with pytest.raises(DataError, match=words):
            movie(tmp_path, str(path), write_stimuli(tmp_path))
    write_arrays(path, {"images": LabelledArray(values[:, 0], ["a-dog"])})
    with pytest.raises(DataError, match="no array 'snapshots'"):
        movie(tmp_path, str(path), write_stimuli(tmp_path))
