"""Networks whose published weights can be converted: names and shapes of their layers, and how they are fed.

Layers are called here as in the published Caffe files; `Table.torch_names` says how PyTorch files call them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from fmri2image.core.errors import ConfigError
from fmri2image.features.convert.generators import GENERATORS, generator_steps
from fmri2image.features.convert.resnet import resnet_arrays
from fmri2image.features.convert.steps import Layer, Step, convolution, linear
from fmri2image.features.networks import SAME_WEIGHTS, caffenet
from fmri2image.features.networks.vgg import ARCHITECTURES, Architecture

# SD over the positions of a channel (over units in fc layers), averaged over channels and 10,000 natural images:
# estimated_vgg19_cnn_feat_std.mat of Deep Image Reconstruction.
VGG19_SD = {
    "conv1_1": 54.190,
    "conv1_2": 161.191,
    "conv2_1": 301.154,
    "conv2_2": 415.339,
    "conv3_1": 435.072,
    "conv3_2": 396.410,
    "conv3_3": 441.310,
    "conv3_4": 873.566,
    "conv4_1": 1234.235,
    "conv4_2": 1265.201,
    "conv4_3": 1000.684,
    "conv4_4": 563.100,
    "conv5_1": 307.057,
    "conv5_2": 151.229,
    "conv5_3": 73.063,
    "conv5_4": 33.084,
    "fc6": 11.587,
    "fc7": 2.9196,
    "fc8": 2.6282,
}


@dataclass(frozen=True)
class Table:
    """What the weights of one network must look like.

    Parameters
    ----------
    name : str
    network : mapping
        Settings for `fmri2image.features.networks.build_network`, at least ``name``; what a file of weights says it is for.
    belongs_to : str
        The features that the network computes or, for a generator, takes: equal words mean exchangeable features,
        whatever file the weights came from.
    configuration : mapping
        Image size, channel order, mean, largest value: how the published weights want their input.
    steps : tuple of Layer and str
        The forward pass, empty if only names and shapes are known here.
    shapes : mapping from array to shape
        Only without steps.
    input_shape : tuple of int
        Of one input: an image (3, size, size), or what a generator takes.
    torch_names : mapping from layer to tuple of str
        Names in PyTorch's files, without ``.weight`` and ``.bias``.
    torch_reversed : str
        Layer whose input channels PyTorch's published file has the other way round (RGB).
    published_sd : mapping from layer to float
        Known SD of the activations before rectification.
    layer : str
        For a generator: the layer it inverts.
    """

    name: str
    network: Mapping
    belongs_to: str
    configuration: Mapping
    steps: tuple[Step, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    input_shape: tuple[int, ...] = ()
    torch_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    torch_reversed: str = ""
    published_sd: Mapping[str, float] = field(default_factory=dict)
    layer: str = ""

    @property
    def layers(self) -> list[Layer]:
        """The layers with weights, in the order of the forward pass."""
        return [step for step in self.steps if isinstance(step, Layer)]

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Shape of every array by its name, ``<layer>.weight`` and ``<layer>.bias``."""
        if not self.steps:
            return dict(self.shapes)
        return {
            name: shape
            for layer in self.layers
            for name, shape in ((f"{layer.name}.weight", layer.shape), (f"{layer.name}.bias", (layer.n_out,)))
        }


def image_configuration(size: int, channels: str, mean: tuple[float, ...], maximum: float = 255.0) -> dict:
    """Return how a network wants its images."""
    return {"size": size, "channels": channels, "mean": list(mean), "maximum": maximum, "rectified": False}


def vgg_table(
    name: str,
    network: Mapping,
    belongs_to: str,
    architecture: Architecture,
    *,
    published_sd: Mapping[str, float] | None = None,
    torch_reversed: str = "",
) -> Table:
    """Return the table of a network of the VGG family (Simonyan & Zisserman 2014)."""
    steps: list[Step] = []
    names: dict[str, tuple[str, ...]] = {}
    channels, index = 3, 0
    for block, (width, depth) in enumerate(zip(architecture.widths, architecture.convolutions, strict=True), start=1):
        for number in range(1, depth + 1):
            layer = f"conv{block}_{number}"
            steps += [convolution(layer, channels, width, 3, padding=1), "relu"]
            names[layer] = (layer, f"features.{index}")
            channels, index = width, index + 2
        steps.append("max 2 2")
        index += 1
    steps.append("flatten")
    size = architecture.size
    inputs = channels * (size // 2 ** len(architecture.widths)) ** 2
    for number, (n_in, n_out) in enumerate(pairwise((inputs, *architecture.units)), start=6):
        steps += ["relu", linear(f"fc{number}", n_in, n_out)] if number > 6 else [linear(f"fc{number}", n_in, n_out)]
    # bdpy and torchvision count the dropouts behind, older files (jcjohnson/pytorch-vgg) before the layers.
    for layer, now, before in (("fc6", 0, 1), ("fc7", 3, 4), ("fc8", 6, 6)):
        names[layer] = (layer, f"classifier.{now}", f"classifier.{before}")
    return Table(
        name,
        network,
        belongs_to,
        image_configuration(size, architecture.channels, architecture.mean, architecture.maximum),
        tuple(steps),
        input_shape=(3, size, size),
        torch_names=names,
        torch_reversed=torch_reversed,
        published_sd=published_sd or {},
    )


def _caffenet() -> Table:
    """Return the table of CaffeNet (bvlc_reference_caffenet): AlexNet with pooling before normalisation, 227 pixels."""
    places = {"conv1": 0, "conv2": 4, "conv3": 8, "conv4": 10, "conv5": 12}
    names = {layer: (layer, f"features.{index}") for layer, index in places.items()}
    names |= {layer: (layer, f"classifier.{index}") for layer, index in (("fc6", 1), ("fc7", 4), ("fc8", 6))}
    size = caffenet.DOMAIN.size
    return Table(
        "caffenet",
        {"name": "caffenet"},
        "caffenet-caffe",
        image_configuration(size, caffenet.DOMAIN.channels, caffenet.MEAN),
        caffenet.STEPS,
        input_shape=(3, size, size),
        torch_names=names,
    )


def _generator(layer: str) -> Table:
    """Return the table of a generator, which makes an image from a layer of CaffeNet."""
    input_shape, steps = generator_steps(layer)
    size = 240 if layer.startswith("norm") else 256  # 15 × 16 and 8 × 32
    output = {"size": size, "channels": "BGR", "mean": list(caffenet.MEAN), "maximum": 255.0}
    name = f"generator-{layer}"
    return Table(
        name,
        {"name": name},
        "caffenet-caffe",
        {"input": list(input_shape), "input_layer": layer, "output": output},
        steps,
        input_shape=input_shape,
        layer=layer,
    )


def _resnet152() -> Table:
    configuration = {
        "size": 224,
        "channels": "RGB",
        "mean": [0.485, 0.456, 0.406],
        "sd": [0.229, 0.224, 0.225],
        "maximum": 1.0,
    }
    return Table(
        "resnet152",
        {"name": "resnet152"},
        "resnet152-torchvision",
        configuration,
        shapes=resnet_arrays((3, 8, 36, 3)),
        input_shape=(3, 224, 224),
    )


TABLES = {
    table.name: table
    for table in (
        vgg_table("vgg19", {"name": "vgg19"}, "vgg19-caffe", ARCHITECTURES["vgg19"], published_sd=VGG19_SD),
        vgg_table("vgg16", {"name": "vgg16"}, "vgg16-caffe", ARCHITECTURES["vgg16"]),
        vgg_table("vgg-face", {"name": "vgg-face"}, "vgg-face", ARCHITECTURES["vgg-face"], torch_reversed="conv1_1"),
        _caffenet(),
        *(_generator(layer) for layer in GENERATORS),
        _resnet152(),
    )
}


def table(name: str) -> Table:
    """Return the table called `name`, or that of the network whose weights it runs.

    Raises
    ------
    ConfigError
        If there is none.
    """
    name = SAME_WEIGHTS.get(name, name)
    if name not in TABLES:
        raise ConfigError(f"weights of '{name}' cannot be converted; tables exist for {', '.join(TABLES)}.")
    return TABLES[name]
