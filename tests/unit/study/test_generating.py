"""Generators of a study: files, settings and modules that rules ask for, and what is refused in one sentence."""

import pytest
from studies import configuration, study, wildcards

from fmri2image.core.digest import code_digest
from fmri2image.core.errors import ConfigError
from fmri2image.study import load_study

TRAINING = {
    "seed": 1, "n_images": 10, "batch": 2, "steps": 3, "learning_rate": 0.001, "image_weight": 1.0, "feature_weight": 1.0,
    "adversarial_weight": 0.1, "comparator": ["conv2_2"], "discriminator": [4, 4, 4],
}  # fmt: skip
SMALL = {
    "generator": "deepsim-small", "network": "vgg-small", "source": "shipped", "weights": "w/small.safetensors",
    "bounds": "w/small.txt",
}  # fmt: skip
FC7 = {"generator": "deepsim-fc7", "source": "registry", "entry": "deepsim-v0", "bounds": "generator-bounds-fc7"}
CHAPTER = "reconstruct/generators"


def with_generator(generators: dict, method: dict | None = None, name: str = "config") -> dict:
    """Return a configuration with generators, the first of which its method `icnn` uses."""
    chosen = {
        **configuration(name)["reconstruct"]["methods"]["icnn"],
        "generator": next(iter(generators)),
        **(method or {}),
    }
    methods = {"icnn": {**chosen, "optimiser": "descent"}}
    rows = [{"method": "icnn", "rois": ["VC"], "tests": ["test"]}]
    return configuration(name, {CHAPTER: generators, "reconstruct/methods": methods, "analyses": rows})


def test_shipped_files_are_inputs_of_the_methods_that_use_them():
    one = load_study(with_generator({"small": SMALL}))
    files = {"generator": "w/small.safetensors", "bounds": "w/small.txt"}
    asked = wildcards(method="icnn", source="sub-01_roi-VC", test="test", subject="01", roi="VC")
    assert files.items() <= one.reconstruct_inputs(asked).items()
    assert one.reconstruct_settings(asked)["options"]["generator"] == {
        "name": "deepsim-small", "weights": "w/small.safetensors", "bounds": "w/small.txt",
    }  # fmt: skip
    assert "fmri2image.reconstruct.generators.deepsim" in one.method_modules("icnn")
    assert one.entries() == []
    refitted = one.refit_inputs(asked)
    assert files.items() <= refitted.items()


def test_methods_without_generator_do_not_depend_on_how_one_is_built():
    deepsim = "fmri2image.reconstruct.generators.deepsim"
    for generator in (None, "small"):
        one = load_study(with_generator({"small": SMALL}, {"generator": generator}))
        code = code_digest("reconstruct_images", also=one.method_modules("icnn"))
        assert (deepsim in code) == (generator is not None)


def test_methods_without_generator_ask_for_none():
    one = load_study(with_generator({"small": SMALL}, {"generator": None}))
    asked = wildcards(method="icnn", source="true-features", test="test")
    assert not {"generator", "bounds"} & set(one.reconstruct_inputs(asked))
    assert "generator" not in one.reconstruct_settings(asked)["options"]
    assert len(one.method_modules("icnn")) == 2


def test_a_trained_generator_is_made_from_the_network_it_inverts():
    entry = {"generator": "deepsim-small", "network": "vgg-small", "source": "train", "training": TRAINING}
    one = load_study(with_generator({"relu7": entry}))
    folder = "results/phantom/reconstruct/generators/relu7"
    assert one.generator_settings("relu7") == {
        "name": "deepsim-small", "weights": f"{folder}/weights.safetensors", "bounds": f"{folder}/bounds.txt",
    }  # fmt: skip
    asked = wildcards(generator="relu7")
    assert one.generator_training_inputs(asked) == {"network": "resources/weights/vgg-small.safetensors"}
    settings = one.generator_training_settings(asked)
    assert settings["network"] == {"name": "vgg-small", "weights": "resources/weights/vgg-small.safetensors"}
    assert list(settings["training"]) == sorted(TRAINING)
    assert one.generator_training_modules(asked) == [
        "fmri2image.reconstruct.generators.deepsim", "fmri2image.features.networks.vgg",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="'other' is not among the generators"):
        one.generator_training_inputs(wildcards(generator="other"))
    shipped = load_study(with_generator({"small": SMALL}))
    with pytest.raises(ConfigError, match="small: training it needs the key 'training'"):
        shipped.generator_training_settings(wildcards(generator="small"))


@pytest.mark.parametrize(
    ("entry", "member"),
    [("deepsim-v0", "*fc7/generator.caffemodel"), ("generators-kamitani-torch", "*generator_relu7.pt")],
)
def test_published_generators_are_fetched_and_converted(entry, member):
    one = study("ds001506", {CHAPTER: {"dgn": {**FC7, "entry": entry}}})
    assert one.converts_weights
    assert {entry, "generator-bounds-fc7"} <= {found.name for found in one.entries()}
    settings = one.convert_settings(wildcards(entry=entry))
    assert (settings["name"], settings["source"]["member"]) == ("deepsim-fc7", member)
    assert one.entry_module(entry) == "fmri2image.reconstruct.generators.deepsim"
    assert one.generator_settings("dgn") == {
        "name": "deepsim-fc7",
        "weights": f"resources/downloaded/weights/{entry}.safetensors",
        "bounds": one.entry_file("generator-bounds-fc7"),
    }
    assert one.entry_module(one.networks["vgg19"]["entry"]) == "fmri2image.features.networks.vgg"


def test_an_archive_laid_out_otherwise_can_be_named():
    one = study("ds001506", {CHAPTER: {"dgn": {**FC7, "entry": "caffenet-caffe", "member": "x/y.caffemodel"}}})
    assert one.convert_settings(wildcards(entry="caffenet-caffe"))["source"]["member"] == "x/y.caffemodel"


WRONG = {
    "unknown architecture": ({"a": {**SMALL, "generator": "dcgan"}}, {}, ["generators.a", "'dcgan' is unknown"]),
    "unknown name": ({"a": SMALL}, {"generator": "b"}, ["methods.icnn.generator", "'b' is not among", "(a)"]),
    "no bounds": ({"a": {k: v for k, v in SMALL.items() if k != "bounds"}}, {}, ["generators.a", "needs the key 'bounds'"]),
    "no weights": ({"a": {k: v for k, v in SMALL.items() if k != "weights"}}, {}, ["generators.a", "needs the key 'weights'"]),
    "no training": ({"a": {**SMALL, "source": "train"}}, {}, ["generators.a", "needs the key 'training'"]),
    "no entry": ({"a": {k: v for k, v in FC7.items() if k != "entry"}}, {}, ["generators.a", "needs the key 'entry'"]),
    "entry of a network": ({"a": {**FC7, "entry": "vgg19-caffe"}}, {}, ["generators.a.entry", "vgg19-caffe", "deepsim-v0"]),
    "bounds of the wrong kind": ({"a": SMALL, "b": {**FC7, "bounds": "vgg19-caffe"}}, {},
                                 ["generators.b.bounds", "feature-bounds is needed"]),
    "unknown network": ({"a": {**SMALL, "network": "vgg99"}}, {}, ["generators.a.network", "'vgg99' is not among"]),
    "images of another size": ({"a": FC7}, {}, ["methods.icnn.generator", "fit vgg19", "features of vgg-small"]),
    "more images than iterations": ({"a": SMALL}, {"iterations": 20, "snapshots": 21},
                                    ["methods.icnn.snapshots", "21 of the 20 images"]),
    "two members of one entry": ({"s": SMALL, "a": FC7, "b": {**FC7, "member": "fc6/x"}}, {}, ["generators.b.member", "'a'"]),
}  # fmt: skip


@pytest.mark.parametrize(("generators", "method", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_generator_is_one_sentence(generators, method, words):
    with pytest.raises(ConfigError) as error:
        load_study(with_generator(generators, method))
    message = str(error.value)
    assert message.startswith("config: ") and "\n" not in message
    for word in words:
        assert word in message


def test_a_small_generator_does_not_fit_vgg19():
    entry = {k: v for k, v in SMALL.items() if k != "network"} | {"network": "vgg19"}
    with pytest.raises(ConfigError, match="makes no images for vgg19; name a network of vgg-small"):
        study("ds001506", {CHAPTER: {"small": entry}})
