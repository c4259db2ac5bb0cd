"""Sizes of layers, bounds and mean colour: the published forms are read, everything else is refused."""

import numpy as np
import pytest
from published_archives import FORMATS, mat_v5, write_zip

from fmri2image.core.errors import DataError
from fmri2image.features.feature_std import (
    ddof_of,
    feature_sd,
    read_act_range,
    read_channel_means,
    read_feature_std,
)

NAME = "estimated_vgg19_cnn_feat_std.mat"
CHANNELS = "estimated_cnn_feat_std_VGG_ILSVRC_19_layers_ImgSize_224x224_chwise_dof1.mat"


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_one_number_per_layer(tmp_path, write):
    (tmp_path / NAME).write_bytes(write(conv1_1=np.array(54.19), fc6=np.array([[11.587]]), pool1=np.array(80.0)))
    found = read_feature_std(tmp_path / NAME)
    assert found == {"conv1_1": pytest.approx(54.19), "fc6": pytest.approx(11.587), "pool1": 80}
    assert all(type(value) is float for value in found.values())
    assert ddof_of(tmp_path / NAME) == 0
    assert feature_sd(tmp_path / NAME, "conv1_1", (64, 224, 224)) == pytest.approx(54.19)
    inside = write_zip(
        tmp_path / "models.zip", {f"a/{NAME}": (tmp_path / NAME).read_bytes(), "a/other.mat": mat_v5(x=np.ones(2))}
    )
    assert read_feature_std(inside) == found


@pytest.mark.parametrize(("layer", "shape"), [("conv1_1", (5, 3, 4)), ("fc6", (12,))])
def test_one_number_per_channel_with_another_ddof(tmp_path, layer, shape):
    rng = np.random.default_rng(0)
    true = rng.standard_normal((30, *shape)) * np.arange(1, shape[0] + 1).reshape(-1, *[1] * (len(shape) - 1))
    positions = tuple(range(2, true.ndim)) or (1,)
    per_channel = true.std(axis=positions, ddof=1).mean(axis=0)  # (channels,) or one number
    (tmp_path / CHANNELS).write_bytes(mat_v5(**{layer: np.asarray(per_channel).reshape(1, -1, 1, 1)}))
    assert ddof_of(tmp_path / CHANNELS) == 1
    expected = true.std(axis=positions).mean()  # ddof 0, as the sizes of decoded features
    assert feature_sd(tmp_path / CHANNELS, layer, shape) == pytest.approx(expected)
    assert feature_sd(tmp_path / CHANNELS, layer, shape) < read_feature_std(tmp_path / CHANNELS)[layer]


def test_channels_without_a_value_are_left_out(tmp_path):
    (tmp_path / CHANNELS).write_bytes(mat_v5(conv1_1=np.array([1.0, np.nan, 3.0])))
    assert read_feature_std(tmp_path / CHANNELS) == {"conv1_1": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mat_v5(conv1_1=np.array(-1.0)), "'conv1_1' are not positive"),
        (mat_v5(conv1_1=np.array(0.0)), "'conv1_1' is 0"),
        (mat_v5(conv1_1=np.array(np.nan)), "'conv1_1' is nan"),
        (mat_v5(conv1_1=np.array(np.inf)), "not positive numbers"),
        (mat_v5(conv1_1=np.array(["text"])), "not positive numbers"),
        (mat_v5(), "holds no variables"),
        (b"conv1_1 54.19", "cannot be read as a MATLAB file"),
    ],
)
def test_other_files_of_sizes_are_refused(tmp_path, content, message):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_feature_std(tmp_path / NAME)


def test_missing_files_and_layers_are_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_feature_std(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(mat_v5(conv1_1=np.array(54.19)))
    with pytest.raises(DataError, match="no SD of layer 'fc6'; it holds conv1_1"):
        feature_sd(tmp_path / NAME, "fc6", (4096,))
    two = write_zip(tmp_path / "two.zip", {f"{i}_feat_std.mat": mat_v5(a=np.ones(1)) for i in range(2)})
    with pytest.raises(DataError, match="holds 2"):
        read_feature_std(two)


def test_bounds_of_the_latent(tmp_path):
    numbers = np.random.default_rng(0).integers(2, 7, 4096)
    one_line, lines = tmp_path / "fc7.txt", tmp_path / "lines.txt"
    one_line.write_text(" ".join(map(str, numbers)) + " \n", encoding="ascii")  # the real file ends in a space
    np.savetxt(lines, numbers)
    np.testing.assert_array_equal(read_act_range(one_line, 4096), numbers)
    np.testing.assert_array_equal(read_act_range(lines, 4096), numbers)
    with pytest.raises(DataError, match="holds 4096 bounds, but the generator's latent has 9216 units"):
        read_act_range(one_line, 9216)
    for text, message in (("1 -2", "at least 0"), ("0 0", "not all 0"), ("1 nan", "finite"), ("1 x", "numbers only")):
        lines.write_text(text, encoding="ascii")
        with pytest.raises(DataError, match=message):
            read_act_range(lines, 2)
    with pytest.raises(DataError, match="cannot be read"):
        read_act_range(tmp_path / "absent.txt", 2)


def test_mean_colour(tmp_path):
    path = tmp_path / "ilsvrc_2012_mean.npy"
    image = np.random.default_rng(0).uniform(90, 130, (3, 8, 8)) + np.array([0, 5, 9])[:, None, None]
    np.save(path, image)
    assert read_channel_means(path) == pytest.approx(image.mean(axis=(1, 2)))
    for bad in (image.transpose(1, 2, 0), image / 255, image * 1j, image[:2]):
        np.save(path, bad)
        with pytest.raises(DataError, match="expected"):
            read_channel_means(path)
    path.write_bytes(b"not an array")
    with pytest.raises(DataError, match="cannot be read as a NumPy array"):
        read_channel_means(path)
