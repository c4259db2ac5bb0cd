"""What belongs together and what is refused, with both sides named."""

import json
import logging

import numpy as np
import pytest
from caffe_writer import TINY, TINY_SETTINGS, caffe_bytes, plausible_arrays

from fmri2image.core.errors import DataError
from fmri2image.features.convert.belongs import check_belongs
from fmri2image.features.convert.convert import convert_weights, read_description
from fmri2image.features.convert.tables import VGG19_SD
from fmri2image.features.extract import layer_attributes
from fmri2image.features.networks import build_network

GENERATOR = {"kind": "generator", "network": "generator-fc7", "belongs_to": "caffenet-caffe", "layer": "fc7"}
CAFFENET = {"network": "caffenet", "belongs_to": "caffenet-caffe", "layer": "fc7", "arrays_sha256": "c" * 64}
CAFFE = {
    "network": "vgg19",
    "belongs_to": "vgg19-caffe",
    "layer": "conv1_1",
    "arrays_sha256": "a" * 64,
    "architecture": json.dumps({"pooling": "max", "slope": 0.0}),
    "image_domain": json.dumps({"size": 224, "channels": "BGR", "mean": [104.0, 117.0, 123.0], "maximum": 255.0}),
}


def test_a_generator_takes_the_features_it_was_made_for():
    check_belongs(GENERATOR, CAFFENET)
    check_belongs(GENERATOR | {"arrays_sha256": "d" * 64}, CAFFENET)  # its own weights, not the network's
    check_belongs(GENERATOR, {"belongs_to": "caffenet-caffe"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            CAFFENET | {"belongs_to": "vgg19-caffe"},
            "gen.json was made for features 'caffenet-caffe', but fc7.h5 have 'vgg19",
        ),
        (CAFFENET | {"layer": "fc6"}, "gen.json was made for layer 'fc7', but fc7.h5 have 'fc6'"),
        ({"network": "caffenet", "layer": "fc7"}, "cannot be told whether"),
        ({}, "gen.json says belongs_to 'caffenet-caffe'.* and fc7.h5 say nothing"),
    ],
)
def test_a_generator_refuses_other_features(given, message):
    with pytest.raises(DataError, match=message):
        check_belongs(GENERATOR, given, "gen.json", "fc7.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"belongs_to": "vgg19-torchvision"}, "features 'vgg19-caffe', but the features have 'vgg19-torchvision'"),
        ({"network": "vgg16", "belongs_to": ""}, "network 'vgg19'"),
        ({"layer": "conv1_2"}, "layer 'conv1_1'"),
        ({"architecture": json.dumps({"pooling": "average", "slope": 0.2})}, "pooling max"),
        ({"architecture": json.dumps({"pooling": "max", "slope": 0.2})}, "slope 0.0"),
        ({"image_domain": json.dumps({"channels": "RGB"})}, "channels BGR"),
        ({"image_domain": json.dumps({"mean": [0.0, 0.0, 0.0]})}, "mean"),
        ({"belongs_to": "", "arrays_sha256": "b" * 64}, "weights aaaaaaaaaaaa"),
    ],
)
def test_a_decoder_refuses_features_of_another_network(change, message):
    check_belongs(CAFFE, dict(CAFFE))
    with pytest.raises(DataError, match=message):
        check_belongs(CAFFE, CAFFE | change, "the decoder")
    with pytest.raises(DataError, match="the decoder"):
        check_belongs(CAFFE | change, CAFFE, "the decoder")


def test_one_set_of_weights_in_two_files_belongs_together(caplog):
    with caplog.at_level(logging.WARNING):
        check_belongs(CAFFE, CAFFE | {"arrays_sha256": "b" * 64})
    assert "different files of its weights" in caplog.text


def test_published_features_without_a_digest_belong_to_the_network_they_name():
    published = {key: CAFFE[key] for key in ("network", "belongs_to", "layer")}
    check_belongs(published, CAFFE)
    check_belongs({"network": "vgg19", "layer": "conv1_1"}, CAFFE)


def test_attributes_of_real_files(tmp_path):
    """A network converted from Caffe, the same with average pooling, and one with other weights of the same shapes."""
    files = {}
    for seed in (0, 1):
        arrays = {name: values.numpy() for name, values in plausible_arrays(TINY, VGG19_SD, seed).items()}
        source = tmp_path / f"{seed}.caffemodel"
        source.write_bytes(caffe_bytes(TINY, arrays))
        files[seed] = tmp_path / f"{seed}.safetensors"
        convert_weights(source, files[seed], files[seed].with_suffix(".json"), table=TINY)

    def attributes(settings: dict, weights) -> dict:
        found = layer_attributes(build_network(settings, weights), "fc7")
        return {key: np.asarray(value).item() if np.ndim(value) == 0 else value for key, value in found.items()}

    trained_on = attributes(TINY_SETTINGS, files[0])
    check_belongs(trained_on, attributes(TINY_SETTINGS, files[0]))
    check_belongs(read_description(files[0]), trained_on)
    leaky = attributes(TINY_SETTINGS | {"pooling": "average", "slope": 0.2}, files[0])
    with pytest.raises(DataError, match="pooling max.*pooling average"):
        check_belongs(trained_on, leaky)
    unnamed = [attributes(TINY_SETTINGS, files[seed]) for seed in (0, 1)]
    for found in unnamed:
        del found["belongs_to"]
    with pytest.raises(DataError, match=r"weights [0-9a-f]{12}…, but the features have weights [0-9a-f]{12}…"):
        check_belongs(*unnamed)
