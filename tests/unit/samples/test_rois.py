"""Masks, unions and the voxel table."""

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.images import write_image
from fmri2image.preprocess.masks import read_masks
from fmri2image.samples.rois import add_unions, unite, voxel_table

AFFINE = np.diag([-3.0, 3, 3, 1])
AFFINE[:3, 3] = [10, -20, 5]


@pytest.fixture
def folder(tmp_path):
    """Masks of three areas in two hemispheres."""
    for place, (hemisphere, roi) in enumerate(
        (hemisphere, roi) for hemisphere in ("LH", "RH") for roi in ("V1d", "V1v", "HVC")
    ):
        mask = np.zeros((6, 5, 4), dtype=np.uint8)
        mask[place, 1:3, 2] = 1
        write_image(tmp_path / f"sub-01_mask_{hemisphere}_{roi}.nii.gz", mask, AFFINE)
    return tmp_path


def test_hemispheres_are_united(folder):
    masks = read_masks(sorted(folder.glob("*.nii.gz")))
    assert sorted(masks.masks) == ["HVC", "V1d", "V1v"]
    assert masks.shape == (6, 5, 4)
    assert np.unique(np.argwhere(masks.masks["V1d"])[:, 0]).tolist() == [0, 3]


def test_unions_and_the_voxel_table(folder):
    masks = add_unions(read_masks(list(folder.glob("*.nii.gz"))), {"V1": ["V1d", "V1v"], "VC": ["V1", "HVC"]})
    places = np.argwhere(np.any(list(masks.masks.values()), axis=0))
    areas = {name: mask[tuple(places.T)] for name, mask in masks.masks.items()}
    voxels = voxel_table(places, AFFINE, areas)
    assert len(voxels) == 12
    np.testing.assert_array_equal(voxels["ROI_V1"], voxels["ROI_V1d"] | voxels["ROI_V1v"])
    assert voxels["ROI_VC"].all()
    assert voxels["ROI_V1"].sum() == 8
    first = voxels.iloc[0]
    assert (first["voxel_i"], first["voxel_j"], first["voxel_k"]) == (0, 1, 2)
    assert (first["voxel_x"], first["voxel_y"], first["voxel_z"]) == (10, -17, 11)
    for name in masks.masks:
        inside = voxels[voxels[f"ROI_{name}"] == 1][["voxel_i", "voxel_j", "voxel_k"]].to_numpy()
        np.testing.assert_array_equal(inside, np.argwhere(masks.masks[name]))


def test_unions_of_voxels_are_those_of_masks(folder):
    masks = read_masks(list(folder.glob("*.nii.gz")))
    places = np.argwhere(np.any(list(masks.masks.values()), axis=0))[::-1]
    unions = {"V1": ["V1d", "V1v"], "VC": ["V1", "HVC"]}
    united = unite({name: mask[tuple(places.T)] for name, mask in masks.masks.items()}, unions)
    expected = add_unions(masks, unions).masks
    assert list(united) == list(expected)
    for name, inside in united.items():
        np.testing.assert_array_equal(inside, expected[name][tuple(places.T)])


def test_a_union_of_nothing_known_is_refused(folder):
    masks = read_masks(list(folder.glob("*.nii.gz")))
    with pytest.raises(ConfigError, match="'V2' needs V2v.*there are .*V1d"):
        add_unions(masks, {"V2": ["V1d", "V2v"]})
    with pytest.raises(ConfigError, match="'HVC' has the name"):
        add_unions(masks, {"HVC": ["V1d"]})


def test_an_empty_area_is_refused():
    areas = {"V1": np.zeros(2, dtype=bool), "V2": np.ones(2, dtype=bool)}
    with pytest.raises(DataError, match="V1 cover no voxel"):
        voxel_table(np.array([[0, 0, 0], [0, 0, 1]]), AFFINE, areas)


def test_masks_on_two_grids_name_both_files(folder):
    write_image(folder / "sub-01_mask_RH_V1v.nii.gz", np.ones((6, 5, 3), dtype=np.uint8), AFFINE)
    with pytest.raises(DataError, match=r"RH_V1v.*LH_HVC"):
        read_masks(list(folder.glob("*.nii.gz")))
    moved = AFFINE.copy()
    moved[0, 3] += 1
    write_image(folder / "sub-01_mask_RH_V1v.nii.gz", np.ones((6, 5, 4), dtype=np.uint8), moved)
    with pytest.raises(DataError, match="another grid"):
        read_masks(list(folder.glob("*.nii.gz")))


def test_odd_names_and_no_masks_are_refused(folder):
    with pytest.raises(DataError, match="No ROI mask"):
        read_masks([])
    with pytest.raises(DataError, match="not named like a mask"):
        read_masks([folder / "sub-01_V1.nii.gz"])
