"""The objective: weights by hand, losses in plain NumPy, gradients by finite differences, precision."""

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.core.precision import computing
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import ImageDomain
from fmri2image.reconstruct.matching import Matching, layer_weights
from fmri2image.reconstruct.variables import Latents, Pixels

NETWORK = {"name": "vgg-small", "size": 32, "widths": [4, 4, 4, 4, 4], "units": [6, 5, 4], "seed": 2}
LAYERS = ["conv1_1", "conv3_2", "fc6", "fc8"]
CPU = torch.device("cpu")


class Affine(torch.nn.Module):
    """A generator of images of one colour gradient per latent."""

    latent_shape = (5,)

    def __init__(self, dtype):
        super().__init__()
        weight = torch.randn(5, 3 * 32 * 32, generator=torch.Generator().manual_seed(3)).to(dtype) * 0.1
        self.register_buffer("weight", weight)

    def forward(self, latent):
        return (torch.tanh(latent) @ self.weight.to(latent.dtype)).unflatten(1, (3, 32, 32)) + 0.5


def network_of(dtype):
    return build_network(NETWORK).to(dtype).requires_grad_(False)


@pytest.fixture
def double():
    """The network and two targets that no image has, float64."""
    network = network_of(torch.float64)
    generator = torch.Generator().manual_seed(0)
    shapes = {layer: (2, *network.layer_shapes[layer]) for layer in LAYERS}
    targets = {layer: torch.randn(s, generator=generator, dtype=torch.float64) * 3 for layer, s in shapes.items()}
    return network, targets


def variables_of(kind, network):
    return Pixels(network.domain, CPU) if kind == "pixels" else Latents(Affine(torch.float64), None, CPU)


def test_layer_weights_by_hand():
    targets = {"x": torch.tensor([[2.0, 0], [1, 1]]), "y": torch.tensor([[[1.0]], [[2.0]]])}
    weights = layer_weights(targets)
    np.testing.assert_allclose(weights["x"], [0.2, 2 / 3])  # 1/4 to 1, 1/2 to 1/4
    np.testing.assert_allclose(weights["y"], [0.8, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize("kind", ["pixels", "latents"])
@pytest.mark.parametrize("layers", [["fc6"], LAYERS])
def test_loss_in_plain_numpy(double, kind, layers):
    network, targets = double
    variables = variables_of(kind, network)
    objective = Matching(network, {layer: targets[layer] for layer in layers}, variables.images)
    x = torch.randn((2, variables.count), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 20
    loss, gradient = objective(x)
    rgb = (x.numpy().reshape(2, 3, 32, 32) + 127.5) / 255 if kind == "pixels" else Affine(torch.float64)(x).numpy()
    with torch.no_grad():
        features = network.features(torch.as_tensor(rgb), layers)
    for i in range(2):
        inverse = {layer: 1 / (targets[layer][i].numpy() ** 2).sum() for layer in layers}
        beta = {layer: value / sum(inverse.values()) for layer, value in inverse.items()}
        distance = {layer: ((features[layer][i] - targets[layer][i]).numpy() ** 2).sum() for layer in layers}
        expected = sum(beta[layer] * distance[layer] for layer in layers)
        assert float(loss[i]) == pytest.approx(expected, rel=1e-12)
        without = sum(beta[layer] * (targets[layer][i].numpy() ** 2).sum() for layer in layers)
        assert float(objective.last[i]) == pytest.approx(expected / without, rel=1e-12)
    assert gradient.shape == x.shape


@pytest.mark.parametrize("kind", ["pixels", "latents"])
def test_gradients_are_those_of_finite_differences(double, kind):
    network, targets = double
    variables = variables_of(kind, network)
    objective = Matching(network, targets, variables.images)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn((2, variables.count), dtype=torch.float64, generator=generator) * (40 if kind == "pixels" else 1)
    _, gradient = objective(x)
    step = 1e-6 * (255 if kind == "pixels" else 1)
    for _ in range(8):
        direction = torch.randn(x.shape, dtype=torch.float64, generator=generator)
        slope = (objective(x + step * direction)[0] - objective(x - step * direction)[0]) / (2 * step)
        # The rectifier has a bend, which a difference may straddle: errors are measured by the size of the gradient.
        error = ((gradient * direction).sum(1) - slope).abs() / gradient.norm(dim=1)
        assert error.max() < 1e-6


def test_an_image_does_not_feel_its_neighbours_in_the_batch(double):
    network, targets = double
    variables = Pixels(network.domain, CPU)
    x = torch.randn((2, variables.count), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 30
    objective = Matching(network, targets, variables.images)
    loss, gradient = objective(x)
    other = x.clone()
    other[1] += 5
    changed_loss, changed_gradient = objective(other)
    assert changed_loss[0] == loss[0] and torch.equal(changed_gradient[0], gradient[0])
    assert changed_loss[1] != loss[1]


def test_bfloat16_is_near_and_not_equal(double):
    targets = {layer: value.float() for layer, value in double[1].items()}
    network = network_of(torch.float32)
    variables = Pixels(network.domain, CPU)
    x = torch.randn((2, variables.count), generator=torch.Generator().manual_seed(1)) * 30
    full = Matching(network, targets, variables.images)(x)
    half = Matching(network, targets, variables.images, "bfloat16")(x)
    assert half[1].dtype == torch.float32 and half[0].dtype == torch.float64
    torch.testing.assert_close(half[0], full[0], rtol=0.02, atol=0)
    assert not torch.equal(half[1], full[1])
    cosine = torch.nn.functional.cosine_similarity(half[1], full[1])
    assert (cosine > 0.99).all()


def test_precision_of_cuda_is_set_and_put_back(monkeypatch, caplog):
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    cuda = torch.device("cuda")
    with computing("float32", cuda):
        assert not any(flag.allow_tf32 for flag in flags)
    with pytest.raises(RuntimeError, match="stop"), computing("tf32", cuda):
        assert all(flag.allow_tf32 for flag in flags)
        raise RuntimeError("stop")
    assert [flag.allow_tf32 for flag in flags] == before
    with caplog.at_level("INFO"), computing("tf32", CPU):
        assert "changes nothing on cpu" in caplog.text
    with pytest.raises(ConfigError, match="'half' is unknown"), computing("half", CPU):
        pass


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixels_are_grey_levels_about_the_mean_with_the_published_bounds(channels):
    domain = ImageDomain(4, channels, (10.0, 20.0, 30.0), 255.0)
    pixels = Pixels(domain, CPU)
    red = 10.0 if channels == "RGB" else 30.0
    low, high = pixels.lower.reshape(3, 4, 4), pixels.upper.reshape(3, 4, 4)
    assert float(low[0].max()) == pytest.approx(-red) and float(high[0].min()) == pytest.approx(255 - red)
    assert pixels.images(pixels.lower[None]).abs().max() < 1e-12
    torch.testing.assert_close(pixels.images(pixels.upper[None]), torch.ones(1, 3, 4, 4, dtype=torch.float64))
    middle = pixels.images(torch.as_tensor(pixels.start("mean", ["a"], 0)))
    assert middle[0, :, 1, 2].tolist() == pytest.approx(domain.mean_rgb)
    assert pixels.images(torch.as_tensor(pixels.start("zero", ["a"], 0))).abs().max() < 1e-12
    noise = pixels.images(torch.as_tensor(pixels.start("uniform", ["a", "b"], 0))) * 255
    assert noise.min() >= -1e-9 and noise.max() <= 255 + 1e-9
    torch.testing.assert_close(noise, noise.round())
    assert not torch.equal(noise[0], noise[1])
    alone = pixels.images(torch.as_tensor(pixels.start("uniform", ["b"], 0))) * 255
    assert torch.equal(alone[0], noise[1])
    assert not np.array_equal(pixels.start("uniform", ["b"], 1), pixels.start("uniform", ["b"], 0))


def test_latents_lie_between_zero_and_their_bounds():
    latents = Latents(Affine(torch.float32), torch.arange(5), CPU)
    assert latents.lower.tolist() == [0] * 5 and latents.upper.tolist() == [0, 1, 2, 3, 4]
    assert Latents(Affine(torch.float32), None, CPU).upper.isinf().all()
    assert not latents.start("zero", ["a", "b"], 0).any()
    drawn = latents.start("normal", ["a", "b"], 0)
    np.testing.assert_array_equal(drawn[1:], latents.start("normal", ["b"], 0))
    assert np.abs(drawn).max() > 0.5
