"""Maps and shares of chosen voxels, on a made-up sample file with a known affine."""

import json
import runpy
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from decoding_study import TESTS, make_features, make_samples, write_features
from nilearn import image as nilearn_image

from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples, read_bdata, write_bdata
from fmri2image.core.tables import read_table
from fmri2image.decode import maps
from fmri2image.decode.layers import LayerDecoding

SCRIPT = Path(__file__).parents[3] / "workflow" / "scripts" / "map_voxels.py"
AFFINE = np.array([[-2.0, 0.1, 0.0, 60.5], [0.05, 1.9, 0.3, -70.25], [0.0, -0.3, 2.1, -30.0], [0, 0, 0, 1]])
SHAPE = (8, 6, 5)
RIDGE = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 4, "norm_reference": "training"}


@pytest.fixture
def subject(tmp_path):
    """Decoded features of two areas, one inside the other, and the sample file with its voxels in no order of the grid."""
    small = make_samples()
    rng = np.random.default_rng(0)
    places = np.array(np.unravel_index(rng.permutation(np.prod(SHAPE))[:12], SHAPE)).T
    world = places @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    areas = {"ROI_V1": np.arange(12) < 5, "ROI_HVC": np.arange(12) >= 6, "ROI_VC": np.arange(12) < 11}
    columns = {f"voxel_{axis}": places[:, i] for i, axis in enumerate("ijk")}
    columns |= {f"voxel_{axis}": world[:, i] for i, axis in enumerate("xyz")}
    voxels = pd.DataFrame({**columns, **{name: inside.astype(int) for name, inside in areas.items()}})
    samples = Samples(rng.standard_normal((18, 12)).astype("f4"), small.trials, voxels)
    write_bdata(tmp_path / "sub-01.h5", samples)
    paths = write_features(tmp_path, make_features())
    decoded = []
    for roi in ("VC", "HVC"):
        decoding = LayerDecoding(samples.select(roi=roi), TESTS, RIDGE, torch.device("cpu"))
        decoded.append(tmp_path / f"sub-01_roi-{roi}" / "conv1_1.h5")
        decoding.decode(paths, decoded[-1], {})
    return tmp_path / "sub-01.h5", decoded


def draw(subject, folder, grid=None):
    samples, decoded = subject
    settings = {"dataset": "made-up", "decoder": "ridge", "network": "vgg", "subject": "01", "simulated": True}
    main = runpy.run_path(str(SCRIPT), run_name="map_voxels")["main"]
    main(str(samples), [str(path) for path in decoded], str(folder), str(folder / "shares.tsv"), settings, grid)
    return {path.name: path for path in folder.glob("*.nii.gz")}


def test_maps_lie_where_the_voxels_are(subject, tmp_path):
    found = draw(subject, tmp_path / "maps")
    assert set(found) == {f"sub-01_roi-{roi}_layer-conv11_desc-chosen_map.nii.gz" for roi in ("VC", "HVC")}
    voxels = read_bdata(subject[0]).voxels
    for roi, path in zip(("VC", "HVC"), subject[1], strict=True):
        loaded = nilearn_image.load_img(found[f"sub-01_roi-{roi}_layer-conv11_desc-chosen_map.nii.gz"])
        np.testing.assert_allclose(loaded.affine, AFFINE, atol=1e-6)
        assert loaded.header.get_xyzt_units()[0] == "mm"
        assert b"simulated" in loaded.header["descrip"].tobytes()
        inside = voxels[f"ROI_{roi}"].to_numpy() == 1
        choice = maps.read_choice(path)
        share = choice.counts[0] / 30
        assert share.sum() == pytest.approx(4)  # every unit chose four voxels
        values = loaded.get_fdata()
        for voxel, expected in zip(voxels[inside].itertuples(), share, strict=True):
            i, j, k = np.linalg.solve(AFFINE, [voxel.voxel_x, voxel.voxel_y, voxel.voxel_z, 1])[:3].round().astype(int)
            assert values[i, j, k] == pytest.approx(expected)
        assert np.isfinite(values).sum() == inside.sum()


def test_shares_add_up_by_area(subject, tmp_path):
    draw(subject, tmp_path / "maps")
    table = read_table(tmp_path / "maps" / "shares.tsv", subject=str).set_index(["roi", "area"])
    about = json.loads((tmp_path / "maps" / "shares.json").read_text())
    assert about["simulated"] is True
    assert set(about["columns"]) == set(maps.COLUMNS)
    whole = table.loc["VC", "VC"]
    assert (whole.n_voxels, whole.voxel_share, whole.chosen_share, whole.weight_share) == (11, 1, 1, 1)
    counts = maps.read_choice(subject[1][0]).counts
    assert table.loc["VC", "V1"].chosen_share == pytest.approx(counts[0, :5].sum() / counts[0].sum())
    assert table.loc["VC", "HVC"].weight_share == pytest.approx(counts[2, 6:].sum() / counts[2].sum())
    assert ("HVC", "V1") not in table.index
    assert set(table.n_units) == {30}


def test_the_grid_of_a_reference_image_is_taken_and_must_be_that_of_the_samples(subject, tmp_path):
    grid = tmp_path / "grid.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((9, 10, 11), dtype="i2"), AFFINE), grid)
    for path in draw(subject, tmp_path / "maps", grid).values():
        assert nib.load(path).shape == (9, 10, 11)
    nib.save(nib.Nifti1Image(np.zeros((9, 10, 11), dtype="i2"), AFFINE + np.eye(4) * 0.5), grid)
    with pytest.raises(DataError, match="does not lie on the grid of the samples"):
        draw(subject, tmp_path / "others", grid)
    without = draw(subject, tmp_path / "without")
    for path in without.values():  # the voxels tell the grid; it ends with the last of them
        assert nib.load(path).shape != (9, 10, 11)
        np.testing.assert_allclose(nib.load(path).affine, AFFINE, atol=1e-5)


def test_samples_without_coordinates_have_no_map(subject, tmp_path, caplog):
    samples = read_bdata(subject[0])
    write_bdata(subject[0], Samples(samples.data, samples.trials, samples.voxels.drop(columns="voxel_y")))
    assert draw(subject, tmp_path / "maps") == {}
    assert "tell no voxel_y for their voxels, so there is no map" in caplog.text
    assert len(read_table(tmp_path / "maps" / "shares.tsv")) == 5


@pytest.mark.parametrize("what", ["moved", "flat", "elsewhere", "twice"])
def test_voxels_that_fit_no_grid_are_refused(subject, tmp_path, what):
    voxels = read_bdata(subject[0]).voxels
    if what == "moved":
        voxels.loc[3, "voxel_x"] += 0.1
        with pytest.raises(DataError, match="mm from any affine"):
            maps.find_affine(voxels)
    elif what == "flat":
        with pytest.raises(DataError, match="lie in one plane"):
            maps.find_affine(voxels.assign(voxel_k=2))
    elif what == "elsewhere":
        with pytest.raises(DataError, match="outside a grid of 2 × 2 × 2"):
            maps.write_map(tmp_path / "a.nii.gz", np.zeros(12), voxels, AFFINE, (2, 2, 2))
    else:
        with pytest.raises(DataError, match="at the same place"):
            maps.write_map(tmp_path / "a.nii.gz", np.zeros(2), voxels.iloc[[0, 0]], AFFINE)


def test_counts_are_joined_by_voxel(subject):
    samples, (path, _) = subject
    voxels = read_bdata(samples).select(roi="VC").voxels
    choice = maps.read_choice(path, "cv run=1")
    order = np.random.default_rng(1).permutation(len(voxels))
    found = maps.order_choice(choice, voxels.iloc[order], path)
    np.testing.assert_array_equal(found, maps.order_choice(choice, voxels, path)[:, order])
    with pytest.raises(DataError, match="do not hold the same voxels"):
        maps.order_choice(choice, voxels.iloc[1:], path)
    with pytest.raises(DataError, match="no voxel how often"):
        maps.read_choice(samples)


def test_pruning_is_seen_in_the_counts():
    counts = np.array([[3.0, 2, 1], [3, 2, 1], [1, 1, 1]])
    assert not maps.prunes(counts)
    counts[1, 2] = 0
    assert maps.prunes(counts)
    counts[1] = np.nan
    assert not maps.prunes(counts)
