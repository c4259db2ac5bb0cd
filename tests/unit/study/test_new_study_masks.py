"""Masks of a user's own data: which names are masks of areas, patterns, and what is wrong with some."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from own_folder import write_image, write_mask

from fmri2image.core.errors import ConfigError
from fmri2image.study.findings import Findings
from fmri2image.study.own_config import UNIONS, ordered, unions_of
from fmri2image.study.own_masks import area_of, check_masks, find_masks


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("sub-01_mask_LH_V1d.nii.gz", "V1d"),
        ("sub-01_hemi-L_label-V1_mask.nii.gz", "V1"),
        ("sub-01_ses-2_space-T1w_desc-FFA_mask.nii", "FFA"),
        ("lh.hV4_roi.nii.gz", "hV4"),
        ("sub-01_roi-pFus1_bin.nii.gz", "pFus1"),
        ("right_V3a-b_mask.nii.gz", ""),  # no entity of BIDS has a hyphen in its value: nothing is left of the name
        ("sub-01_desc-brain_mask.nii.gz", ""),
        ("sub-01_label-GM_probseg.nii.gz", ""),
        ("sub-01_T1w.nii.gz", ""),
        ("sub-01_masked_T1w.nii.gz", ""),
    ],
)
def test_areas_of_names(name, area):
    assert area_of(name)[0] == area


def found(
    folder: Path, pattern: str | None = None, subjects=("01", "02")
) -> tuple[list[tuple[str, str, str]], Findings]:
    findings = Findings()
    masks = find_masks(folder, subjects, pattern, findings)
    return [(mask.subject, mask.area, mask.path.relative_to(folder).as_posix()) for mask in masks], findings


def test_masks_are_found_by_name(tmp_path):
    for name in (
        "sourcedata/sub-01/anat/sub-01_mask_LH_V1.nii.gz",
        "derivatives/rois/sub-02/lh.V1_roi.nii",
        "derivatives/rois/sub-02/rh.V1_roi.nii",
        "derivatives/rois/sub-03/rh.V1_roi.nii",
        "derivatives/fmriprep/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "derivatives/rois/sub-01/sub-01_space-MNI152_label-V2_mask.nii.gz",
        "derivatives/rois/group_label-V3_mask.nii.gz",
    ):
        write_mask(tmp_path / name)
    masks, findings = found(tmp_path)
    assert masks == [
        ("01", "V1", "sourcedata/sub-01/anat/sub-01_mask_LH_V1.nii.gz"),
        ("02", "V1", "derivatives/rois/sub-02/lh.V1_roi.nii"),
        ("02", "V1", "derivatives/rois/sub-02/rh.V1_roi.nii"),
    ]
    assert len(findings.worth_knowing) == 1
    assert "space-MNI152_label-V2_mask.nii.gz look like masks in another space" in findings.worth_knowing[0]


def test_masks_are_found_by_pattern(tmp_path):
    for name in (
        "m/sub-01/01.l.V-1.nii",
        "m/sub-01/01.r.V-1.nii",
        "m/sub-01/02.l.V2.nii",
        "m/deep/er/sub-02/02.l.V2.nii",
    ):
        write_mask(tmp_path / name)
    masks, _ = found(tmp_path, "m/sub-{subject}/{subject}.{hemisphere}.{area}.nii")
    assert masks == [("01", "V1", "m/sub-01/01.l.V-1.nii"), ("01", "V1", "m/sub-01/01.r.V-1.nii")]
    masks, _ = found(tmp_path, "m/**/sub-{subject}/*.{area}.nii")
    assert [mask[:2] for mask in masks] == [("01", "V1"), ("01", "V1"), ("01", "V2"), ("02", "V2")]
    masks, _ = found(tmp_path, f"{tmp_path}/m/sub-{{subject}}/*.l.{{area}}.nii")
    assert len(masks) == 2
    _, findings = found(tmp_path, "n/sub-{subject}/{area}.nii")
    assert "no file of these subjects fits 'n/sub-{subject}/{area}.nii'" in findings.must_fix[0]
    _, findings = found(tmp_path, "m/**/sub-{subject}/*.{area}.nii", subjects=("01",))
    assert findings.worth_knowing == ["Masks of sub-02 are left out, because these subjects have no run."]


@pytest.mark.parametrize("pattern", ["m/{area}.nii", "m/{subject}.nii", "m/{subject}/{area}_{side}.nii"])
def test_patterns_that_cannot_be(tmp_path, pattern):
    with pytest.raises(ConfigError, match="--masks"):
        found(tmp_path, pattern)


def test_masks_of_one_session_are_taken(tmp_path):
    for session in ("2", "1"):
        write_mask(tmp_path / f"sourcedata/sub-01_ses-{session}_label-V1_mask.nii")
    masks, findings = found(tmp_path)
    assert [mask[2] for mask in masks] == ["sourcedata/sub-01_ses-1_label-V1_mask.nii"]
    assert "V1 in several sessions; those of 1 are used" in findings.worth_knowing[0]


def checked(folder: Path, subjects=("01",)) -> tuple[dict, Findings]:
    findings = Findings()
    t1w = {"01": folder / "t1w.nii"}
    write_image(t1w["01"], (12, 12, 12), 4.0, -24.0)
    return check_masks(find_masks(folder, subjects, None, findings), subjects, t1w, findings), findings


def test_hemispheres_are_united_and_counted(tmp_path):
    write_mask(tmp_path / "sourcedata/sub-01/lh_V1_mask.nii", slice(1, 3))
    write_mask(tmp_path / "sourcedata/sub-01/rh_V1_mask.nii", slice(2, 4))
    assert checked(tmp_path) == ({"V1": {"01": 12}}, Findings())


def test_masks_that_cannot_be_used(tmp_path):
    top = tmp_path / "sourcedata/sub-01"
    write_mask(top / "A_mask.nii")
    write_mask(top / "B_mask.nii", shape=(7, 6, 6))
    write_mask(top / "C_mask.nii", slice(0, 0))
    (top / "D_mask.nii.gz").write_bytes(b"")
    labels = np.arange(216, dtype=np.int16).reshape(6, 6, 6)
    nibabel.save(nibabel.Nifti1Image(labels, nibabel.load(top / "A_mask.nii").affine), top / "E_mask.nii")
    areas, findings = checked(tmp_path)
    assert areas == {"A": {"01": 8}}
    text = "\n".join(findings.must_fix)
    assert "B_mask.nii (7, 6, 6) lies on another grid than" in text
    assert "C_mask.nii covers no voxel" in text
    assert "D_mask.nii.gz cannot be read" in text
    assert "E_mask.nii holds values up to 215 and looks like an atlas" in text
    assert len(findings.must_fix) == 4


def test_masks_outside_of_the_t1w_image(tmp_path):
    write_mask(tmp_path / "sourcedata/sub-01/V1_mask.nii", origin=200.0)
    _, findings = checked(tmp_path)
    assert "only 0% of its voxels lie in the field of view of t1w.nii" in findings.must_fix[0]


def test_areas_that_somebody_lacks_are_left_out(tmp_path):
    for name in ("sub-01/V1_mask.nii", "sub-01/V2_mask.nii", "sub-02/V1_mask.nii"):
        write_mask(tmp_path / "sourcedata" / name)
    areas, findings = checked(tmp_path, ("01", "02"))
    assert areas == {"V1": {"01": 8, "02": 8}}
    assert findings.worth_knowing == ["Area V2 has no usable mask for sub-02 and is left out of the configuration."]


def test_unions():
    areas = ["FFA", "HVC", "LOC", "PPA", "V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4"]
    unions = unions_of(ordered(areas))
    assert unions == {
        "V1": ["V1d", "V1v"], "V2": ["V2d", "V2v"], "V3": ["V3d", "V3v"], "V4": ["hV4"], "LVC": ["V1", "V2", "V3"],
        "VC": ["V1", "V2", "V3", "V4", "HVC"],
    }  # fmt: skip
    assert list(unions) == [name for name in UNIONS if name in unions]
    assert unions_of(["V1", "V2"]) == {"LVC": ["V1", "V2"], "VC": ["V1", "V2"]}
    assert unions_of(["V1d", "LOC"]) == {"allareas": ["V1d", "LOC"]}
    assert unions_of(["a1", "b2"]) == {"allareas": ["a1", "b2"]}
    assert unions_of(["VC", "V1"]) == {}
    assert unions_of(["V1"]) == {}
    assert ordered(["X", "VC", "FFA", "V2", "V1d", "A"]) == ["V1d", "V2", "FFA", "VC", "A", "X"]
