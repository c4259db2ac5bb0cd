"""Training of end2end: resumed equals uninterrupted, the order of updates, errors and warnings, and that it learns."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_training import NETWORK, OPTIONS, paired

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.training import left_checkpoints
from fmri2image.features.networks import build_network
from fmri2image.reconstruct import end2end
from fmri2image.reconstruct.adversarial.choices import LOSSES
from fmri2image.reconstruct.adversarial.data import drawn_corners, training_pairs
from fmri2image.reconstruct.adversarial.settings import End2EndSettings
from fmri2image.reconstruct.adversarial.training import Training
from fmri2image.reconstruct.adversarial.watch import Watch, batch_spread
from fmri2image.reconstruct.interface import Responses, Work, load_method, takes_work

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


def training(**options: object) -> Training:
    settings = End2EndSettings.read({**OPTIONS, **options})
    train, stimuli = paired()
    pairs, _ = training_pairs(train, stimuli, settings.n_images, 64, settings.padding, settings.seed, CPU)
    comparator = build_network(NETWORK).requires_grad_(False) if settings.feature_weight else None
    return Training(settings, pairs, comparator, CPU)


def same(one: dict, other: dict) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name].nan_to_num(), other[name].nan_to_num()) for name in one)


class Stop(Exception):
    """A kill."""


def test_interrupted_at_three_random_steps_it_ends_with_the_same_weights(tmp_path, monkeypatch):
    """Steps between the last checkpoint and the kill are done again, and nothing tells."""
    train, stimuli = paired()
    options = {**OPTIONS, "steps": 12}
    whole = end2end.fit(train, stimuli, options, CPU)
    work = Work(output=tmp_path / "state.pt", fingerprint={"code": "x"})
    advance, calls = Training.advance, []
    kills = sorted(np.random.default_rng().choice(np.arange(1, 12), 3, replace=False).tolist())

    def killed(self: Training) -> dict:
        if kills and self.step == kills[0]:
            kills.pop(0)
            raise Stop
        calls.append(self.step)
        return advance(self)

    monkeypatch.setattr(Training, "advance", killed)
    when = list(kills)
    for _ in range(3):
        with pytest.raises(Stop):
            end2end.fit(train, stimuli, options, CPU, work)
    parts = end2end.fit(train, stimuli, options, CPU, work)
    assert sorted(set(calls)) == list(range(12))
    assert len(calls) == 12 + sum(at % 2 for at in when)  # a checkpoint every second step
    assert same(whole, parts), f"killed at {when}"
    assert len(left_checkpoints(work.output)) == 1
    other = end2end.fit(train, stimuli, {**options, "image_weight": 1e-5}, CPU, work)
    assert not same(other, whole)
    assert len(left_checkpoints(work.output)) == 1  # that of the other settings is gone


def test_a_resumed_training_keeps_optimisers_switch_and_counts(tmp_path):
    first = training(checkpoint_every=100)
    first.run(tmp_path / "state.pt", stop=4)
    first.on = (False, True)
    first.save(tmp_path / "state.pt")
    second = training()
    second.resume(tmp_path / "state.pt")
    assert (second.step, second.on, second.updates) == (4, (False, True), first.updates)
    first.run()
    second.run()
    assert same(first.state(), second.state())
    assert same(first.discriminator.state_dict(), second.discriminator.state_dict())
    with pytest.raises(DataError, match="other settings"):
        training(seed=12).resume(tmp_path / "state.pt")


def test_losses_of_the_first_step_by_hand():
    """Of the weights before the step for real, fake, image and feature; adversarial of the updated discriminator."""
    one = training()
    settings, pairs, domain = one.settings, one.pairs, one.generator.domain
    order = one._order[:4]
    corners = drawn_corners(settings.seed, 0, 4, 6)
    shown = pairs.images.numpy()[pairs.shown.numpy()[order]]
    rgb = np.stack([image[:, y : y + 64, x : x + 64] for image, (y, x) in zip(shown, corners, strict=True)])
    blue_first = rgb[:, ::-1].astype(np.float64) - np.array([104, 117, 123])[:, None, None]
    with torch.no_grad():
        made = one.generator.inside(pairs.voxels[order])
        features = [
            build_network(NETWORK).features(images, ["conv3_2"])["conv3_2"].double().numpy()
            for images in (domain.to_rgb(made), torch.as_tensor(rgb / 255.0, dtype=torch.float32))
        ]
    before = {name: value.clone() for name, value in one.discriminator.state_dict().items()}
    found = one.advance()
    assert found["image"] == pytest.approx(((made.numpy() - blue_first) ** 2).sum() / 8, rel=1e-5)
    assert found["feature"] == pytest.approx(((features[0] - features[1]) ** 2).sum() / 8, rel=1e-4)
    assert not same(before, one.discriminator.state_dict())
    assert all(0 < found[name] < 20 for name in ("real", "fake", "adversarial"))
    assert (found["discriminator"], found["generator"]) == (1, 1) and one.updates == [1, 1]


def test_who_rests_is_not_updated():
    for on, changed in (((False, True), "generator"), ((True, False), "discriminator")):
        one = training()
        one.on = on
        before = {
            name: {key: value.clone() for key, value in getattr(one, name).state_dict().items()}
            for name in ("generator", "discriminator")
        }
        one.advance()
        for name, weights in before.items():
            assert same(weights, getattr(one, name).state_dict()) == (name != changed)
        assert one.updates == [int(on[0]), int(on[1])]


def test_biases_of_deconvolutions_stay_zero_and_decay_is_in_the_discriminator_alone():
    one = training()
    one.run(stop=3)
    for name, module in one.generator.named_children():
        assert bool(module.bias.detach().any()) == name.startswith("defc"), name
    assert [optimiser.param_groups[0]["weight_decay"] for optimiser in one.optimisers] == [4e-4, 0]
    assert all(type(optimiser) is torch.optim.Adam for optimiser in one.optimisers)  # decay in the gradient, not AdamW


def test_learning_rates_are_halved_by_each_networks_own_updates():
    one = training(halve_at=[2])
    one.on = (False, True)
    one.advance()
    one.on, one.step = (True, True), 1
    rates = []
    for step in (1, 2):
        one.on, one.step = (True, True), step
        one.advance()
        rates.append([optimiser.param_groups[0]["lr"] for optimiser in one.optimisers])
    assert rates == [[1e-3, 1e-3], [1e-3, 5e-4]]


def test_what_was_learned_is_readable_without_unpickling_and_says_how(tmp_path):
    train, stimuli = paired()
    state = end2end.fit(train, stimuli, OPTIONS, CPU)
    torch.save(state, tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["losses"].shape == (7, len(LOSSES)) and state["losses"].isfinite().all()
    assert state["loss_steps"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert state["sheets"].shape == (3, 6, 3, 64, 64) and state["sheets"].dtype == torch.uint8
    assert state["sheet_steps"].tolist() == [0, 4, 7]
    assert state["sheet_images"].shape == (6, 3, 64, 64)
    test = Responses(train.data[:6], [str(i) for i in range(6)])
    images = end2end.reconstruct(test, state, OPTIONS, CPU).images.values
    assert images.shape == (6, 3, 64, 64) and images.min() >= 0 and images.max() <= 1
    with pytest.raises(DataError, match="trained on 9 voxels, and these responses have 4"):
        end2end.reconstruct(Responses(train.data[:6, :4], test.rows), state, OPTIONS, CPU)


@pytest.mark.parametrize("without", ["image", "feature", "adversarial"])
def test_ablations(without):
    options = {f"{without}_weight": 0, "steps": 3}
    if without == "feature":
        options["comparator"] = None
    one = training(**options)
    weights = [value.clone() for value in one.discriminator.parameters()]
    one.run()
    losses = dict(zip(LOSSES, one.state()["losses"].T, strict=True))
    absent = {"image": (), "feature": ("feature",), "adversarial": ("adversarial", "real", "fake")}[without]
    assert {name for name, values in losses.items() if values.isnan().any()} == set(absent)
    untouched = all(torch.equal(a, b) for a, b in zip(weights, one.discriminator.parameters(), strict=True))
    assert (without == "adversarial") == untouched or one.updates[0] == 0


def test_it_learns_to_tell_images_from_responses():
    train, stimuli = paired(n_images=4, n_repeats=4)
    options = {**OPTIONS, "steps": 40, "padding": 0, "adversarial_weight": 1, "snapshots": 0, "learning_rate": 2e-3}
    state = end2end.fit(train, stimuli, options, CPU)
    names = [str(name) for name in train.trials["stimulus"][:4]]
    average = np.stack([train.data[train.trials["stimulus"] == name].mean(0) for name in names])
    images = end2end.reconstruct(Responses(average, names, n_trials=[4] * 4), state, options, CPU).images
    true = stimuli.take(names).values.reshape(4, -1)
    correlation = np.corrcoef(images.values.reshape(4, -1), true)[:4, 4:]
    assert (correlation.argmax(1) == np.arange(4)).all()
    assert np.diag(correlation).mean() > 0.5
    assert state["losses"][-1, 0] < 0.6 * state["losses"][0, 0]


def test_a_loss_that_is_no_number_stops_the_training_with_one_sentence(tmp_path):
    train, stimuli = paired()
    work = Work(output=tmp_path / "state.pt")
    with pytest.raises(DataError, match=r"the \w+ loss of step \d+ is (nan|inf); lower learning_rate \(1e\+30\)"):
        end2end.fit(train, stimuli, {**OPTIONS, "learning_rate": 1e30}, CPU, work)


def test_images_that_are_all_alike_and_a_long_rest_are_said_once(caplog):
    watch, losses = Watch(100), {"real": 0.1, "fake": 0.2, "adversarial": 5.0}
    images = torch.randn(4, 3, 8, 8) * 60
    alike = images[:1] + 0.1 * torch.randn(4, 3, 8, 8)
    with caplog.at_level(logging.WARNING):
        watch.see(5, True, losses, alike, images)  # too early to tell
        watch.see(50, True, losses, images.flip(0), images)
        assert not caplog.text
        for step in (60, 61):
            watch.see(step, True, losses, alike, images)
        assert caplog.text.count("step 61: the generated images of a batch are nearly the same (SD over images 0.") == 1
        assert len(caplog.records) == 1
        long = Watch(100)
        for step in range(1002):
            long.see(step, False, losses, images.flip(0), images)
    assert caplog.text.count("the discriminator has rested for 1001 steps (losses: real 0.1, fake 0.2,") == 1
    assert len(caplog.records) == 2
    again = Watch(100)
    again.resume(long.state())
    again.see(1002, False, losses, images, images)
    assert len(caplog.records) == 2
    expected = images.numpy().std(0, ddof=1).mean()
    assert float(batch_spread(images)) == pytest.approx(expected, rel=1e-5)


def test_half_precision_trains_and_keeps_float32_weights():
    one, full = training(precision="bfloat16", steps=3), training(steps=3)
    one.run()
    full.run()
    assert all(value.dtype == torch.float32 for value in one.generator.state_dict().values())
    assert one.state()["losses"][0, 0] == pytest.approx(float(full.state()["losses"][0, 0]), rel=0.02)
    assert not same(one.state(), full.state())


def test_what_the_interface_asks_of_the_method():
    method = load_method("end2end")
    assert takes_work(method.fit) and not takes_work(method.reconstruct)
    train, stimuli = paired()
    with pytest.raises(ConfigError, match="has no layer 'pool5'; it has conv1_1"):
        end2end.fit(train, stimuli, {**OPTIONS, "comparator": {"network": NETWORK, "layer": "pool5"}}, CPU)
    settings = End2EndSettings.read(OPTIONS)
    assert replace(settings, rescale="none", checkpoint_every=5).of_learning() == settings.of_learning()
