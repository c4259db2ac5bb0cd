"""What a study asks of method end2end: inputs, options, modules, checks, and the plan's amounts."""

from types import SimpleNamespace

import pytest
from studies import configuration

from fmri2image.core.errors import ConfigError
from fmri2image.study import Study, load_study
from fmri2image.study.plan_amounts import Amounts
from fmri2image.study.plan_jobs import Job
from fmri2image.study.plan_networks import end2end_tflop

ENTRY = {
    "method": "end2end", "architecture": "small", "comparator": {"network": "vgg-small", "layer": "conv5_2"},
    "steps": 100, "batch": 16, "image_weight": 2.5e-5, "feature_weight": 0.1, "adversarial_weight": 100,
    "rescale": "sqrt_n",
}  # fmt: skip
FIT = SimpleNamespace(method="e2e", subject="01", roi="VC", training="train")
TEST = SimpleNamespace(method="e2e", subject="01", roi="VC", test="test", source="sub-01_roi-VC")


def with_method(**changes: object) -> Study:
    config = configuration("config")
    config["reconstruct"]["methods"]["e2e"] = {
        key: value for key, value in {**ENTRY, **changes}.items() if value != "absent"
    }
    config["analyses"].append({"method": "e2e", "rois": ["VC"], "tests": ["test"]})
    return load_study(config)


def test_the_comparators_weights_are_an_input_of_learning_and_its_module_counts():
    found = with_method()
    inputs = found.fit_inputs(FIT)
    assert inputs["comparator"] == found.weights("vgg-small") == inputs.pop("comparator")
    assert set(inputs) == {"samples", "stimuli"}
    options = found.fit_settings(FIT)["options"]
    assert options["comparator"] == {"network": found.network_settings("vgg-small"), "layer": "conv5_2"}
    assert options["seed"] == found.config["seed"]
    assert found.method_modules("e2e") == ["fmri2image.reconstruct.end2end", "fmri2image.features.networks.vgg"]
    assert set(found.reconstruct_inputs(TEST)) == {"samples", "state"}
    assert found.refit_inputs(TEST)["comparator"] == found.weights("vgg-small")


def test_a_setting_of_tests_alone_learns_nothing_anew():
    one, other = with_method(), with_method(rescale=4.9)
    assert one.fit_settings(FIT) == other.fit_settings(FIT)
    assert one.reconstruct_settings(TEST) != other.reconstruct_settings(TEST)
    assert one.fit_settings(FIT) != with_method(image_weight=1e-5).fit_settings(FIT)


def test_without_the_feature_loss_no_network_is_needed():
    for comparator in (None, ENTRY["comparator"]):
        found = with_method(comparator=comparator, feature_weight=0)
        assert "comparator" not in found.fit_inputs(FIT)
        assert found.fit_settings(FIT)["options"]["comparator"] is None
        assert found.method_modules("e2e") == ["fmri2image.reconstruct.end2end"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, r"methods\.e2e: a training has 'steps' or 'epochs', and both are set"),
        ({"steps": "absent"}, "neither is set; set exactly one"),
        ({"comparator": None}, r"methods\.e2e\.comparator: feature_weight is 0\.1, but no network"),
        ({"comparator": {"network": "vgg20", "layer": "fc6"}}, r"comparator\.network: 'vgg20' is not among features"),
        (
            {"comparator": {"network": "vgg-small", "layer": "pool5"}},
            r"comparator\.layer: 'pool5' is not among the layers",
        ),
        ({"architecture": "large"}, r"methods\.e2e\.architecture: 'large' is not one of"),
        ({"switch": {"stop_discriminator": 0.1}}, "'resume_discriminator' is a required property"),
    ],
)
def test_wrong_settings_are_one_sentence(changes, message):
    with pytest.raises(ConfigError, match=message):
        with_method(**changes)


def test_the_plan_counts_a_training():
    """Forward passes: one of the generator, three of the discriminator, two of the comparator, of every trial."""
    amounts = Amounts(with_method())
    job = Job("fit_method", vars(FIT))
    once = end2end_tflop("small", amounts._n_voxels, "vgg-small", "conv5_2", True)
    assert amounts.amount("trained_tflop", job) == pytest.approx(once * 16 * 100)
    assert Amounts(with_method()).amount("trained_tflop", Job("fit_method", {**vars(FIT), "method": "icnn"})) == 0
    found = with_method(steps="absent", epochs=3, n_images=20)
    repeats = found.config["acquire"]["simulate"]["stimulus_sets"]["train"]["repeats"]
    steps = -(-3 * 20 * repeats // 16)
    assert Amounts(found).amount("trained_tflop", job) == pytest.approx(once * 16 * steps)
    # Layers of the published generator by hand: multiply and add per weight and output position (Caffe's transposed
    # convolutions: per input position).
    positions = {"deconv5": 16, "conv5_1": 64, "deconv4": 64, "conv4_1": 256, "deconv3": 256, "conv3_1": 1024}
    positions |= {"deconv2": 1024, "deconv1": 4096, "deconv0": 16384}
    weights = {"deconv5": 1_048_576, "conv5_1": 1_179_648, "deconv4": 2_097_152, "conv4_1": 589_824, "deconv3": 524_288}
    weights |= {"conv3_1": 147_456, "deconv2": 131_072, "deconv1": 32_768, "deconv0": 1_536}
    dense = 1000 * 4096 + 2 * 4096**2
    expected = 2 * (dense + sum(positions[layer] * weights[layer] for layer in positions)) / 1e12
    assert end2end_tflop("published", 1000, None, "", False) == pytest.approx(expected, rel=1e-9)
