"""Conversion from every form, what is refused and how it is said, golden outputs, and loading into the network."""

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from caffe_writer import TINY, TINY_SETTINGS, caffe_bytes, plausible_arrays, torch_names
from safetensors import safe_open

from fmri2image.core.errors import DataError
from fmri2image.features.convert.convert import convert_weights, read_description, verify_golden
from fmri2image.features.convert.golden import golden_image, golden_rgb
from fmri2image.features.convert.tables import VGG19_SD, table
from fmri2image.features.networks import build_network
from fmri2image.features.networks.weights import arrays_sha256, write_weights


@pytest.fixture(scope="module")
def arrays():
    return plausible_arrays(TINY, VGG19_SD)


def state_bytes(state, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def torch_state(arrays, which: int = 1, prefix: str = "") -> dict:
    return {prefix + theirs: arrays[ours].clone() for ours, theirs in torch_names(TINY, which).items()}


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def forms(arrays) -> dict[str, tuple[str, bytes]]:
    pt = state_bytes(torch_state(arrays))
    caffe = caffe_bytes(TINY, arrays)
    return {
        "caffe V1": ("net.caffemodel", caffe),
        "caffe V2": ("net.caffemodel", caffe_bytes(TINY, arrays, "V2", "shape")),
        "torch": ("net.pt", pt),
        "torch before 1.6": ("net.pth", state_bytes(torch_state(arrays), legacy=True)),
        "torch, dropout counted before the layers": ("net.pth", state_bytes(torch_state(arrays, 2))),
        "torch, our names": ("net.pth", state_bytes(torch_state(arrays, 0))),
        "torch, parallel": ("net.pth", state_bytes(torch_state(arrays, prefix="module."))),
        "torch, wrapped": ("net.pth", state_bytes({"epoch": 3, "state_dict": torch_state(arrays)})),
        "torch in zip": (
            "net.zip",
            zipped({"VGG/readme.txt": b"text", "VGG/net.pt": pt, "__MACOSX/VGG/._net.pt": b""}),
        ),
        "caffe in zip": ("net.zip", zipped({"a/fc6/net.caffemodel": pt, "a/fc7/net.caffemodel": caffe})),
        "caffe in tar": ("net.tar.gz", tarred({"vgg/net.caffemodel": caffe, "vgg/net.prototxt": b"text"})),
    }


def convert(folder, name: str, content: bytes, one=TINY, **options) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / name
    source.write_bytes(content)
    return convert_weights(source, folder / "net.safetensors", folder / "net.json", table=one, **options)


def test_every_form_gives_the_same_weights(tmp_path, arrays):
    digests = {}
    for form, (name, content) in forms(arrays).items():
        folder = tmp_path / form.replace(" ", "-")
        member = "*/fc7/net.caffemodel" if form == "caffe in zip" else ""
        description = convert(folder, name, content, member=member)
        digests[form] = description["arrays_sha256"]
        assert sorted(path.name for path in folder.iterdir()) == sorted([name, "net.json", "net.safetensors"])
    assert set(digests.values()) == {arrays_sha256(arrays)}


def test_the_converted_file_says_what_it_is_and_loads(tmp_path, arrays):
    provenance = {"name": "vgg19-caffe", "urls": ["https://example.org/x"], "licence": "CC BY-NC 4.0", "version": ""}
    provenance["arrays_sha256"] = arrays_sha256(arrays)
    description = convert(tmp_path, *forms(arrays)["caffe V1"], provenance=provenance)
    assert (
        description == json.loads((tmp_path / "net.json").read_text()) == read_description(tmp_path / "net.safetensors")
    )
    assert description["belongs_to"] == "vgg19-caffe"
    assert description["configuration"]["channels"] == "BGR"
    assert description["configuration"]["mean"] == [104.00698793, 116.66876762, 122.67891434]
    assert description["configuration"]["rectified"] is False
    assert description["configuration"]["layers"][-3:] == ["fc6", "fc7", "fc8"]
    assert description["shapes"]["conv1_1.weight"] == [6, 3, 3, 3]
    assert description["source"]["licence"] == "CC BY-NC 4.0"
    assert description["source"]["form"] == "Caffe (V1 layers)"
    assert "version" not in description["source"]
    for ratio in description["against_published_sd"].values():
        assert ratio == pytest.approx(1, rel=0.1)  # biases were added after the sizes were set
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        for name, values in arrays.items():
            torch.testing.assert_close(file.get_tensor(name), values, rtol=0, atol=0)
    network = build_network(TINY_SETTINGS, tmp_path / "net.safetensors")
    assert network.attributes["belongs_to"] == "vgg19-caffe"
    assert network.attributes["arrays_sha256"] == arrays_sha256(arrays)
    with torch.no_grad():
        fc8 = network.features(golden_rgb(32), ["fc8"])["fc8"][0]
    golden = description["golden"]["layers"]["fc8"]
    np.testing.assert_allclose(fc8[:8], golden["first"], rtol=1e-4)
    assert golden["shape"] == [16]
    assert float(fc8.mean()) == pytest.approx(golden["mean"], rel=1e-4)
    assert verify_golden(tmp_path / "net.safetensors", TINY) < 1e-4


def test_equal_sources_give_equal_files(tmp_path, arrays):
    name, content = forms(arrays)["caffe V2"]
    first, second = (convert(tmp_path / folder, name, content) for folder in ("a", "b"))
    assert first == second
    assert (tmp_path / "a/net.safetensors").read_bytes() == (tmp_path / "b/net.safetensors").read_bytes()


def own_domain(scale: float) -> dict[str, float]:
    """SDs of a network whose layers all vary by about 1, and whose logits vary as everybody's, `scale` times that."""
    return {layer: (2.63 if layer == "fc8" else 1.0) * scale for layer in VGG19_SD}


def test_a_network_of_another_image_domain_is_refused(tmp_path):
    # As expected of torchvision's: its colours, of mean 0 and SD 1, are 57 times as large here; the first layer does not tell.
    foreign = plausible_arrays(TINY, own_domain(57))
    with pytest.raises(DataError, match=r"net.pt .*'vgg19'.*varies with an SD.*published.*torchvision"):
        convert(tmp_path, "net.pt", state_bytes(torch_state(foreign)))
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]
    logits_only = plausible_arrays(TINY, VGG19_SD | {"fc8": 2.63 * 30})
    with pytest.raises(DataError, match=r"layer 'fc8' varies with an SD of [78]\d"):
        convert(tmp_path, "net.pt", state_bytes(torch_state(logits_only)))
    nothing_published = replace(TINY, published_sd={})
    assert (
        convert(tmp_path, "net.pt", state_bytes(torch_state(foreign)), nothing_published)["against_published_sd"] == {}
    )


def without(state: dict, *names: str) -> dict:
    return {name: value for name, value in state.items() if name not in names}


def test_layers_and_shapes_are_compared_with_both_sides_named(tmp_path, arrays):
    state = torch_state(arrays)
    cases = [
        (without(state, "features.2.weight"), r"lacks conv1_2.weight; the network has conv1_1.weight"),
        (state | {"features.1.weight": torch.ones(3)}, r"has features.1.weight besides"),
        (state | {"features.0.bias": torch.ones(7)}, r"conv1_1.bias \(network: \(6,\), file: \(7,\)\)"),
        (
            state | {"classifier.0.weight": state["classifier.0.weight"] * np.nan},
            r"fc6.weight has values that are not finite",
        ),
    ]
    for wrong, message in cases:
        with pytest.raises(DataError, match=message) as raised:
            convert(tmp_path, "net.pt", state_bytes(wrong))
        assert "net.pt" in str(raised.value)
    wider = replace(TINY, steps=(*TINY.steps, "relu", replace(TINY.layers[-1], name="fc9", n_in=16)))
    content = caffe_bytes(TINY, arrays)
    with pytest.raises(DataError, match=r"'vgg19': it lacks fc9; the network has .*the file conv1_1"):
        convert(tmp_path, "net.caffemodel", content, wider)
    with pytest.raises(DataError, match=r"has fc8 besides"):
        convert(tmp_path, "net.caffemodel", content, replace(TINY, steps=TINY.steps[:-2]))
    swapped = replace(TINY, steps=(replace(TINY.steps[0], n_out=7), *TINY.steps[1:]))
    with pytest.raises(DataError, match=r"conv1_1.weight \(network: \(7, 3, 3, 3\), file: \(6, 3, 3, 3\)\)"):
        convert(tmp_path, "net.caffemodel", content, swapped)
    with pytest.raises(DataError, match="other weights than the registry names"):
        convert(tmp_path, "net.caffemodel", content, provenance={"arrays_sha256": "0" * 64})
    with pytest.raises(DataError, match="known as PyTorch's only"):
        convert(tmp_path, "net.caffemodel", content, "resnet152")


def test_dimensions_must_not_be_turned(tmp_path, arrays):
    turned = dict(arrays) | {"fc7.weight": arrays["fc7.weight"].T.contiguous()}
    with pytest.raises(DataError, match=r"fc7.weight \(network: \(20, 24\), file: \(1, 1, 24, 20\)\)"):
        convert(tmp_path, "net.caffemodel", caffe_bytes(TINY, turned))


class Harmful:
    """An object whose reading would run code."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.pt", lambda a: state_bytes(torch_state(a))[:-200], "was cut|cut, damaged"),
        ("net.pth", lambda a: state_bytes(torch_state(a), legacy=True)[:-2000], "cut, damaged"),
        ("net.pt", lambda a: state_bytes({"x": Harmful()}), "Python objects besides tensors"),
        ("net.pt", lambda a: state_bytes([1, 2]), "a list without tensors"),
        (
            "net.zip",
            lambda a: zipped({"a.pt": b"1", "b.pt": b"2"}),
            r"holds 2 files of weights instead of one.*a.pt, b.pt",
        ),
        ("net.zip", lambda a: zipped({"a.txt": b"1"}), r"holds 0 files of weights.*none"),
        ("net.zip", lambda a: zipped({"a.pt": zipped({"b.pt": b"1"})}), "a.pt is an archive itself"),
        (
            "net.tar.gz",
            lambda a: tarred({"a.caffemodel": caffe_bytes(TINY, a)})[:-3000],
            "cannot be read as an archive",
        ),
        ("net.caffemodel", lambda a: caffe_bytes(TINY, a)[:-100], "cut, damaged"),
        ("net.caffemodel", lambda a: b"\n<html>not found</html>", "web page"),
        ("net.caffemodel", lambda a: b"", "is empty"),
    ],
)
def test_damaged_and_other_files(tmp_path, capfd, arrays, name, content, message):
    with pytest.raises(DataError, match=message) as raised:
        convert(tmp_path, name, content(arrays))
    assert name in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert "run" not in capfd.readouterr().out


def test_a_second_name_of_one_tensor_is_no_extra_layer(tmp_path):
    """As bdpy's generators, which keep every layer by its name and once more in a sequence."""
    one = table("generator-norm1")
    state = {}
    generator = torch.Generator().manual_seed(0)
    for number, (name, shape) in enumerate(one.arrays.items()):
        values = torch.randn(shape, generator=generator) * 0.05
        state |= {name: values, f"rconv.{number}": values if number % 2 else values.clone()}
    description = convert(tmp_path, "generator_norm1.pt", state_bytes(state), "generator-norm1")
    assert description["kind"] == "generator"
    assert (description["belongs_to"], description["layer"]) == ("caffenet-caffe", "norm1")
    assert description["golden"]["layers"]["output"]["shape"] == [3, 240, 240]
    assert verify_golden(tmp_path / "net.safetensors") < 1e-5
    state["rconv.0"] = state["rconv.0"] + 1
    with pytest.raises(DataError, match="has rconv.0 besides"):
        convert(tmp_path, "generator_norm1.pt", state_bytes(state), "generator-norm1")


def test_red_first_weights_are_turned_to_blue_first(tmp_path, arrays):
    faces = replace(TINY, torch_reversed="conv1_1")
    red_first = torch_state(arrays, 0) | {"conv1_1.weight": arrays["conv1_1.weight"].flip(1)}
    assert convert(tmp_path, "net.pth", state_bytes(red_first), faces)["arrays_sha256"] == arrays_sha256(arrays)


def test_resnet_is_checked_by_names_and_shapes(tmp_path):
    small = replace(
        table("resnet152"), shapes={"conv1.weight": (2, 3, 7, 7), "bn1.weight": (2,), "bn1.running_var": (2,)}
    )
    state = {name: torch.rand(shape) for name, shape in small.shapes.items()}
    counted = state | {"bn1.num_batches_tracked": torch.tensor(5)}
    description = convert(tmp_path, "resnet.pth", state_bytes(counted), small)
    assert "golden" not in description
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert set(file.keys()) == set(state)
    with pytest.raises(DataError, match="holds no golden outputs"):
        verify_golden(tmp_path / "net.safetensors")
    with pytest.raises(DataError, match="lacks bn1.running_var"):
        convert(tmp_path, "resnet.pth", state_bytes(without(state, "bn1.running_var")), small)


def test_golden_outputs_notice_other_weights_and_other_code(tmp_path, arrays, monkeypatch):
    convert(tmp_path, *forms(arrays)["caffe V1"])
    weights = tmp_path / "net.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("torch.nn.functional.max_pool2d", torch.nn.functional.avg_pool2d)
        with pytest.raises(DataError, match=r"layer 'conv2_1' gives mean .* golden outputs say mean"):
            verify_golden(weights, TINY)
    network = build_network(TINY_SETTINGS, weights)
    network.conv1_1.weight.data *= 1.01
    write_weights(weights, network, {})
    with pytest.raises(DataError, match="promises"):
        verify_golden(weights, TINY)


def test_golden_outputs_of_another_program(tmp_path, arrays):
    """An independent program: the same forward pass in float64 with numpy alone, for the first layer."""
    convert(tmp_path, *forms(arrays)["caffe V1"])
    weights, beside = tmp_path / "net.safetensors", tmp_path / "net.golden.json"
    blue_first = golden_image(32).astype(np.float64)[..., ::-1].transpose(2, 0, 1)
    padded = np.pad(blue_first - np.array(TINY.configuration["mean"])[:, None, None], ((0, 0), (1, 1), (1, 1)))
    kernel = arrays["conv1_1.weight"].numpy().astype(np.float64)
    conv = np.array(
        [
            sum(
                kernel[out, channel, row, column] * padded[channel, row : row + 32, column : column + 32]
                for channel in range(3)
                for row in range(3)
                for column in range(3)
            )
            + float(arrays["conv1_1.bias"][out])
            for out in range(6)
        ]
    )
    layer = {"mean": conv.mean(), "sd": conv.std(), "first": list(conv.ravel()[:8]), "shape": [6, 32, 32]}
    goldens = {"tool": "numpy", "tolerance": 1e-5, "layers": {"conv1_1": layer}}
    beside.write_text(json.dumps(goldens))
    assert verify_golden(weights, TINY) < 1e-5
    for change, message in [
        ({"mean": conv.mean() + 1}, "against numpy: layer 'conv1_1' gives mean"),
        ({"first": list(conv.ravel()[1:9])}, "first value"),
        ({"shape": [3, 32, 32]}, r"shape \[6, 32, 32\]"),
    ]:
        beside.write_text(json.dumps(goldens | {"layers": {"conv1_1": layer | change}}))
        with pytest.raises(DataError, match=message):
            verify_golden(weights, TINY)
    for wrong, message in [
        (goldens | {"layers": {"conv9": layer}}, "name a layer 'conv9'"),
        ({"layers": {}}, "no golden outputs"),
        ({"layers": {"conv1_1": {"median": 1}}}, "no golden outputs"),
        ([], "no golden outputs"),
    ]:
        beside.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=message):
            verify_golden(weights, TINY)
    beside.write_text("{")
    with pytest.raises(DataError, match=r"net.golden.json cannot be read as golden outputs"):
        verify_golden(weights, TINY)


def test_weights_without_their_description(tmp_path, arrays):
    convert(tmp_path, *forms(arrays)["caffe V1"])
    (tmp_path / "net.json").write_text("{}")
    with pytest.raises(DataError, match="does not describe converted weights"):
        verify_golden(tmp_path / "net.safetensors", TINY)
    (tmp_path / "net.json").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        verify_golden(tmp_path / "net.safetensors", TINY)
    with pytest.raises(DataError, match="must be called net.json"):
        convert_weights(tmp_path / "net.caffemodel", tmp_path / "net.safetensors", tmp_path / "about.json", table=TINY)


def test_the_fixed_picture_is_the_same_everywhere():
    """Whole numbers only: these hold on every machine, and in any program that follows docs/weights.md."""
    picture = golden_image(256)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(golden_image(32), picture[112:144, 112:144])
    np.testing.assert_array_equal(golden_image(227), picture[14:241, 14:241])
    assert picture.std(axis=(0, 1)).min() > 40  # photographs: 50 to 70
    assert (
        hashlib.sha256(picture.tobytes()).hexdigest()
        == "d7bef08125b00df5551cf3c287ba0250c18b7dda5fba07d26d3bca48ee04724d"
    )
