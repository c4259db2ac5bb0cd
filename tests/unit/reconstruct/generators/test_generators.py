"""Generators: shapes against a table written down apart, the image domain, published files, bounds."""

import io
import math
import zipfile

import numpy as np
import pytest
import torch
from caffe_writer import caffe_bytes
from torch import nn

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.convert.convert import convert_weights
from fmri2image.features.convert.generators import Widths, unit_steps
from fmri2image.features.convert.tables import Table, table
from fmri2image.features.networks.vgg import ARCHITECTURES as NETWORKS
from fmri2image.features.networks.weights import write_weights
from fmri2image.reconstruct.generators import GENERATORS, build_generator, generator_module, read_bounds
from fmri2image.reconstruct.generators.deepsim import ARCHITECTURES, DeepGenerator

# Name, inputs, outputs, kernel, stride and the side behind the layer, read in the published prototxt, layer by layer.
PUBLISHED = [
    ("defc7", 4096, 4096, None, None, None), ("defc6", 4096, 4096, None, None, None),
    ("defc5", 4096, 4096, None, None, None),
    ("deconv5", 256, 256, 4, 2, 8), ("conv5_1", 256, 512, 3, 1, 8), ("deconv4", 512, 256, 4, 2, 16),
    ("conv4_1", 256, 256, 3, 1, 16), ("deconv3", 256, 128, 4, 2, 32), ("conv3_1", 128, 128, 3, 1, 32),
    ("deconv2", 128, 64, 4, 2, 64), ("deconv1", 64, 32, 4, 2, 128), ("deconv0", 32, 3, 4, 2, 256),
]  # fmt: skip
PARAMETERS = 56_097_891  # weights and biases of the above, added by hand
TINY = {"units": [12, 10, 10, 54], "side": 3, "blocks": [[5, 6], [4, 4]], "narrow": [3], "size": 44}
TINY_WIDTHS = Widths((12, 10, 10, 54), 3, ((5, 6), (4, 4)), (3,))
TINY_TABLE = Table(
    "generator-fc7", {"name": "generator-fc7"}, "caffenet-caffe", dict(table("generator-fc7").configuration),
    unit_steps(TINY_WIDTHS), input_shape=(12,), layer="fc7",
)  # fmt: skip


def test_the_published_generator_has_the_published_shapes():
    with torch.device("meta"):
        generator = DeepGenerator("deepsim-fc7", ARCHITECTURES["deepsim-fc7"])
        sides = {}
        for name, module in generator.named_children():
            module.register_forward_hook(lambda _, __, output, name=name: sides.update({name: output.shape[2:]}))
        raw = generator.raw(torch.empty(2, 4096))
        assert generator(torch.empty(2, 4096)).shape == (2, 3, 224, 224)
    assert raw.shape == (2, 3, 256, 256)
    wanted = {}
    for name, n_in, n_out, kernel, _, _ in PUBLISHED:
        wanted[f"{name}.weight"] = (n_out, n_in) if kernel is None else (n_in, n_out, kernel, kernel)
        wanted[f"{name}.bias"] = (n_out,)
    assert {name: tuple(value.shape) for name, value in generator.state_dict().items()} == wanted
    assert list(wanted) == list(generator.state_dict())
    assert sum(math.prod(shape) for shape in wanted.values()) == PARAMETERS
    for name, _, _, _, stride, side in PUBLISHED:
        assert tuple(sides[name]) == (() if side is None else (side, side))
        assert stride is None or getattr(generator, name).stride == (stride, stride)
    assert generator.latent_shape == (4096,)


def test_forward_pass_is_that_of_a_plain_sequence():
    generator = build_generator({"name": "deepsim-small", "seed": 3})
    leaky = nn.LeakyReLU(0.3)
    reference = nn.Sequential(
        nn.Linear(256, 256), leaky, nn.Linear(256, 256), leaky, nn.Linear(256, 800), leaky, nn.Unflatten(1, (32, 5, 5)),
        nn.ConvTranspose2d(32, 48, 4, 2, 1), leaky, nn.ConvTranspose2d(48, 64, 3, 1, 1), leaky,
        nn.ConvTranspose2d(64, 48, 4, 2, 1), leaky, nn.ConvTranspose2d(48, 48, 3, 1, 1), leaky,
        nn.ConvTranspose2d(48, 32, 4, 2, 1), leaky, nn.ConvTranspose2d(32, 32, 3, 1, 1), leaky,
        nn.ConvTranspose2d(32, 3, 4, 2, 1),
    )  # fmt: skip
    state = dict(zip(reference.state_dict(), generator.state_dict().values(), strict=True))
    reference.load_state_dict(state)
    latent = torch.rand(2, 256, generator=torch.Generator().manual_seed(0)) * 3
    with torch.no_grad():
        bgr = reference(latent)[:, :, 8:72, 8:72]
        torch.testing.assert_close(generator(latent), (bgr + 0.5).flip(1))
    assert 0.1 < generator(latent).std() < 10  # random weights keep the size of activations


def test_random_weights_leave_no_grid_in_the_image():
    """The mean size of the four pixels that come of one is about the same; with free random kernels it is not."""
    latent = torch.rand(64, 256, generator=torch.Generator().manual_seed(0)) * 3

    def unevenness(generator: DeepGenerator) -> float:
        with torch.no_grad():
            images = generator(latent)
        phases = torch.stack([images[:, :, y::2, x::2].mean((0, 2, 3)) for y in (0, 1) for x in (0, 1)])
        return float(phases.std(0).mean() / images.std())

    generator = build_generator({"name": "deepsim-small", "seed": 3})
    smooth = unevenness(generator)
    for name in ("deconv5", "deconv4", "deconv3", "deconv0"):
        weight = getattr(generator, name).weight
        weight.data.normal_(0, weight.detach().std().item(), generator=torch.Generator().manual_seed(1))
    assert smooth < 0.02 < 0.1 < unevenness(generator)


def test_images_come_out_as_the_network_takes_them():
    """The published scripts hand the generator's middle to VGG19 as it is: nothing may change on the way over RGB."""
    published = ARCHITECTURES["deepsim-fc7"]
    with torch.device("meta"):
        generator = DeepGenerator("deepsim-fc7", published)
    vgg19 = NETWORKS["vgg19"]
    assert (published.widths.size, published.size, published.offset) == (256, 224, 16)
    assert (generator.domain.channels, generator.domain.maximum) == ("BGR", 255.0)
    assert generator.domain.mean == tuple(vgg19.mean)
    bgr = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 255 - 120
    rgb = generator.domain.to_rgb(bgr)
    assert rgb[0, 0, 0, 0] == pytest.approx((float(bgr[0, 2, 0, 0]) + vgg19.mean[2]) / 255)
    torch.testing.assert_close(generator.domain.from_rgb(rgb), bgr)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_fits_the_networks_it_is_said_to_fit(name):
    from fmri2image.features.networks import NETWORKS as KNOWN

    assert generator_module(name) == "fmri2image.reconstruct.generators.deepsim"
    fitting = [network for network in NETWORKS if NETWORKS[network].size == ARCHITECTURES[name].size]
    assert sorted(GENERATORS[name].networks) == sorted(set(fitting) & set(KNOWN))


def test_images_carry_gradients_to_the_latent():
    generator = build_generator({"name": "deepsim-small", "seed": 3})
    latent = torch.rand(2, 256, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(generator(latent).square().sum(), latent)
    assert gradient.abs().min(1).values.ge(0).all() and (gradient != 0).float().mean() > 0.99


def test_wrong_settings_and_latents_are_refused():
    with pytest.raises(ConfigError, match="generator 'dcgan' is unknown; use one of deepsim-fc7, deepsim-small"):
        build_generator({"name": "dcgan", "seed": 0})
    with pytest.raises(ConfigError, match="need a 'name'"):
        build_generator({"seed": 0})
    with pytest.raises(ConfigError, match="no setting depth"):
        build_generator({"name": "deepsim-small", "seed": 0, "depth": 3})
    with pytest.raises(ConfigError, match="needs 'weights'"):
        build_generator({"name": "deepsim-small"})
    with pytest.raises(DataError, match=r"shape \(n, 256\); this is \(2, 4096\)"):
        build_generator({"name": "deepsim-small", "seed": 0})(torch.zeros(2, 4096))


def tiny_arrays() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return {name: torch.randn(shape, generator=random) * 0.2 for name, shape in TINY_TABLE.arrays.items()}


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def torch_bytes(arrays: dict[str, torch.Tensor]) -> bytes:
    stream = io.BytesIO()
    torch.save(arrays, stream)
    return stream.getvalue()


def test_published_archives_convert_and_load(tmp_path):
    """Caffe's and KamitaniLab's archives, each with the other generators beside the one of fc7."""
    arrays = tiny_arrays()
    caffe, other = caffe_bytes(TINY_TABLE, arrays), b"\n\x03fc6 of another layer"
    archives = {
        "deepsim-v0": zipped(**{f"release_deepsim_v0/{layer}/generator.caffemodel": caffe if layer == "fc7" else other
                                for layer in ("fc6", "fc7", "pool5")}),
        "generators-kamitani-torch": zipped(**{"generators/generator_relu7.pt": torch_bytes(arrays),
                                               "generators/generator_relu6.pt": torch_bytes({"x": torch.ones(1)})}),
    }  # fmt: skip
    members = GENERATORS["deepsim-fc7"].members
    latent = torch.rand(2, 12, generator=torch.Generator().manual_seed(6)) * 3
    images = {}
    for entry, content in archives.items():
        source, weights = tmp_path / f"{entry}.zip", tmp_path / f"{entry}.safetensors"
        source.write_bytes(content)
        about = convert_weights(source, weights, weights.with_suffix(".json"), table=TINY_TABLE, member=members[entry])
        assert (about["kind"], about["network"]) == ("generator", "generator-fc7")
        generator = build_generator({"name": "deepsim-fc7", **TINY, "weights": weights, "bounds": "elsewhere"})
        assert generator.attributes["belongs_to"] == "caffenet-caffe"
        torch.testing.assert_close(generator.conv4_1.weight, arrays["conv4_1.weight"], rtol=0, atol=0)
        with torch.no_grad():
            images[entry] = generator(latent)
    assert images["deepsim-v0"].shape == (2, 3, 44, 44)
    torch.testing.assert_close(images["deepsim-v0"], images["generators-kamitani-torch"], rtol=0, atol=0)


def test_weights_of_another_generator_are_refused(tmp_path):
    weights = tmp_path / "weights.safetensors"
    write_weights(weights, build_generator({"name": "deepsim-small", "seed": 0}), {})
    with pytest.raises(DataError, match="'deepsim-small', not of 'deepsim-fc7'"):
        build_generator({"name": "deepsim-fc7", "weights": weights})
    with pytest.raises(DataError, match="does not fit network 'deepsim-small'"):
        build_generator({"name": "deepsim-small", "units": [256, 8, 8, 800], "weights": weights})


def test_weights_kept_in_half_precision_are_read_as_single(tmp_path):
    weights, generator = tmp_path / "weights.safetensors", build_generator({"name": "deepsim-small", "seed": 0})
    write_weights(weights, generator.half(), {})
    read = build_generator({"name": "deepsim-small", "weights": weights})
    assert read.defc7.weight.dtype == torch.float32
    torch.testing.assert_close(read.defc7.weight, generator.defc7.weight.float(), rtol=0, atol=0)


def test_bounds_of_units(tmp_path):
    numbers = np.random.default_rng(0).integers(2, 7, 4096)
    path = tmp_path / "fc7.txt"
    path.write_text(" ".join(map(str, numbers)) + " \n", encoding="ascii")
    np.testing.assert_array_equal(read_bounds(path), numbers)
    np.testing.assert_array_equal(read_bounds(path, 4096), numbers)
    with pytest.raises(DataError, match="holds 4096 bounds, but the generator's latent has 256 units"):
        read_bounds(path, 256)
    path.write_text("", encoding="ascii")
    with pytest.raises(DataError, match="bounds must be finite"):
        read_bounds(path)
