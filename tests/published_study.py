"""What the Kamitani Lab has published of Shen et al. 2019, in its formats, made of a finished run of the tiny study.

Stimuli get the names of ds001506: training and test images become images of ImageNet, and the test images serve a second
time as coloured shapes. Responses, features and decoded features are those of the run, so scores must come out alike.
"""

import hashlib
import io
import sys
import zipfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import yaml
from checkouts import TINY, Checkout
from loopback import Loopback
from PIL import Image
from published_archives import mat_v5, mat_v73, write_zip

from fmri2image.acquire.registry import COLUMNS, Entry
from fmri2image.core.arrays import read_array
from fmri2image.core.samples import read_bdata
from fmri2image.samples.published_labels import NUMBERED

sys.path.insert(0, str(Path(__file__).parent / "unit" / "samples"))
from published_files import identifier, write_file  # noqa: E402

LAYERS = ["conv1_1", "conv2_1", "fc8"]
AREAS = ("V1", "V2", "V3", "hV4", "LOC", "FFA", "PPA", "HVC")
KINDS = {"test": "natural", "shapes": "color_shape"}  # of decoded features


def renamed(run: Path) -> dict[str, dict[str, str]]:
    """Return, per stimulus set, the published name of every stimulus of the run."""
    names = {name: read_array(run / f"stimuli/{name}.h5", "images").rows for name in ("train", "test")}
    return {
        "train": {name: f"n0{1000000 + 7 * i}_{100 + i}" for i, name in enumerate(names["train"])},
        "test": {name: f"n0{2000000 + 7 * i}_{i + 1}" for i, name in enumerate(names["test"])},
        "shapes": dict(zip(names["test"], NUMBERED["shapes"], strict=False)),
    }


def write_samples(run: Path, folder: Path) -> None:
    """Write ``sub-01_<set>.h5`` as bdpy writes what fMRIPrep has prepared."""
    samples, names = read_bdata(run / "samples/sub-01.h5"), renamed(run)
    axes = [f"voxel_{axis}" for axis in "ijkxyz"]
    described = {key: samples.voxels[key].to_numpy(dtype=float) for key in (*axes, *(f"ROI_{area}" for area in AREAS))}
    for stimulus_set in ("train", "test", "shapes"):
        shown = "train" if stimulus_set == "train" else "test"
        rows = (samples.trials["stimulus_set"] == shown).to_numpy()
        order = [names[stimulus_set][name] for name in samples.trials["stimulus"][rows]]
        distinct = sorted(set(order))
        number = np.array([distinct.index(name) + 1.0 for name in order])
        n = len(order)
        design = {
            "Session": np.ones(n),
            "Run": samples.trials["run"][rows].to_numpy(dtype=float),
            "Block": np.arange(n) + 2.0,
            "MotionParameter": np.ones((n, 6)),
            "stimulus_name": number,
        }
        if stimulus_set != "shapes":
            design["stimulus_id"] = np.array([identifier(name) for name in order])
        texts = {"stimulus_name": dict(enumerate(distinct, start=1))}
        write_file(folder / f"sub-01_{stimulus_set}.h5", samples.data[rows], described, design, texts)


def write_features(run: Path, folder: Path) -> None:
    """Write true and decoded features, one archive per layer, and the SD of every layer in one file."""
    names, sds = renamed(run), {}
    for layer in LAYERS:
        for stimulus_set in ("train", "test"):
            true = read_array(run / f"features/vgg-small/{stimulus_set}/{layer}.h5", "features")
            write = mat_v73 if layer == "fc8" else mat_v5
            members = {
                f"caffe/VGG_small/{layer}/{names[stimulus_set][name]}.mat": write(feat=values[None])
                for name, values in zip(true.rows, true.values, strict=True)
            }
            write_zip(folder / f"features-{stimulus_set}-{layer}.zip", members)
            if stimulus_set == "train":
                values = (
                    true.values.reshape(*true.values.shape[:2], -1) if true.values.ndim > 2 else true.values[:, None]
                )
                sds[layer] = np.array([[values.std(axis=-1).mean()]])
        decoded = read_array(run / f"decode/ridge/vgg-small/sub-01_roi-VC/{layer}.h5", "test")
        of = dict(zip(decoded.rows, decoded.values, strict=True))
        for test, kind in KINDS.items():
            order = sorted(names[test], key=lambda name, test=test: names[test][name])
            members = {
                f"{kind}-vgg-small-{layer}-S1-{area}-Img{i:04d}.mat": mat_v5(feat=of[name][None])
                for area in ("VC", "V1")
                for i, name in enumerate(order, start=1)
            }
            write_zip(folder / f"decodedfeatures-{kind}-{layer}-S1.zip", members)
    (folder / "estimated_cnn_feat_std.mat").write_bytes(mat_v5(**sds))


def write_pictures(run: Path, folder: Path) -> None:
    """Write the archive of the shapes, with what such archives hold besides."""
    images = read_array(run / "stimuli/test.h5", "images")
    names = renamed(run)["shapes"]
    with zipfile.ZipFile(folder / "shapes.zip", "w") as archive:
        archive.writestr("__MACOSX/shapes/._colorExpStim01_red_square.tif", b"\0\5\26\7")
        for name, values in zip(images.rows, images.values, strict=True):
            content = io.BytesIO()
            Image.fromarray(values).save(content, "tiff")
            archive.writestr(f"shapes/{names[name]}.tif", content.getvalue())


def write_table(run: Path, folder: Path) -> None:
    """Write the table of the test stimuli: names, and the numbers that spell them."""
    names = sorted(renamed(run)["test"].values())
    lines = [f"{name}.JPEG\t{identifier(name):.6f}\n" for name in names]
    (folder / "stimulus_ImageNetTest.tsv").write_text("".join(lines), encoding="utf-8")


def write_published(run: Path, folder: Path) -> Path:
    """Write all files that a study of published data reads."""
    folder.mkdir(parents=True)
    write_samples(run, folder)
    write_features(run, folder)
    write_pictures(run, folder)
    write_table(run, folder)
    return folder


def entries(folder: Path, server: Loopback) -> list[Entry]:
    """Return rows of the registry for these files, whose addresses redirect as figshare's do; every second has no MD5."""
    kinds = {
        **{f"tiny-sub-01-{name}": ("samples", f"sub-01_{name}.h5") for name in ("train", "test", "shapes")},
        **{
            f"true-features-tiny-{name}-{layer}": ("true-features", f"features-{name}-{layer}.zip")
            for name in ("train", "test")
            for layer in LAYERS
        },
        **{
            f"decoded-tiny-{test}-sub-01-{layer}": ("decoded-features", f"decodedfeatures-{kind}-{layer}-S1.zip")
            for test, kind in KINDS.items()
            for layer in LAYERS
        },
        "tiny-feature-std": ("feature-statistics", "estimated_cnn_feat_std.mat"),
        "tiny-shapes": ("stimuli", "shapes.zip"),
        "tiny-table-test": ("stimulus-table", "stimulus_ImageNetTest.tsv"),
    }
    found = []
    for number, (name, (kind, file)) in enumerate(kinds.items()):
        content = (folder / file).read_bytes()
        server.files[file] = content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() if number % 2 else ""
        about = ("", "", "", "not stated", "not stated", "", f"Tiny {kind}.", "tests", "no")
        found.append(Entry(name, "tiny", kind, file, (server.figshare(file),), None, md5, *about))
    return found


def add_to_registry(checkout: Checkout, rows: list[Entry]) -> None:
    """Append rows to the registry of a checkout."""
    assert len(astuple(rows[0])) == len(COLUMNS)
    checkout.append("resources/registry.tsv", "".join("\t".join(row.row()) + "\n" for row in rows))


def published_config(dataset: str, tests: list[str], *, paper: bool = True, samples: bool = True) -> dict:
    """Return the configuration of a study of these files.

    Parameters
    ----------
    dataset : str
    tests : list of str
        ``test`` (without pictures) and ``shapes`` (with).
    paper : bool
        Whether published decoded features are used.
    samples : bool
        Whether published responses are.
    """
    tiny = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    sets = ["train", *tests]
    network = tiny["features"]["networks"]["vgg-small"]
    known = [name for name in ("train", "test") if name in sets and (samples or name != "train")]
    network["published"] = {name: f"true-features-tiny-{name}-{{layer}}" for name in known}
    stimuli = {
        "test": {"from": "folder", "folder": None, "show": False, "ask": "https://example.org/form"},
        "shapes": {"from": "registry", "entry": "tiny-shapes"},
    }
    if not samples:
        stimuli["test"]["names"] = "tiny-table-test"
    stimuli = {name: stimuli[name] for name in tests}
    icnn = tiny["reconstruct"]["methods"]["icnn"]
    ridge = {**tiny["decode"]["decoders"]["ridge"], "norm_reference": "training"}
    published = {
        "decoder": "published",
        "network": "vgg-small",
        "entries": {test: f"decoded-tiny-{test}-sub-{{subject}}-{{layer}}" for test in tests},
        "rois": ["VC", "V1"],
        "feature_std": "tiny-feature-std",
        "norm_reference": "training",
    }
    config = {
        **{key: tiny[key] for key in ("seed", "device", "subjects")},
        "dataset": dataset,
        "title": "Published responses and features",
        "stimulus_sets": sets,
        "acquire": {"source": "published", "stimuli": stimuli, "image_size": 32},
        "samples": {"unions": {}},
        "tests": {test: {"stimuli": test, "training": "train", "rows": "stimulus"} for test in tests},
        "features": {"networks": {"vgg-small": network}},
        "decode": {"decoders": {}},
        "reconstruct": {"methods": {}},
        "analyses": [],
        "evaluate": tiny["evaluate"],
        "report": {"primary": {"method": "icnn" if samples else "icnn-paper", "roi": "VC"}},
    }
    if samples:
        names = {name: f"tiny-sub-{{subject}}-{name}" for name in sets}
        config["samples"]["published"] = {"dialect": "deeprecon-fmriprep", "entries": names}
        config["decode"]["decoders"]["ridge"] = ridge
        config["reconstruct"]["methods"] |= {"icnn": icnn, "pixels": tiny["reconstruct"]["methods"]["pixels"]}
        config["analyses"] += [{"method": name, "rois": ["VC"], "tests": tests} for name in ("icnn", "pixels")]
    if paper:
        config["decode"]["decoders"]["paper"] = published
        config["reconstruct"]["methods"]["icnn-paper"] = {**icnn, "decoder": "paper", "norm_correction": "channel_sd"}
        rois = ["VC", "V1"] if not samples else ["VC"]
        config["analyses"] += [{"method": "icnn-paper", "rois": rois, "tests": tests, "ceiling": not samples}]
    return config


def write_config(checkout: Checkout, config: dict) -> Checkout:
    """Write a configuration into a checkout and return the checkout with it."""
    name = f"config/{config['dataset']}.yaml"
    (checkout / name).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return Checkout(checkout.folder, name)
