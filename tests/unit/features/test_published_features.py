"""Published true features against our own: archives of the published kinds, written here, give the files that we extract."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from published_archives import FORMATS, mat_v5, mat_v73, write_zip

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.convert.tables import table
from fmri2image.features.extract import write_features
from fmri2image.features.networks import build_network
from fmri2image.features.published import describe_layer, import_features, stimulus_names
from fmri2image.features.published_mean import read_mean_features

TINY = {"name": "vgg-small", "size": 32, "widths": [3, 4, 4, 5, 6], "units": [7, 6, 5]}
LAYERS = ["conv1_1", "conv1_2", "conv2_1", "fc6", "fc7"]
SHAPE = (3, 4, 4)
STIMULI = ["n03079230_8270", "n01443537_22563", "colorExpStim04_red_+"]


@pytest.fixture
def features():
    """Features of three stimuli in a layer of shape (3, 4, 4)."""
    return np.random.default_rng(1).standard_normal((3, *SHAPE)).astype(np.float32)


def run(sources, output, stimuli=STIMULI, layer="conv1_1", shape=SHAPE, **more):
    import_features(sources, layer, stimuli, output, shape=shape, attributes={"layer": layer}, layers=LAYERS, **more)
    return read_array(output, "features")


def members(features, pattern="conv1_1/{}.mat", names=STIMULI, write=mat_v5):
    return {pattern.format(name): write(feat=values) for name, values in zip(names, features, strict=True)}


# Round trip ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv2_1", "fc7"])
@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("leading", [True, False], ids=["(1, C, H, W)", "(C, H, W)"])
def test_what_we_extract_comes_back_equal(tmp_path, layer, write, leading):
    network = build_network({**TINY, "seed": 4})
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    images = LabelledArray(pixels, ["n01_1", "n02_2", "letter_black_img011_A", "colorExpStim04_red_+"])
    write_features({layer: tmp_path / "own.h5"}, network, images, 3, {"simulated": False})
    own = read_array(tmp_path / "own.h5", "features")
    files = {}
    for name in reversed(own.rows):  # another order than that of the rows
        values = own.values[own.rows.index(name)]
        files[f"caffe/VGG_ILSVRC_19_layers/{layer}/{name}.mat"] = write(feat=values[None] if leading else values)
    files["caffe/VGG_ILSVRC_19_layers/fc6/n01_1.mat"] = write(feat=np.ones((1, 7)))
    files[f"__MACOSX/{layer}/._n01_1.mat"] = b"not a MATLAB file"
    files = {name[:-4] + ".MAT" if number == 0 else name: data for number, (name, data) in enumerate(files.items())}
    archive = write_zip(tmp_path / "features.zip", files)
    shape, attributes, layers = describe_layer(TINY, layer)
    import_features(
        [archive],
        layer,
        own.rows,
        tmp_path / "imported.h5",
        shape=shape,
        attributes=attributes,
        layers=layers,
        about={"simulated": False},
    )
    imported = read_array(tmp_path / "imported.h5", "features")
    assert imported.rows == own.rows
    assert imported.values.dtype == own.values.dtype
    np.testing.assert_array_equal(imported.values, own.values)
    assert {key: str(value) for key, value in imported.attributes.items()} == {
        key: str(value) for key, value in own.attributes.items()
    }
    assert list(read_attributes(tmp_path / "imported.h5")["published"]) == ["features.zip"]
    with h5py.File(tmp_path / "own.h5") as a, h5py.File(tmp_path / "imported.h5") as b:
        assert set(a) == set(b)
        assert a["features"].dtype == b["features"].dtype


def test_the_description_needs_no_weights_and_has_the_published_shapes():
    shape, attributes, layers = describe_layer({"name": "vgg19", "weights": "absent.safetensors"}, "conv3_4")
    assert shape == (256, 56, 56)
    assert attributes["network"] == "vgg19"
    assert attributes["belongs_to"] == table("vgg19").belongs_to  # as the weights, so that generators know them
    assert attributes["units"] == "activation before rectification"
    assert len(layers) == 19
    assert sum(np.prod(describe_layer({"name": "vgg19"}, layer)[0]) for layer in layers) == 14_861_288
    with pytest.raises(ConfigError, match="no layer pool5"):
        describe_layer({"name": "vgg19"}, "pool5")
    with pytest.raises(ConfigError, match="squeezenet1_1"):
        describe_layer({"name": "squeezenet1_1"}, "conv1_1")


@pytest.mark.parametrize(
    "names",
    [
        ["n03079230_8270.JPEG", "n01443537_22563.jpg", "colorExpStim04_red_+.png"],
        ["n03079230_008270", "N01443537_22563", "COLOREXPSTIM04_red_+"],
        ["3079230.008270", "1443537.022563", "colorExpStim04_red_+"],
    ],
    ids=["image endings", "zeros and case", "stimulus_id"],
)
def test_other_ways_of_writing_names(tmp_path, features, names):
    archive = write_zip(tmp_path / "a.zip", members(features, names=names))
    np.testing.assert_array_equal(run([archive], tmp_path / "out.h5").values, features)


def test_layers_in_the_name_of_the_archive_and_in_folders(tmp_path, features):
    flat = write_zip(tmp_path / "features-ImageNetTraining-caffe-VGG19-conv1_1.zip", members(features, "{}.mat"))
    other = write_zip(tmp_path / "features-ImageNetTraining-caffe-VGG19-conv1_2.zip", members(features * 2, "{}.mat"))
    np.testing.assert_array_equal(run([other, flat], tmp_path / "out.h5").values, features)
    folder = tmp_path / "unpacked" / "conv1_1"
    folder.mkdir(parents=True)
    for name, content in members(features, "{}.mat", write=mat_v73).items():
        (folder / name).write_bytes(content)
    np.testing.assert_array_equal(run([tmp_path / "unpacked"], tmp_path / "out.h5").values, features)
    np.testing.assert_array_equal(run([folder], tmp_path / "out.h5").values, features)
    with pytest.raises(DataError, match="holds no layer fc6; it holds conv1_1, conv1_2"):
        run([flat, other], tmp_path / "no.h5", layer="fc6")
    nameless = write_zip(tmp_path / "features.zip", members(features, "{}.mat"))
    with pytest.raises(DataError, match="neither folders nor the archive's name say a layer"):
        run([nameless], tmp_path / "no.h5")


def test_random_units_are_taken_only_when_asked_for(tmp_path, features):
    units = features.reshape(3, 1, -1)[:, :, :20]
    archive = write_zip(tmp_path / "random.zip", members(units))
    with pytest.raises(DataError, match="random choice of units.*subset: true"):
        run([archive], tmp_path / "no.h5")
    stored = run([archive], tmp_path / "out.h5", subset=True)
    np.testing.assert_array_equal(stored.values, units[:, 0])
    assert stored.attributes["units_subset"] == "True"
    assert list(stored.attributes["shape"]) == [20]


# What is refused -------------------------------------------------------------------------------------------------------


def damaged_archive(path, features):
    """An archive whose second member has one wrong byte."""
    write_zip(path, members(features), zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[1].header_offset
    data = bytearray(path.read_bytes())
    data[start + 200] ^= 0xFF
    path.write_bytes(data)


def spoiled(features, where, value):
    features = features.copy()
    features[where] = value
    return features


REFUSED = {
    "missing": (lambda f: dict(list(members(f).items())[:2]), r"1 of 3 stimuli are missing \(colorExpStim04_red_\+\)"),
    "twice": (lambda f: members(f) | members(f[:1], "b/conv1_1/{}.JPEG.mat", STIMULI[:1]), "is there twice"),
    "last axis": (lambda f: members(f[:, :2].transpose(0, 2, 3, 1)), r"shape \(4, 4, 2\), but layer conv1_1 has"),
    "other order": (lambda f: members(f.reshape(3, 4, 3, 4)), "same number in another order"),
    "infinite": (lambda f: members(spoiled(f, (1, 0, 0, 0), np.inf)), "1 of 48 features are not finite"),
    "not a number": (lambda f: members(spoiled(f, (1, 0, 0), np.nan)), "4 of 48 features are not finite"),
    "rectified": (lambda f: members(np.maximum(f, 0)), "these look rectified"),
    "constant": (lambda f: members(spoiled(f, 1, -2)), "all features are -2"),
    "other variable": (
        lambda f: {n: mat_v5(feature=v) for n, v in zip(members(f), f, strict=True)},
        "no variable 'feat'",
    ),
    "no MATLAB file": (lambda f: dict.fromkeys(members(f), b"text"), "cannot be read as a MATLAB file"),
    "all in one": (
        lambda f: members(f) | {f"conv1_1/{STIMULI[0]}.mat": bytes(10_100_000)},
        "one file per image is expected",
    ),
    "other archives": (lambda f: {"conv1_1.zip": b""}, "holds other archives"),
    "nothing": (lambda f: {"readme.txt": b""}, "no file that ends in .mat"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_sentence_and_without_a_file(tmp_path, features, case):
    make, message = REFUSED[case]
    archive = write_zip(tmp_path / "a.zip", make(features))
    with pytest.raises(DataError, match=message) as error:
        run([archive], tmp_path / "out.h5")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_damaged_archives_are_refused(tmp_path, features):
    damaged_archive(tmp_path / "a.zip", features)
    with pytest.raises(DataError, match="cannot be unpacked.*fetch the archive again"):
        run([tmp_path / "a.zip"], tmp_path / "out.h5")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-300])
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        run([tmp_path / "cut.zip"], tmp_path / "out.h5")
    with pytest.raises(DataError, match="does not exist"):
        run([tmp_path / "absent.zip"], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_an_odd_image_without_negative_features_passes(tmp_path, features):
    archive = write_zip(tmp_path / "a.zip", members(spoiled(features, 0, np.abs(features[0]))))
    assert run([archive], tmp_path / "out.h5").rows == STIMULI


def test_stimuli_that_look_alike_are_refused(tmp_path, features):
    archive = write_zip(tmp_path / "a.zip", members(features))
    with pytest.raises(DataError, match="cannot be told apart"):
        run([archive], tmp_path / "out.h5", stimuli=["n01_1", "n01_0001"])


def test_features_of_another_size_and_twins_are_reported(tmp_path, features, caplog):
    archive = write_zip(tmp_path / "a.zip", members(features))
    run([archive], tmp_path / "out.h5", expected_sd=1.1)
    assert not caplog.records or all(record.levelname != "WARNING" for record in caplog.records)
    assert read_attributes(tmp_path / "out.h5")["sd_against_expected"] == pytest.approx(
        features.reshape(3, 3, -1).std(axis=2).mean() / 1.1
    )
    features[1] = features[0]
    run([write_zip(tmp_path / "b.zip", members(features))], tmp_path / "out.h5", expected_sd=54.19)
    warnings = " ".join(record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "are identical" in warnings
    assert "torchvision" in warnings


# Means and names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_mean_features_in_every_layout(tmp_path, features, write):
    mean, other = features[0], features[1]
    layouts = {
        "one file": {"data/features/VGG_ILSVRC_19_layers/mean.mat": write(conv1_1=mean[None], conv1_2=other[None])},
        "per layer": {
            "conv1_1/mean.mat": write(mean=mean[None]),
            "conv1_2/mean.mat": write(mean=other[None]),
        },
        "decoder": {
            "conv1_1/sub-01/VC/model/y_mean.mat": write(y_mean=mean[None]),
            "conv1_1/sub-01/VC/model/x_mean.mat": write(x_mean=np.ones((1, 9))),
        },
        "flat": {"conv1_1.mat": write(feat=mean), "conv1_2.mat": write(feat=other)},
    }
    for name, content in layouts.items():
        archive = write_zip(tmp_path / f"{name}.zip", content)
        np.testing.assert_array_equal(read_mean_features(archive, "conv1_1", SHAPE), mean, err_msg=name)
        with pytest.raises(DataError, match="it holds 0"):
            read_mean_features(archive, "fc6", (7,))
    (tmp_path / "mean.mat").write_bytes(layouts["one file"]["data/features/VGG_ILSVRC_19_layers/mean.mat"])
    np.testing.assert_array_equal(read_mean_features(tmp_path / "mean.mat", "conv1_1", SHAPE), mean)
    with pytest.raises(DataError, match="has the shape"):
        read_mean_features(tmp_path / "mean.mat", "conv1_1", (3, 4, 5))


def test_names_of_a_stimulus_set_with_and_without_pictures(tmp_path):
    images = LabelledArray(np.zeros((2, 3, 3, 3), dtype=np.uint8), ["b", "a"])
    write_arrays(tmp_path / "images.h5", {"images": images})
    write_arrays(tmp_path / "names.h5", {"names": LabelledArray(np.zeros((2, 1), dtype=np.uint8), ["d", "c"])})
    write_arrays(tmp_path / "other.h5", {"other": images})
    assert stimulus_names(tmp_path / "images.h5") == ["b", "a"]
    assert stimulus_names(tmp_path / "names.h5") == ["d", "c"]
    with pytest.raises(DataError, match="neither images nor names; it holds other"):
        stimulus_names(tmp_path / "other.h5")


# Memory ----------------------------------------------------------------------------------------------------------------

MEASURE = """
import sys
import venv
from fmri2image.features.published import import_features
import_features([sys.argv[1]], "conv1_1", sys.argv[3:], sys.argv[2], shape=(64, 224, 224), attributes={}, layers=["conv1_1"])
# Not ru_maxrss, which a process inherits from the one that started it.
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc, which is Linux's")
@pytest.mark.parametrize("kind", ["v5 single", "v5 double", "v7.3"])
def test_the_largest_layer_takes_less_than_300_mb(tmp_path, kind):
    names = [f"n01443537_{number}" for number in range(6)]
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "conv1_1.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            values = rng.standard_normal((1, 64, 224, 224), dtype=np.float32) * 54
            values = values.astype(np.float64) if kind == "v5 double" else values
            archive.writestr(f"conv1_1/{name}.mat", (mat_v73 if kind == "v7.3" else mat_v5)(feat=values))
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "conv1_1.zip"), str(tmp_path / "out.h5"), *names]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = float(found.stdout)
    print(f"{kind}: {peak:.0f} MB")
    assert 0 < peak < 300
    assert (tmp_path / "out.h5").stat().st_size > 6 * 12.8e6


# Files by the library that the lab uses --------------------------------------------------------------------------------

WRITE = """
import os
import hdf5storage
import numpy as np
values = np.load("values.npz")
for layer in values:
    os.makedirs(f"features/{layer}")
    for python, name in enumerate(("n01_1", "n02_2")):
        hdf5storage.savemat(
            f"features/{layer}/{name}.mat", {"feat": values[layer] + python}, format="7.3", store_python_metadata=bool(python)
        )
hdf5storage.savemat("mean.mat", {layer: values[layer] for layer in values}, format="7.3")
"""


@pytest.mark.slow
def test_files_written_by_hdf5storage(tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "hdf5storage", "numpy<2", "setuptools"]
    found = subprocess.run(install, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"hdf5storage cannot be installed here: {found.stderr.strip().splitlines()[-1]}")
    rng = np.random.default_rng(0)
    layers = {"conv1_1": (3, 4, 5), "fc6": (7,)}
    values = {layer: rng.standard_normal((1, *shape)).astype(np.float32) for layer, shape in layers.items()}
    np.savez(tmp_path / "values.npz", **values)
    subprocess.run([str(python), "-c", WRITE], cwd=tmp_path, check=True)
    for layer, shape in layers.items():
        stored = run([tmp_path / "features"], tmp_path / "out.h5", ["n02_2", "n01_1"], layer, shape)
        np.testing.assert_array_equal(stored.values, np.concatenate([values[layer] + 1, values[layer]]))
        np.testing.assert_array_equal(read_mean_features(tmp_path / "mean.mat", layer, shape), values[layer][0])
