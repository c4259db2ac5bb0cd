"""Published decoded features against the published formulas and against decoded features of our own, sent out and back."""

import json
import runpy

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from published_archives import FORMATS, mat_v5, mat_v73, write_zip

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples
from fmri2image.decode.decoded import DecodedFeatures
from fmri2image.decode.layers import LayerDecoding
from fmri2image.decode.norm import KINDS
from fmri2image.decode.published import PublishedTest, Reference, gather_reference, import_decoded
from fmri2image.decode.published_names import assumed_names, read_names, score_names_order
from fmri2image.samples.names import IMAGERY_ORDERS

LETTERS = [
    f"letter_black_img0{number}_{letter}"
    for number, letter in zip((11, 13, 15, 19, 24, 25, 28, 29, 30, 31), "ACEINORSTU", strict=True)
]
SHAPE = (5, 2, 3)
LAYERS = ["conv1_1", "fc6"]


@pytest.fixture
def decoded():
    """Decoded features of the letters in a layer of shape (5, 2, 3), in the order of `LETTERS`."""
    return np.random.default_rng(0).normal(0.5, 2, (10, *SHAPE)).astype(np.float32)


def numbered(features, kind="alphabet", network="VGG19", layer="conv1_1", subject="S1", roi="VC", write=mat_v5):
    """An archive's members as DeepImageReconstruction publishes them; row 0 is Img0001."""
    stem = f"{kind}-{network}-{layer}-{subject}-{roi}"
    folder = f"{kind}/{network}/{layer}/{subject}/{roi}"
    return {f"{folder}/{stem}-Img{i:04d}.mat": write(feat=row) for i, row in enumerate(features, start=1)}


def run(output, sources, stimuli=LETTERS, *, names=None, true=None, reference=None, test="letters", **keys):
    keys = {"layer": "conv1_1", "subject": "01", "roi": "VC", "shape": SHAPE, **keys}
    attributes = {"network": "vgg19", "simulated": False, "transductive": "False"}
    tests = {test: PublishedTest(sources, stimuli, names, true)}
    return import_decoded(tests, output=output, attributes=attributes, layers=LAYERS, reference=reference, **keys)


# Norm corrections ------------------------------------------------------------------------------------------------------


def channel_sd(image, ddof):
    if image.ndim == 1:
        return image.std(ddof=ddof)
    return np.mean([channel.std(ddof=ddof) for channel in image])


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("layer", "shape"), [("conv1_1", SHAPE), ("fc6", (30,))])
def test_channel_sd_is_the_published_script(tmp_path, decoded, layer, shape, write):
    decoded = decoded.reshape(10, *shape)
    archive = write_zip(
        tmp_path / f"decodedfeatures-alphabet-VGG19-{layer}-S1.zip", numbered(decoded, layer=layer, write=write)
    )
    std = tmp_path / "estimated_vgg19_cnn_feat_std.mat"
    std.write_bytes(mat_v5(conv1_1=np.array(54.19), fc6=np.array(11.587)))
    reference = gather_reference(layer, shape, feature_std=std)
    run(tmp_path / "out.h5", [archive], layer=layer, shape=shape, reference=reference)
    found = DecodedFeatures({layer: tmp_path / "out.h5"}, "letters", correction="channel_sd")
    assert found.rows == LETTERS
    std0 = {"conv1_1": 54.19, "fc6": 11.587}[layer]
    expected = np.stack([image / channel_sd(image, 0) * std0 for image in decoded])
    np.testing.assert_allclose(found.read(layer), expected, rtol=1e-5)
    plain = DecodedFeatures({layer: tmp_path / "out.h5"}, "letters", correction="none").read(layer, LETTERS[3:1:-1])
    np.testing.assert_array_equal(plain, decoded[[3, 2]])


@pytest.mark.parametrize(("layer", "shape"), [("conv1_1", SHAPE), ("fc6", (30,))])
def test_the_cookbook_with_its_own_files(tmp_path, decoded, layer, shape):
    decoded = decoded.reshape(10, *shape)
    members = {
        f"VGG19/{layer}/sub-02/VC/{name}.mat": mat_v73(feat=row[None])
        for name, row in zip(LETTERS, decoded, strict=True)
    }
    archive = write_zip(tmp_path / "decoded_features-ImageNetTest-deeprecon_originals-VGG19.zip", members)
    channels = np.random.default_rng(1).uniform(1, 3, shape[0])
    std = tmp_path / "estimated_cnn_feat_std_VGG_chwise_dof1.mat"
    std.write_bytes(mat_v5(**{layer: channels.reshape(1, -1, 1, 1)}))
    mean = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    means = write_zip(
        tmp_path / "mean.zip", {"data/features/ImageNetTraining/VGG/mean.mat": mat_v5(**{layer: mean[None]})}
    )
    reference = gather_reference(layer, shape, feature_std=std, mean_features=means)
    run(tmp_path / "out.h5", [archive], layer=layer, shape=shape, subject="02", reference=reference)

    def feature_std(image):
        return (image - image.mean()) / channel_sd(image, 1) * channels.mean() + image.mean()

    for kind, expected in (
        ("grand_mean_sd", np.stack([feature_std(image) for image in decoded])),
        ("train_mean_sd", np.stack([feature_std(image - mean) + mean for image in decoded])),
    ):
        found = DecodedFeatures({layer: tmp_path / "out.h5"}, "letters", correction=kind).read(layer)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)
    assert read_attributes(tmp_path / "out.h5")["letters_names"] == "named by the files"


def test_corrections_without_their_reference_are_refused(tmp_path, decoded):
    archive = write_zip(tmp_path / "a.zip", numbered(decoded))
    for reference, works in (
        (Reference(), {"none"}),
        (Reference(channel_sd=2.0), {"none", "channel_sd", "grand_mean_sd"}),
        (Reference(norm=2.0), {"none", "norm", "norm_layer"}),
        (Reference(mean=np.ones(SHAPE, dtype="f4")), {"none"}),
        (Reference(1.0, 2.0, np.ones(SHAPE, dtype="f4")), set(KINDS)),
    ):
        run(tmp_path / "out.h5", [archive], reference=reference)
        assert set(read_attributes(tmp_path / "out.h5")["corrections"]) == works
        for kind in KINDS:
            if kind in works:
                values = DecodedFeatures({"conv1_1": tmp_path / "out.h5"}, "letters", correction=kind).read("conv1_1")
                assert np.isfinite(values).all()
                continue
            with pytest.raises(ConfigError, match=f"'{kind}' needs.*allows none") as error:
                DecodedFeatures({"conv1_1": tmp_path / "out.h5"}, "letters", correction=kind)
            assert "\n" not in str(error.value)


# Round trip ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Decoded features of the ten letters by our own decoder, the true features of its training images, and its file."""
    rng = np.random.default_rng(0)
    training = [f"n0{i}_{i}" for i in range(12)]
    names = training + LETTERS * 2
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": ["train"] * 12 + ["letters"] * 20,
            "session": "one",
            "run": 1,
            "block": range(32),
        }
    )
    samples = Samples(rng.standard_normal((32, 6)).astype("f4"), trials, pd.DataFrame({"voxel_i": range(6)}))
    true = tmp_path / "train.h5"
    write_arrays(true, {"features": LabelledArray(rng.normal(0.3, 1, (12, *SHAPE)).astype("f4"), training)})
    tests = {"letters": {"training": "train", "stimuli": "letters", "rows": "stimulus"}}
    settings = {"decoder": "ridge", "alpha": 2.0, "n_voxels": None, "norm_reference": "training"}
    decoding = LayerDecoding(samples, tests, settings, torch.device("cpu"))
    decoding.decode({"train": true}, tmp_path / "own.h5", {"transductive": "False"})
    return tmp_path / "own.h5", true


@pytest.mark.parametrize("correction", KINDS)
def test_our_own_decoded_features_come_back_with_every_correction(tmp_path, own, correction):
    path, true = own
    original = read_array(path, "letters")
    in_order = original.take(sorted(LETTERS, key=lambda name: name.split("img")[1]))
    archive = write_zip(tmp_path / "a.zip", numbered(in_order.values) | numbered(in_order.values * 3, roi="V1"))
    run(tmp_path / "back.h5", [archive], reference=gather_reference("conv1_1", SHAPE, training_features=true))
    expected = DecodedFeatures({"conv1_1": path}, "letters", correction=correction)
    found = DecodedFeatures({"conv1_1": tmp_path / "back.h5"}, "letters", correction=correction)
    np.testing.assert_allclose(found.read("conv1_1", LETTERS), expected.read("conv1_1", LETTERS), rtol=1e-5, atol=1e-6)
    with h5py.File(path) as a, h5py.File(tmp_path / "back.h5") as b:
        # Published features come without their decoders and without the halves of the trials.
        ours = {name for name in a if name.startswith("voxels") or "reliability" in name}
        assert set(a) - ours == set(b)
        assert {name: (item.shape, item.dtype) for name, item in a.items() if name not in ours} == {
            name: (item.shape, item.dtype) for name, item in b.items()
        }


# Names -----------------------------------------------------------------------------------------------------------------


def test_the_assumed_orders_are_those_of_the_scripts_and_events():
    names, order = assumed_names(range(1, 11), LETTERS[::-1], "alphabet", "a.zip")
    # Shen et al. 2019 show letters in this order of numbers (6_reconstruct_alphabet_image.py).
    assert "".join(names[number][-1] for number in (5, 3, 10, 7, 6)) == "NEURO"
    assert order.startswith("assumed")
    # image_index in the events of ds001506: 1 and 2, 15, 39.
    natural = ["n02437971_5013", "n03767745_109", "n01621127_19020", "n01443537_22563"]
    assert list(assumed_names([1, 2, 3, 4], natural, "natural", "")[0].values()) == sorted(natural)
    shapes = [f"colorExpStim{n:02d}_{n}" for n in (10, 9, 2, 1)]
    assert list(assumed_names([1, 2, 3, 4], shapes, "color_shape", "")[0].values()) == shapes[::-1]
    imagined, _ = assumed_names(range(1, 27), [], "imagery", "")
    assert imagined[21] == "n01858441_11077"  # the swan of 7_reconstruct_imagined_image.py
    assert 16 not in imagined
    with pytest.raises(DataError, match="holds 3 numbered images up to Img0003, but the stimulus set has 10"):
        assumed_names([1, 2, 3], LETTERS, "alphabet", "a.zip")


def test_imagery_takes_the_imagined_stimuli_and_no_fixation(tmp_path):
    rows = np.random.default_rng(0).standard_normal((26, *SHAPE)).astype("f4")
    archive = write_zip(tmp_path / "a.zip", numbered(rows, "imagery", "VGG19_leaky"))
    order = IMAGERY_ORDERS["ds001506"]
    wanted = [name for name in order[::-1] if name != "fixation"]
    run(tmp_path / "out.h5", [archive], wanted, test="imagery", slope=0.2)
    stored = read_array(tmp_path / "out.h5", "imagery")
    assert stored.rows == wanted
    np.testing.assert_array_equal(stored.values, rows[[order.index(name) for name in wanted]])


def test_a_table_of_names_goes_before_the_assumed_order(tmp_path, decoded):
    table = tmp_path / "names.tsv"
    table.write_text(
        "image\tstimulus\n" + "".join(f"Img{i:04d}\t{name}\n" for i, name in enumerate(LETTERS[::-1], start=1)),
        encoding="utf-8",
    )
    archive = write_zip(tmp_path / "a.zip", numbered(decoded))
    run(tmp_path / "out.h5", [archive], names=table)
    np.testing.assert_array_equal(read_array(tmp_path / "out.h5", "letters").values, decoded[::-1])
    assert read_attributes(tmp_path / "out.h5")["letters_names"] == str(table)
    assert read_attributes(tmp_path / "out.h5")["letters_names_assumed"] == "False"
    run(tmp_path / "out.h5", [archive])
    assert read_attributes(tmp_path / "out.h5")["letters_names_assumed"] == "True"
    for text, message in (
        ("number\tstimulus\n1\ta\n", "needs the columns image and stimulus"),
        ("image\tstimulus\none\ta\n", "'one' is no image number"),
        ("image\tstimulus\n1\ta\nImg0001\tb\n", "is there twice"),
    ):
        table.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_names(table)


def test_a_wrong_order_is_told_from_the_right_one(tmp_path, decoded, caplog):
    rng = np.random.default_rng(3)
    common = rng.standard_normal(SHAPE) * 5  # what all images share makes every order correlate
    true = decoded + common
    noisy = (0.2 * decoded + common + rng.standard_normal(decoded.shape)).astype("f4")
    write_arrays(tmp_path / "true.h5", {"features": LabelledArray(true.astype("f4"), LETTERS)})
    archive = write_zip(tmp_path / "a.zip", numbered(noisy))
    right = run(tmp_path / "out.h5", [archive], true=tmp_path / "true.h5")["letters"]
    assert right.p < 0.01 < 0.1 < right.correlation
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    wrong_archive = write_zip(tmp_path / "b.zip", numbered(np.roll(noisy, 3, axis=0)))
    wrong = run(tmp_path / "out.h5", [wrong_archive], true=tmp_path / "true.h5")["letters"]
    assert wrong.p > 0.05
    assert any("no better than names at random" in record.getMessage() for record in caplog.records)
    assert read_attributes(tmp_path / "out.h5")["letters_names_p"] == pytest.approx(wrong.p)


def test_the_order_score_is_the_permutation_test_written_out():
    rng = np.random.default_rng(5)
    decoded, true = rng.standard_normal((2, 6, 40))
    decoded += true
    found = score_names_order(decoded, true, 300, np.random.default_rng(1))
    d, t = (
        pd.DataFrame(values).apply(lambda unit: (unit - unit.mean()) / unit.std(ddof=0)) for values in (decoded, true)
    )
    correlation = np.corrcoef(d, t)[:6, 6:]
    assert found.correlation == pytest.approx(np.diag(correlation).mean())
    assert found.chance == pytest.approx(correlation.mean(), abs=0.05)  # the mean over all orders
    assert found.first == np.mean(correlation.argmax(1) == np.arange(6))
    assert found.p == pytest.approx(1 / 301, abs=0.01)


# What is chosen and refused --------------------------------------------------------------------------------------------


def test_subjects_and_areas_by_their_other_names(tmp_path, decoded):
    members = {}
    for i, roi in enumerate(("V4", "VC"), start=1):
        members |= numbered(decoded * i, roi=roi, subject="S3")
    archive = write_zip(tmp_path / "a.zip", members)
    run(tmp_path / "out.h5", [archive], subject="03", roi="hV4")
    np.testing.assert_array_equal(read_array(tmp_path / "out.h5", "letters").values, decoded)
    for keys, message in (
        ({"subject": "01"}, "no decoded features of subject 01; it holds S3"),
        ({"subject": "03", "roi": "V1"}, "no decoded features of roi V1; it holds V4, VC"),
        ({"subject": "03", "layer": "fc6", "shape": (30,)}, "no decoded features of layer fc6; it holds conv1_1"),
        ({"subject": "03", "shape": (5, 3, 2)}, r"shape \(5, 2, 3\), but layer conv1_1 has \(5, 3, 2\)"),
    ):
        with pytest.raises(DataError, match=message):
            run(tmp_path / "no.h5", [archive], **keys)
    assert not (tmp_path / "no.h5").exists()


def test_features_of_the_other_network_are_refused(tmp_path, decoded):
    leaky = write_zip(tmp_path / "leaky.zip", numbered(decoded, network="VGG19_leaky"))
    plain = write_zip(tmp_path / "plain.zip", numbered(decoded))
    run(tmp_path / "out.h5", [leaky], slope=0.2)
    run(tmp_path / "out.h5", [plain], slope=0.0)
    for archive, slope in ((leaky, 0.0), (plain, 0.2)):
        with pytest.raises(ConfigError, match="average pooling and slope 0.2"):
            run(tmp_path / "no.h5", [archive], slope=slope)


def test_incomplete_doubled_and_mixed_archives_are_refused(tmp_path, decoded):
    named = {f"conv1_1/sub-01/VC/{name}.mat": mat_v5(feat=row) for name, row in zip(LETTERS, decoded, strict=True)}
    cases = {
        "stimuli have no decoded features": dict(list(named.items())[1:]),
        "is there twice, as": named | {"b/" + next(iter(named)): next(iter(named.values()))},
        "Image 1 is there twice": numbered(decoded) | {"b/" + name: v for name, v in numbered(decoded).items()},
        "mixes tests": numbered(decoded) | numbered(decoded, kind="natural"),
        "holds no decoded features: files are called": {"conv1_1/a.mat": mat_v5(feat=decoded[0])},
    }
    for number, (message, members) in enumerate(cases.items()):
        archive = write_zip(tmp_path / f"{number}.zip", members)
        with pytest.raises(DataError, match=message):
            run(tmp_path / "out.h5", [archive])
    assert not (tmp_path / "out.h5").exists()


def test_units_without_a_value_take_the_training_mean(tmp_path, decoded):
    holes = decoded.copy()
    holes[2, 1] = np.nan
    archive = write_zip(tmp_path / "a.zip", numbered(holes))
    with pytest.raises(DataError, match="6 of 30 units have no value"):
        run(tmp_path / "out.h5", [archive])
    mean = np.random.default_rng(1).standard_normal(SHAPE).astype("f4")
    run(tmp_path / "out.h5", [archive], reference=Reference(mean=mean))
    stored = read_array(tmp_path / "out.h5", "letters").values
    np.testing.assert_array_equal(stored[2, 1], mean[1])
    stored[2, 1] = decoded[2, 1]
    np.testing.assert_array_equal(stored, decoded)
    decoded[0, 0, 0, 0] = np.inf
    with pytest.raises(DataError, match="1 of 30 features are not finite"):
        run(tmp_path / "out.h5", [write_zip(tmp_path / "b.zip", numbered(decoded))], reference=Reference(mean=mean))


def test_published_sizes_go_before_measured_ones(tmp_path, own):
    _, true = own
    values = read_array(true, "features").values
    measured = gather_reference("conv1_1", SHAPE, training_features=true)
    assert measured.norm == pytest.approx(np.mean([np.linalg.norm(image) for image in values]), rel=1e-5)
    assert measured.channel_sd == pytest.approx(np.mean([channel_sd(image, 0) for image in values]), rel=1e-5)
    np.testing.assert_allclose(measured.mean, values.mean(axis=0), atol=1e-6)
    std = tmp_path / "feat_std.mat"
    std.write_bytes(mat_v5(conv1_1=np.array(54.19)))
    both = gather_reference("conv1_1", SHAPE, training_features=true, feature_std=std)
    assert (both.norm, both.channel_sd) == (measured.norm, 54.19)
    other = tmp_path / "independent.h5"
    write_arrays(other, {"features": LabelledArray(3 * values, [f"i{i}" for i in range(len(values))])})
    independent = gather_reference("conv1_1", SHAPE, training_features=true, reference_features=other)
    assert (independent.norm, independent.channel_sd) == pytest.approx((3 * measured.norm, 3 * measured.channel_sd))
    np.testing.assert_array_equal(independent.mean, measured.mean)
    with pytest.raises(DataError, match="should hold features of shape"):
        gather_reference("conv1_1", (5, 2, 4), training_features=true)


def test_the_file_says_where_it_comes_from(tmp_path, decoded):
    archive = write_zip(tmp_path / "decodedfeatures-alphabet-VGG19-conv1_1-S1.zip", numbered(decoded))
    run(tmp_path / "out.h5", [archive])
    about = read_attributes(tmp_path / "out.h5")
    assert list(about["letters_published"]) == [archive.name]
    assert (about["roi"], about["layer"], about["transductive"]) == ("VC", "conv1_1", "False")
    assert not about["simulated"]
    json.dumps({key: str(value) for key, value in about.items()})


def test_the_scripts_bring_features_and_decoded_features_in(tmp_path):
    network = {"name": "vgg-small", "size": 32, "widths": [3, 4, 4, 5, 6], "units": [7, 6, 5]}
    true = np.random.default_rng(0).standard_normal((10, 6)).astype("f4")
    names = LabelledArray(np.zeros((10, 1), dtype=np.uint8), LETTERS)
    write_arrays(tmp_path / "letters.h5", {"names": names}, {"images": "missing"})
    stimuli = str(tmp_path / "letters.h5")
    members = {f"fc7/{name}.mat": mat_v73(feat=row[None]) for name, row in zip(LETTERS, true, strict=True)}
    archive = str(write_zip(tmp_path / "true.zip", members))
    features = tmp_path / "letters" / "fc7.h5"
    settings = {"network": network, "stimulus_set": "letters", "entry": "an entry", "simulated": False}
    main = runpy.run_path(str(WORKFLOW / "scripts" / "import_features.py"))["main"]
    main([archive], stimuli, "fc7", str(features), settings, None)
    np.testing.assert_array_equal(read_array(features, "features", LETTERS).values, true)

    published = str(write_zip(tmp_path / "decoded.zip", numbered(true / 3, network="VGG_small", layer="fc7")))
    settings = {
        "network": network,
        "tests": {"a": "letters"},
        "archives": {"a": published},
        "names": {},
        "simulated": False,
    }
    known = {"training_features": str(features)}
    files = {"stimuli": [stimuli], "true": [str(features)], **known}
    script = runpy.run_path(str(WORKFLOW / "scripts" / "import_decoded.py"))
    files |= {name: None for name in script["KNOWN"] if name not in known}
    script["main"](files, {"layer": "fc7", "subject": "01", "roi": "VC"}, str(tmp_path / "out.h5"), settings)
    found = DecodedFeatures({"fc7": tmp_path / "out.h5"}, "a", correction="norm")
    lengths = np.linalg.norm(true, axis=1)
    np.testing.assert_allclose(found.read("fc7"), true * (lengths.mean() / lengths)[:, None], rtol=1e-5)
    about = read_attributes(tmp_path / "out.h5")
    assert about["a_names_p"] < 0.01
    assert (about["network"], about["transductive"]) == ("vgg-small", "False")
