"""Names and shapes of a bottleneck ResNet's arrays as torchvision saves them (He et al. 2015)."""

BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def resnet_arrays(depths: tuple[int, ...], classes: int = 1000) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array by name, the counters of batch normalisation aside.

    Parameters
    ----------
    depths : tuple of int
        Blocks of each of the four layers; (3, 8, 36, 3) is ResNet-152.
    classes : int
    """
    arrays: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    channels = 64
    for number, depth in enumerate(depths, start=1):
        width = 64 * 2 ** (number - 1)
        for block in range(depth):
            name = f"layer{number}.{block}"
            arrays |= {f"{name}.conv1.weight": (width, channels, 1, 1), **_norm(f"{name}.bn1", width)}
            arrays |= {f"{name}.conv2.weight": (width, width, 3, 3), **_norm(f"{name}.bn2", width)}
            arrays |= {f"{name}.conv3.weight": (4 * width, width, 1, 1), **_norm(f"{name}.bn3", 4 * width)}
            if block == 0:
                arrays[f"{name}.downsample.0.weight"] = (4 * width, channels, 1, 1)
                arrays |= _norm(f"{name}.downsample.1", 4 * width)
            channels = 4 * width
    return arrays | {"fc.weight": (classes, channels), "fc.bias": (classes,)}


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{array}": (channels,) for array in BATCH_NORM}
