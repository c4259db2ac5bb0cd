"""Stimulus pictures of real datasets: found by name, complete or not, damaged, in every format."""

import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmri2image.acquire.patterns import FIGURES, pattern_image
from fmri2image.acquire.pictures import decode
from fmri2image.acquire.stimuli import StimulusSettings, import_set
from fmri2image.acquire.stimulus_names import file_keys, key, match_files, named_files
from fmri2image.acquire.stimulus_table import list_stimuli
from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.tables import read_table

RED, GREEN, BLUE = (200, 20, 30), (10, 180, 40), (20, 30, 190)
SCRIPT = Path(__file__).resolve().parents[3] / "workflow" / "scripts" / "import_stimuli.py"
NATURAL = "n03079230_8270"


def encoded(colour=RED, size=(12, 12), kind="PNG", mode="RGB") -> bytes:
    """Return a picture of one colour as a file's bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(buffer, format=kind)
    return buffer.getvalue()


def put(path, colour=RED, kind="PNG", **more):
    """Write a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(colour, kind=kind, **more))


def wanted(*names, files=None, patterns=None) -> pd.DataFrame:
    """Return the table of the stimuli of a set."""
    return pd.DataFrame({"stimulus": names, "stimulus_set": "test", "file": files, "pattern": patterns}, dtype=object)


def colours(path) -> dict[str, tuple[int, ...]]:
    """Return the mean colour of every picture of a stimulus file."""
    array = read_array(path, "images")
    return {name: tuple(np.rint(v.mean((0, 1))).astype(int)) for name, v in zip(array.rows, array.values, strict=True)}


# Names ----------------------------------------------------------------------------------------------------------------


def test_keys_forget_case_ending_zeros_and_folders():
    assert key("N03079230_008270") == key(NATURAL) == NATURAL
    assert key("letter_black_img011_A") != key("letter_black_img11_A")  # zeros matter outside ImageNet
    assert file_keys(f"train/n03079230/{NATURAL}.JPEG") == [NATURAL]
    assert file_keys("n03079230/08270.jpg") == ["08270", NATURAL]
    assert file_keys("__MACOSX/._a.tif") == file_keys(".a.tif") == file_keys("a.txt") == file_keys("a") == []
    assert file_keys("shapes/colorExpStim04_red_+.tiff") == ["colorexpstim04_red_+"]


def test_the_exact_name_wins_and_names_that_cannot_be_told_apart_stop():
    assert match_files(["A"], ["x/a.png", "x/A.png"], "x") == {"A": ["x/A.png"]}
    assert match_files(["A"], ["x/a.png", "y/a.tif", "b.png"], "x") == {"A": ["x/a.png", "y/a.tif"]}
    with pytest.raises(DataError, match="'n03079230_8270' and 'n03079230_08270' differ only in case or zeros"):
        match_files([NATURAL, "n03079230_08270"], [], "x")


def test_named_files_are_below_the_folder():
    files = ["faces/Anna.PNG", "b.png"]
    assert named_files({"Anna": ["faces/anna.png"], "b": ["stimuli/b.png", "./b.png"], "c": ["c.png"]}, files, "x") == {
        "Anna": ["faces/Anna.PNG"], "b": ["b.png", "b.png"],
    }  # fmt: skip
    with pytest.raises(DataError, match=r"stim_file '\.\./secret.png' leads out of x"):
        named_files({"a": ["../secret.png"]}, files, "x")


# Pictures -------------------------------------------------------------------------------------------------------------


def test_every_mode_becomes_rgb():
    modes = [("PNG", "RGB", 0), ("JPEG", "CMYK", 4), ("TIFF", "RGB", 0), ("BMP", "RGB", 0), ("PNG", "P", 30)]
    for kind, mode, tolerance in modes:
        found = decode(encoded(RED, kind=kind, mode=mode), 8)
        assert found.shape == (8, 8, 3)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - RED).max() <= tolerance, (kind, mode)
    assert np.unique(decode(encoded((90, 90, 90), mode="L"), 8)).tolist() == [90]
    assert np.unique(decode(encoded((255, 255, 255), mode="1"), 8)).tolist() == [255]


def test_transparent_pixels_are_white_and_16_bits_are_scaled():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (*RED, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    found = decode(buffer.getvalue(), 4)
    assert np.all(found[:2] == RED)
    assert np.all(found[2:] == 255)
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), 257 * 77, np.uint16)).save(buffer, format="TIFF")
    assert np.unique(decode(buffer.getvalue(), 4)).tolist() == [77]
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(buffer, format="TIFF")
    with pytest.raises(DataError, match=r"a\.tif holds numbers from 0\.5 to 0\.5, not 8 or 16 bits"):
        decode(buffer.getvalue(), 4, what="a.tif")


def test_what_is_not_square_is_cropped_in_the_centre_or_squeezed():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    assert decode(buffer.getvalue(), 10).min() == 255
    assert 60 < decode(buffer.getvalue(), 10, "stretch").mean() < 110
    with pytest.raises(ConfigError, match="fit is 'pad'"):
        decode(buffer.getvalue(), 10, "pad")


def test_the_orientation_of_a_camera_is_ignored():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", exif=exif)
    assert decode(buffer.getvalue(), 8)[:4].min() == 255


def test_damaged_pictures_stop():
    whole = encoded(size=(200, 200), kind="JPEG")
    for data in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
        with pytest.raises(DataError, match=r"a\.jpg cannot be read as a picture .*get the file again"):
            decode(data, 8, what="a.jpg")


@pytest.mark.parametrize("crop", [12, 10, 8])
def test_patterns_show_the_centre_of_the_patches(crop):
    pattern = "".join(np.random.default_rng(0).choice(["0", "1"], 144))
    edge = (12 - crop) // 2
    inside = np.array(list(pattern)).reshape(12, 12)[edge : 12 - edge, edge : 12 - edge] == "1"
    image = pattern_image(pattern, 3 * crop, crop)
    assert np.array_equal(image, np.repeat(np.kron(inside, np.ones((3, 3)))[..., None] * 255, 3, axis=2))
    assert set(np.unique(pattern_image(pattern, 32, crop))) <= {0, 255}
    with pytest.raises(DataError, match="crop is 11"):
        pattern_image(pattern, 32, 11)


# Sets -----------------------------------------------------------------------------------------------------------------


def test_natural_images_are_found_below_a_folder(tmp_path):
    put(tmp_path / "have" / "train" / "n03079230" / "n03079230_08270.jpg", RED, "JPEG")
    put(tmp_path / "have" / "n01677366" / "18182.JPEG", GREEN, "JPEG")
    put(tmp_path / "have" / "n00000001_1.JPEG", BLUE, "JPEG")  # of no interest
    names = wanted(NATURAL, "n01677366_18182", NATURAL)
    settings = StimulusSettings("folder", folder=str(tmp_path / "have"), show=False)
    import_set("test", names, settings, 16, tmp_path / "test.h5")
    found = colours(tmp_path / "test.h5")
    assert list(found) == [NATURAL, "n01677366_18182"]
    assert np.abs(np.array(list(found.values())) - [RED, GREEN]).max() <= 3
    about = read_attributes(tmp_path / "test.h5")
    assert (about["show"], about["source"], about["size"]) == ("no", "folder", 16)
    assert read_array(tmp_path / "test.h5", "images").values.shape == (2, 16, 16, 3)
    assert read_table(tmp_path / "test_missing.tsv").empty


def test_missing_pictures_stop_with_a_list_unless_they_may_be_missing(tmp_path):
    put(tmp_path / "have" / f"{NATURAL}.JPEG", RED, "JPEG")
    names = wanted(NATURAL, "n01677366_18182", "n01443537_22563")
    settings = {"source": "folder", "folder": str(tmp_path / "have"), "ask": "https://example.org/ask"}
    with pytest.raises(DataError, match=r"2 of 3 pictures of the set 'test' are missing from .*have") as error:
        import_set("test", names, StimulusSettings(**settings), 16, tmp_path / "test.h5")
    assert "n01677366_18182, n01443537_22563" in str(error.value)
    assert (
        "; ask for them at https://example.org/ask, or leave these stimuli out of the study (samples: leave_out; "
        in (str(error.value))
    )
    # Left out by name, as the sentence says, they are not looked for (scripts/import_stimuli.py).
    import_set("few", names[:1], StimulusSettings(**settings), 16, tmp_path / "few.h5")
    assert list(colours(tmp_path / "few.h5")) == [NATURAL]
    assert not (tmp_path / "test.h5").exists()
    assert list(read_table(tmp_path / "test_missing.tsv")["stimulus"]) == ["n01677366_18182", "n01443537_22563"]
    import_set("test", names, StimulusSettings(**settings, allow_missing=True), 16, tmp_path / "test.h5")
    assert list(colours(tmp_path / "test.h5")) == [NATURAL]
    assert read_array(tmp_path / "test.h5", "names").rows == ["n01677366_18182", "n01443537_22563"]
    assert read_attributes(tmp_path / "test.h5")["images"] == "partial"
    none = StimulusSettings(**{**settings, "folder": str(tmp_path)}, allow_missing=True)
    with pytest.raises(DataError, match=r"2 of 2 pictures .*it holds have/n03079230_8270\.JPEG"):
        import_set("test", names[1:], none, 16, tmp_path / "none.h5")
    with pytest.raises(DataError, match="is no folder"):
        import_set("test", names, StimulusSettings("folder", folder=str(tmp_path / "no")), 16, tmp_path / "test.h5")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"source": "folder", "ask": "https://example.org"},
            "The 2 pictures .* ask for them at https://example.org and give",
        ),
        ({"source": "missing", "reason": "they are lost."}, r"^No pictures of the set 'test': they are lost\.$"),
        ({"source": "missing"}, "No pictures of the set 'test' are known"),
    ],
)
def test_a_set_without_pictures_is_its_names(tmp_path, settings, reason):
    import_set("test", wanted("b", "a"), StimulusSettings(**settings), 16, tmp_path / "test.h5")
    array, about = read_array(tmp_path / "test.h5", "names"), read_attributes(tmp_path / "test.h5")
    assert array.rows == ["b", "a"]
    assert about["images"] == "missing"
    assert pd.Series([about["reason"]]).str.contains(reason).all()
    assert list(read_table(tmp_path / "test_missing.tsv")["stimulus"]) == ["b", "a"]


def test_a_set_that_nobody_is_shown_is_an_empty_file(tmp_path):
    import_set("test", wanted(), StimulusSettings("events"), 16, tmp_path / "test.h5")
    assert read_array(tmp_path / "test.h5", "names").rows == []
    assert "No run or sample of this study shows" in read_attributes(tmp_path / "test.h5")["reason"]


def test_two_pictures_of_one_name_stop_unless_they_are_the_same(tmp_path):
    put(tmp_path / "have" / "a.png", RED)
    put(tmp_path / "have" / "copy" / "a.bmp", RED, "BMP")  # other bytes, equal pixels
    settings = StimulusSettings("folder", folder=str(tmp_path / "have"))
    import_set("test", wanted("a"), settings, 12, tmp_path / "test.h5")
    assert colours(tmp_path / "test.h5") == {"a": RED}
    put(tmp_path / "have" / "other" / "a.png", BLUE)
    with pytest.raises(DataError, match=r"two different pictures of the stimulus 'a': a\.png and other/a\.png"):
        import_set("test", wanted("a"), settings, 12, tmp_path / "test.h5")


def test_archives_of_the_registry(tmp_path):
    names = ["colorExpStim04_red_+", "letter_black_img011_A"]
    with zipfile.ZipFile(tmp_path / "shapes.zip", "w") as archive:
        archive.writestr("images/", "")
        archive.writestr("__MACOSX/images/._colorExpStim04_red_+.tif", "x")
        archive.writestr("images/colorExpStim04_red_+.tif", encoded(RED, kind="TIFF"))
        archive.writestr("images/LETTER_black_img011_a.TIFF", encoded(BLUE, kind="TIFF"))
    settings = StimulusSettings("registry")
    import_set("shapes", wanted(*names), settings, 12, tmp_path / "shapes.h5", archive=tmp_path / "shapes.zip")
    assert colours(tmp_path / "shapes.h5") == dict(zip(names, (RED, BLUE), strict=True))
    with pytest.raises(DataError, match=r"1 of 1 .*shapes\.zip \(it holds images/colorExpStim04_red_\+\.tif"):
        import_set("shapes", wanted("square"), settings, 12, tmp_path / "x.h5", archive=tmp_path / "shapes.zip")
    whole = (tmp_path / "shapes.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.zip cannot be read as a zip archive"):
        import_set("shapes", wanted(*names), settings, 12, tmp_path / "x.h5", archive=tmp_path / "cut.zip")
    place = whole.index(encoded(RED, kind="TIFF"))  # stored, not compressed
    (tmp_path / "bad.zip").write_bytes(whole[: place + 40] + b"\xff" * 20 + whole[place + 60 :])
    with pytest.raises(DataError, match=r"colorExpStim04_red_\+\.tif in .*bad\.zip cannot be read .*; get it again"):
        import_set("shapes", wanted(*names), settings, 12, tmp_path / "x.h5", archive=tmp_path / "bad.zip")


@pytest.mark.parametrize("folder", ["resources/downloaded/files/stimuli-shapes", "mine"])
def test_a_damaged_archive_is_one_sentence_that_never_says_to_delete_a_folder_of_ones_own(tmp_path, folder):
    archive = tmp_path / folder / "shapes.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.tif", bytes(range(256)) * 40)
    whole = archive.read_bytes()
    advice = f"delete {archive.parent} and run again" if folder.startswith("resources") else "get it again"
    for damage in (whole[:40] + b"\xff" * 30 + whole[70:], whole[:100]):
        archive.write_bytes(damage)
        with pytest.raises(DataError) as error:
            import_set("shapes", wanted("a"), StimulusSettings("registry"), 12, tmp_path / "x.h5", archive=archive)
        assert str(archive) in str(error.value) and str(error.value).endswith(f"; {advice}.")


def test_pictures_name_a_set_that_nobody_was_shown(tmp_path):
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("__MACOSX/letters/._letter_black_img013_C.tif", "x")
        for name, colour in (("013_C", BLUE), ("011_A", RED)):
            archive.writestr(f"letters/letter_black_img{name}.tif", encoded(colour, kind="TIFF"))
        archive.writestr("png/letter_black_img011_A.png", encoded(RED))
        archive.writestr("letters/readme.txt", "x")
    import_set(
        "letters", wanted(), StimulusSettings("registry"), 12, tmp_path / "l.h5", archive=tmp_path / "letters.zip"
    )
    assert colours(tmp_path / "l.h5") == {"letter_black_img011_A": RED, "letter_black_img013_C": BLUE}
    assert read_attributes(tmp_path / "l.h5")["show"] == "yes"
    assert read_table(tmp_path / "letters_missing.tsv").empty


def test_files_of_the_dataset_by_path_and_by_name(tmp_path):
    put(tmp_path / "stimuli" / "sub01" / "run1" / "F1.png", RED)
    put(tmp_path / "stimuli" / "sub01" / "run2" / "F1.png", RED)
    put(tmp_path / "stimuli" / "sub02" / "run1" / "F2.png", GREEN)
    put(tmp_path / "stimuli" / "elsewhere" / "F2.png", BLUE)  # not the one that the events name
    put(tmp_path / "stimuli" / "house.png", BLUE)
    files = ["sub01/run1/F1.png", "sub01/run2/F1.png", "sub02/run1/F2.png", None]
    settings = StimulusSettings("bids", folder=str(tmp_path / "stimuli"))
    import_set("test", wanted("F1", "F1", "F2", "house", files=files), settings, 12, tmp_path / "test.h5")
    assert colours(tmp_path / "test.h5") == {"F1": RED, "F2": GREEN, "house": BLUE}


def test_patterns_of_events(tmp_path):
    digits = {name: pattern for pattern, (name, _) in FIGURES.items()}
    names = wanted("plus", "X", patterns=[digits["plus"], digits["X"]])
    import_set("shapes", names, StimulusSettings("events", crop=12), 24, tmp_path / "shapes.h5")
    array = read_array(tmp_path / "shapes.h5", "images").take(["plus"])
    assert np.array_equal(array.values[0, ::2, ::2, 0] == 255, np.array(list(digits["plus"])).reshape(12, 12) == "1")
    with pytest.raises(DataError, match="two patterns of the stimulus 'X'"):
        both = wanted("X", "X", patterns=[digits["plus"], digits["X"]])
        import_set("shapes", both, StimulusSettings("events"), 24, tmp_path / "shapes.h5")


def test_imagery_takes_pictures_of_other_sets_and_their_terms(tmp_path):
    put(tmp_path / "have" / "a.png", RED)
    put(tmp_path / "have" / "b.png", BLUE)
    folder = {"folder": str(tmp_path / "have")}
    import_set("shapes", wanted("a"), StimulusSettings("folder", **folder), 12, tmp_path / "shapes.h5")
    import_set("test", wanted("b"), StimulusSettings("folder", **folder, show=False), 12, tmp_path / "test.h5")
    import_set("letters", wanted("c"), StimulusSettings("missing"), 12, tmp_path / "letters.h5")
    others = [tmp_path / f"{name}.h5" for name in ("shapes", "test", "letters")]
    import_set("imagery", wanted("b", "a"), StimulusSettings("sets"), 12, tmp_path / "imagery.h5", others=others)
    assert colours(tmp_path / "imagery.h5") == {"b": BLUE, "a": RED}
    assert read_attributes(tmp_path / "imagery.h5")["show"] == "no"
    import_set("imagery", wanted("a"), StimulusSettings("sets"), 12, tmp_path / "imagery.h5", others=others)
    assert read_attributes(tmp_path / "imagery.h5")["show"] == "yes"
    with pytest.raises(
        DataError, match="1 of 2 pictures of the set 'imagery' are missing from the other stimulus sets: c"
    ):
        import_set("imagery", wanted("a", "c"), StimulusSettings("sets"), 12, tmp_path / "imagery.h5", others=others)
    table = list_stimuli(others, tmp_path / "stimuli.tsv")
    assert table.to_dict("list") == {
        "stimulus": ["a", "b", "c"],
        "stimulus_set": ["shapes", "test", "letters"],
        "category": ["a", "b", "c"],
        "picture": ["yes", "hidden", "missing"],
        "kind": ["other"] * 3,
        "colour": [None] * 3,
        "shape": [None] * 3,
    }
    assert len(read_table(tmp_path / "stimuli.tsv")) == 3


def test_settings_know_where_pictures_come_from():
    with pytest.raises(ConfigError, match="from is 'internet'; give folder, registry"):
        StimulusSettings("internet")


def test_the_script_takes_the_names_of_its_set_from_events_and_leaves_some_out(tmp_path):
    spec = importlib.util.spec_from_file_location("import_stimuli", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    events = tmp_path / "events.tsv"
    events.write_text(
        "onset\tduration\ttrial_type\tstim_file\tstimulus_set\n0\t4\tface\tx/a.png\tn/a\n4\t4\tface\tb.png\ttest\n"
        "8\t4\tface\tc.png\tn/a\n12\t4\trest\tn/a\tn/a\n"
    )
    put(tmp_path / "stimuli" / "x" / "a.png", RED)
    put(tmp_path / "stimuli" / "b.png", BLUE)
    settings = {
        "stimulus_set": "train", "source": {"from": "bids", "show": False}, "reason": "", "bids": str(tmp_path), "size": 12,
        "imagery_stimuli": None, "leave_out": ["c"], "apart": {},
    }  # fmt: skip
    script.main({"events": [str(events)]}, str(tmp_path / "train.h5"), settings)
    assert colours(tmp_path / "train.h5") == {"a": RED}
    assert read_attributes(tmp_path / "train.h5")["show"] == "no"
    other = {**settings, "stimulus_set": "test", "run_sets": {str(events): "train"}}
    script.main({"events": [str(events)]}, str(tmp_path / "test.h5"), other)
    assert colours(tmp_path / "test.h5") == {"b": BLUE}
    script.main(
        {"events": [str(events)]}, str(tmp_path / "test.h5"), {**other, "source": {}, "reason": "they are lost"}
    )
    assert "they are lost" in read_attributes(tmp_path / "test.h5")["reason"]
