"""Deep image reconstruction: true features give the image back, batches change nothing, kills cost one batch."""

import numpy as np
import pytest
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import ConfigError
from fmri2image.decode.decoded import FeaturesInMemory
from fmri2image.features.networks import build_network
from fmri2image.reconstruct import icnn
from fmri2image.reconstruct.icnn import reconstruct
from fmri2image.reconstruct.icnn_settings import IcnnSettings
from fmri2image.reconstruct.interface import Work

NETWORK = {"name": "vgg-small", "size": 32, "widths": [8, 8, 8, 8, 8], "units": [8, 8, 8], "seed": 2}
LAYERS = ["conv1_1", "conv2_1", "fc6"]
ROWS = ["a", "b", "c", "d", "e"]
CPU = torch.device("cpu")
DESCENT = {"optimiser": "descent", "descent": {"learning_rate": [8.0, 1e-10], "decay": [0.0, 0.0], "jitter": 2}}


def settings(**changes):
    return {"network": NETWORK, "layers": LAYERS, "iterations": 40, "batch": 2, **changes}


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(0).random((5, 3, 4, 4)).astype(np.float32)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


@pytest.fixture(scope="module")
def features(images):
    with torch.no_grad():
        found = build_network(NETWORK).features(torch.as_tensor(images), LAYERS)
    return FeaturesInMemory({layer: LabelledArray(value.numpy(), ROWS) for layer, value in found.items()})


def only(features, rows):
    return FeaturesInMemory({layer: LabelledArray(features.read(layer, rows), rows) for layer in LAYERS})


@pytest.mark.parametrize(
    ("changes", "steps"),
    [({}, 41), ({"optimiser": "descent", "descent": {"decay": [0, 0]}, "iterations": 80}, 80)],
    ids=["lbfgs", "descent"],
)
def test_true_features_give_the_image_back(images, features, changes, steps):
    found = reconstruct(features, None, settings(**changes), CPU)
    assert found.images.rows == found.path.rows == ROWS and found.snapshots is None
    assert found.images.values.shape == images.shape and found.images.values.dtype == np.float32
    assert found.images.values.min() >= 0
    assert found.images.values.max() <= 1
    error = ((found.images.values - images) ** 2).mean((1, 2, 3))
    assert (error < 0.1 * ((0.5 - images) ** 2).mean((1, 2, 3))).all()
    # Each is its own image, not another one.
    distance = ((found.images.values[:, None] - images[None]) ** 2).mean((2, 3, 4))
    assert (distance.argmin(1) == np.arange(5)).all()
    assert found.path.values.shape == (5, steps)
    assert (found.path.values[:, -1] < 0.05 * found.path.values[:, 0]).all()


@pytest.mark.parametrize("changes", [{}, {**DESCENT, "start": "uniform"}], ids=["lbfgs", "descent"])
def test_an_image_depends_on_its_name_and_not_on_the_others(features, changes):
    options = settings(iterations=12, snapshots=3, seed=5, **changes)
    together = reconstruct(features, None, options, CPU)
    for rows in (["e"], ["d", "b", "a"]):
        alone = reconstruct(only(features, rows), None, options, CPU)
        np.testing.assert_array_equal(alone.images.values, together.images.take(rows).values)
        np.testing.assert_array_equal(alone.path.values, together.path.take(rows).values)
        np.testing.assert_array_equal(alone.snapshots.values, together.snapshots.take(rows).values)
    automatic = reconstruct(features, None, {**options, "batch": "auto"}, CPU)
    np.testing.assert_allclose(automatic.images.values, together.images.values, atol=1e-3)


def test_seeds_matter_where_something_is_drawn(features):
    def run(**changes):
        return reconstruct(features, None, settings(iterations=3, **changes), CPU).images.values

    np.testing.assert_array_equal(run(seed=1), run(seed=2))
    assert not np.array_equal(run(seed=1, start="uniform"), run(seed=2, start="uniform"))
    assert not np.array_equal(run(seed=1, **DESCENT), run(seed=2, **DESCENT))
    assert not np.array_equal(run(), run(start="zero"))


def test_precision_bfloat16_is_near(features):
    features = only(features, ["a", "b"])
    options = [settings(precision=precision, iterations=10) for precision in ("float32", "bfloat16")]
    full, half = (reconstruct(features, None, one, CPU).images.values for one in options)
    assert not np.array_equal(full, half)
    for one, other in zip(full, half, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_snapshots_go_from_the_start_to_the_image(features):
    found = reconstruct(features, None, settings(iterations=12, snapshots=4), CPU)
    assert found.snapshot_iterations == [0, 4, 8, 12]
    assert found.snapshots.values.shape == (5, 4, 3, 32, 32) and found.snapshots.values.dtype == np.uint8
    mean = np.rint(np.asarray(build_network(NETWORK).domain.mean_rgb) * 255)
    np.testing.assert_array_equal(found.snapshots.values[:, 0], np.broadcast_to(mean[:, None, None], (5, 3, 32, 32)))
    np.testing.assert_array_equal(found.snapshots.values[:, -1], np.rint(found.images.values * 255))
    shorter = reconstruct(features, None, settings(iterations=8), CPU)
    np.testing.assert_array_equal(found.snapshots.values[:, 2], np.rint(shorter.images.values * 255))
    stepwise = reconstruct(features, None, settings(iterations=5, snapshots=2, **DESCENT), CPU)
    assert stepwise.snapshot_iterations == [0, 4]  # the last update makes no image
    np.testing.assert_array_equal(stepwise.snapshots.values[:, 1], np.rint(stepwise.images.values * 255))


def test_a_generators_latents_are_optimised_within_bounds(monkeypatch, tmp_path, features):
    class Plane(torch.nn.Module):
        latent_shape = (48,)

        def forward(self, latent):
            coarse = latent.unflatten(1, (3, 4, 4)) / 4
            return coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)

    weights = tmp_path / "weights"
    weights.write_bytes(b"x")
    monkeypatch.setattr(icnn, "build_generator", lambda given: Plane())
    monkeypatch.setattr(icnn, "read_bounds", lambda path, n: np.full(n, 3.0))
    generator = {"name": "plane", "weights": str(weights), "bounds": str(weights)}
    descent = {"learning_rate": [0.1, 1e-3], "decay": [0.0, 0.0]}
    features = only(features, ["a", "b"])
    for changes in ({"iterations": 15}, {"iterations": 50, "optimiser": "descent", "descent": descent}):
        found = reconstruct(features, None, settings(generator=generator, **changes), CPU)
        assert found.images.values.max() <= 0.75 and found.images.values.min() >= 0  # 3 of 4
        assert (found.images.values == 0.75).any()
        blocks = found.images.values.reshape(2, 3, 4, 8, 4, 8)
        assert np.ptp(blocks, axis=(3, 5)).max() < 1e-6
        assert (found.path.values[:, -1] < 0.6 * found.path.values[:, 0]).all()
    free = {**generator, "bounds": None}
    found = reconstruct(features, None, settings(generator=free, iterations=25), CPU)
    assert (found.path.values[:, -1] < 0.05).all() and found.images.values.max() > 0.75


class _Killed(Exception):
    pass


def killed_in_batch(monkeypatch, number):
    """Make the optimisation of batch `number` fail, and list what is optimised."""
    optimise, begun = icnn._optimise, []

    def interrupted(options, network, variables, targets, rows, *rest):
        begun.append(list(rows))
        if len(begun) == number:
            raise _Killed
        return optimise(options, network, variables, targets, rows, *rest)

    monkeypatch.setattr(icnn, "_optimise", interrupted)
    return begun


def test_finished_batches_outlive_a_kill(monkeypatch, tmp_path, features):
    work = Work(output=tmp_path / "sub-01_test.h5", fingerprint={"code": "1"})
    options = settings(iterations=6, snapshots=2)
    whole = reconstruct(features, None, options, CPU)
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        killed_in_batch(patch, 3)
        reconstruct(features, None, options, CPU, work)
    assert [path.name for path in tmp_path.iterdir()] == [".unfinished-sub-01_test.h5.npz"]
    with monkeypatch.context() as patch:
        begun = killed_in_batch(patch, 9)
        found = reconstruct(features, None, options, CPU, work)
    assert begun == [["e"]]
    for name in ("images", "path", "snapshots"):
        mine, other = getattr(found, name), getattr(whole, name)
        assert mine.rows == other.rows
        np.testing.assert_array_equal(mine.values, other.values)


@pytest.mark.parametrize("what", ["setting", "code", "feature", "cut", "damage"])
def test_what_changed_starts_anew(monkeypatch, tmp_path, features, what):
    work = Work(output=tmp_path / "x.h5", fingerprint={"code": "1"})
    reconstruct(features, None, settings(iterations=3), CPU, work)
    options, changed = settings(iterations=3), features
    if what == "setting":
        options = settings(iterations=4)
    elif what == "code":
        work = Work(output=tmp_path / "x.h5", fingerprint={"code": "2"})
    elif what == "feature":
        values = {layer: features.read(layer).copy() for layer in LAYERS}
        values["fc6"][3] *= 1.001
        changed = FeaturesInMemory({layer: LabelledArray(value, ROWS) for layer, value in values.items()})
    else:
        path = tmp_path / ".unfinished-x.h5.npz"
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle] ^= 255  # one byte of an image; the file is as long as before
        path.write_bytes(content if what == "damage" else content[:middle])
    begun = killed_in_batch(monkeypatch, 9)
    found = reconstruct(changed, None, options, CPU, work)
    assert [row for rows in begun for row in rows] == (["d"] if what == "feature" else ROWS)
    monkeypatch.undo()
    np.testing.assert_array_equal(found.images.values, reconstruct(changed, None, options, CPU).images.values)


def test_settings_that_do_not_go_together():
    def read(**changes):
        return IcnnSettings.read(settings(**changes))

    assert read().start == "mean" and read(generator={"name": "x"}).start == "zero"
    assert read(iterations=200, snapshots=5).snapshot_iterations == [0, 50, 100, 150, 200]
    assert read(iterations=200, snapshots=1).snapshot_iterations == [200]
    assert read().snapshot_iterations == []
    for changes, message in (
        ({"start": "normal"}, "icnn.start: 'normal' is no start of pixels; use one of mean, zero, uniform"),
        ({"start": "mean", "generator": {"name": "x"}}, "'mean' is no start of latents"),
        ({"optimiser": "adam"}, "optimiser 'adam' is unknown"),
        ({"precision": "half"}, "precision 'half' is unknown"),
        ({"iterations": 4, "snapshots": 6}, "icnn.snapshots: 6 of the 5 images"),
        ({**DESCENT, "generator": {"name": "x"}}, "jitter cannot be had with a generator"),
        ({"evaluations": 60}, "icnn: unknown key evaluations"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(**changes)
