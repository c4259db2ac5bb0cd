"""Where raw files lie, by manifests of small made-up datasets, and by the four that ship."""

from pathlib import Path

import pytest
import yaml

from fmri2image.acquire.layout import ManifestLayout, SimulatedLayout
from fmri2image.acquire.manifests import MANIFESTS, RemoteFile, describe, read_manifest
from fmri2image.acquire.phantom import paradigm
from fmri2image.core.errors import ConfigError

SETS = {"one": "train", "two": "test", "three": "imagery"}


def remote(path: str, area: str = "", stimulus_set: str | None = None) -> RemoteFile:
    """A file of a dataset whose tasks are called as in `SETS`."""
    about = describe("mine", path, 10, "")
    shown = SETS.get(about.task, "") if about.run and stimulus_set is None else stimulus_set or ""
    return RemoteFile(*[getattr(about, key) for key in about.__dataclass_fields__][:8], shown, area)


def stem(session: str = "a", task: str = "one", run: str = "1", subject: str = "01") -> str:
    return f"sub-{subject}/ses-{session}/func/sub-{subject}_ses-{session}_task-{task}_run-{run}"


def run(session="a", task="one", number="1", subject="01") -> list[RemoteFile]:
    found = stem(session, task, number, subject)
    return [remote(f"{found}_bold.nii.gz"), remote(f"{found}_events.tsv")]


def layout(*files, areas=(), sets=("train", "test"), sessions=None) -> ManifestLayout:
    return ManifestLayout([one for group in files for one in (group if isinstance(group, list) else [group])],
                          areas, sets, sessions, "m.tsv")  # fmt: skip


# Runs -----------------------------------------------------------------------------------------------------------------


def test_runs_are_ordered_by_stimulus_set_session_and_run():
    mixed = layout(run("b", "two", "1"), run("b", "one", "2"), run("b", "one", "1"), run("a", "one", "2"))
    order = [(one.stimulus_set, one.session, one.run) for one in mixed.runs("01")]
    assert order == [("train", "a", "2"), ("train", "b", "1"), ("train", "b", "2"), ("test", "b", "1")]
    other = layout(run("b", "two", "1"), run("b", "one", "1"), sets=("test", "train"))
    assert [one.stimulus_set for one in other.runs("01")] == ["test", "train"]


def test_runs_of_other_sets_are_left_out():
    assert [one.task for one in layout(run(), run(task="three"), run(task="two"), sets=["test"]).runs("01")] == ["two"]


def test_a_run_knows_its_files_and_names():
    (found,) = layout(run(), sets=["train"]).runs("01")
    assert (found.bold, found.events) == (f"{stem()}_bold.nii.gz", f"{stem()}_events.tsv")
    assert found.names == {"session": "a", "task": "one", "run": "1", "stimulus_set": "train"}


def test_what_other_programs_made_is_no_raw_file():
    copy = remote(f"derivatives/prep/{stem('a', 'one', '2')}_bold.nii.gz")
    derived = remote("derivatives/prep/sub-02/anat/sub-02_T1w.nii.gz")
    found = layout(run(), copy, derived, sets=["train"])
    assert [one.run for one in found.runs("01")] == ["1"]
    assert found.subjects == ["01"]


def test_sessions_are_chosen():
    both = (run("a"), run("b"))
    assert [one.session for one in layout(*both, sets=["train"], sessions=["b"]).runs("01")] == ["b"]
    with pytest.raises(
        ConfigError, match=r"no run of subject 01 that shows train in the sessions c; its runs show train"
    ):
        layout(*both, sets=["train"], sessions=["c"]).runs("01")


def test_an_unknown_subject_is_one_sentence():
    with pytest.raises(ConfigError, match=r"subjects: '07' is not in m.tsv; it has 01, 02"):
        layout(run(), run(subject="02")).runs("07")


def test_a_set_without_runs_is_one_sentence():
    with pytest.raises(ConfigError, match=r"m.tsv has no run of subject 01 that shows test; its runs show train"):
        layout(run()).runs("01")


# Events and sidecars --------------------------------------------------------------------------------------------------


def test_events_may_be_shared_by_all_runs_of_a_task():
    bold = [remote(f"{stem(run=number)}_bold.nii.gz") for number in "12"]
    own = remote(f"{stem(run='2')}_events.tsv")
    found = layout(bold, own, remote("task-one_events.tsv"), remote("task-two_events.tsv"), sets=["train"]).runs("01")
    assert [one.events for one in found] == ["task-one_events.tsv", own.path]


def test_the_nearest_shared_events_count():
    near = remote("sub-01/ses-a/func/sub-01_ses-a_task-one_events.tsv")
    found = layout(remote(f"{stem()}_bold.nii.gz"), remote("task-one_events.tsv"), near, sets=["train"]).runs("01")
    assert found[0].events == near.path


def test_a_run_without_events_is_one_sentence():
    with pytest.raises(ConfigError, match=r"run-1_bold.nii.gz has no events.tsv"):
        layout(remote(f"{stem()}_bold.nii.gz"), sets=["train"]).runs("01")


def test_sidecars_are_inherited_the_most_general_first():
    jsons = [
        "task-one_bold.json",
        "task-two_bold.json",  # of another task
        "task-one_events.json",  # of another kind
        "bold.json",
        "sub-01/sub-01_task-one_bold.json",
        "sub-02/sub-02_task-one_bold.json",  # of another subject
        f"{stem()}_bold.json",
        f"{stem(run='2')}_bold.json",  # of another run
    ]
    (found,) = layout(run(), [remote(path) for path in jsons], sets=["train"]).runs("01")
    assert found.sidecars == ("bold.json", "task-one_bold.json", "sub-01/sub-01_task-one_bold.json", jsons[6])


# Anatomy --------------------------------------------------------------------------------------------------------------


def test_the_first_of_several_t1w_images_is_taken():
    images = [remote(f"sub-01/ses-{name}/anat/sub-01_ses-{name}_T1w.nii.gz") for name in "ba"]
    found = layout(run(), images, remote("derivatives/x/sub-01/anat/sub-01_T1w.nii.gz"))
    assert found.t1w("01") == "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz"
    with pytest.raises(ConfigError, match="m.tsv has no T1w image of subject 02"):
        found.t1w("02")


def test_a_sidecar_is_no_image():
    with pytest.raises(ConfigError, match="no T1w image of subject 01"):
        layout(run(), remote("sub-01/anat/sub-01_T1w.json")).t1w("01")


def test_the_inplane_image_is_of_the_session_and_a_t2w_will_do():
    images = [
        remote("sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz"),
        remote("sub-01/ses-b/anat/sub-01_ses-b_T2w.nii.gz"),
        remote("sub-01/ses-b/anat/sub-01_ses-b_inplaneT2.nii.gz"),
    ]
    found = layout(run(), images)
    assert found.inplane("01", "a") == images[0].path
    assert found.inplane("01", "b") == images[2].path


def test_a_missing_inplane_image_is_one_sentence():
    with pytest.raises(ConfigError, match=r"no in-plane T2 image of subject 01, session a; set .*path to direct\.$"):
        layout(run()).inplane("01", "a")


# Masks ----------------------------------------------------------------------------------------------------------------


def test_masks_are_known_by_their_names():
    named = [remote(f"sub-01/ses-a/anat/sub-01_ses-a_mask_{name}.nii.gz") for name in ("LH_V1", "RH_V1", "LH_V2")]
    other = remote("sub-02/ses-a/anat/sub-02_ses-a_mask_LH_V1.nii.gz")
    found = layout(run(), named, other, areas=["V2", "V1"]).masks("01")
    assert list(found.items()) == [(named[2].path, "V2"), (named[0].path, "V1"), (named[1].path, "V1")]


def test_masks_of_other_programs_count_where_the_manifest_names_their_area():
    own = remote("derivatives/rois/sub-01/sub-01_desc-visual_mask.nii.gz", area="V1")
    unnamed = remote("derivatives/rois/sub-01/sub-01_mask_LH_V1.nii.gz")
    assert layout(run(), own, unnamed, areas=["V1"]).masks("01") == {own.path: "V1"}


def test_the_named_area_counts_more_than_the_name_of_the_file():
    mask = remote("sub-01/anat/sub-01_mask_LH_V1.nii.gz", area="V2")
    assert layout(run(), mask, areas=["V2"]).masks("01") == {mask.path: "V2"}


def test_an_area_without_a_mask_is_one_sentence():
    mask = remote("sub-01/anat/sub-01_mask_LH_V1.nii.gz")
    with pytest.raises(ConfigError, match=r"m.tsv has no mask of V2, V3 for subject 01"):
        layout(run(), mask, areas=["V1", "V2", "V3"]).masks("01")


# The public datasets --------------------------------------------------------------------------------------------------

PUBLIC = {
    # dataset: (areas, sets, runs of subject 01 per set (None: as many as there are files), masks of subject 01)
    "ds000255": ([], ["random", "figures"], {"random": 20, "figures": 12}, 0),
    "ds001246": (["V1d", "hV4"], ["train", "test"], {"train": 24, "test": 35}, 4),
    "ds001506": (["V1d", "HVC"], ["train", "test", "shapes", "letters", "imagery"],
                 {"train": 120, "test": 24, "shapes": 20, "letters": 12, "imagery": 20}, 4),
    "ds001761": ([], ["faces"], {"faces": None}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_public_datasets_have_all_that_a_run_needs(name):
    areas, sets, expected, n_masks = PUBLIC[name]
    files = read_manifest(MANIFESTS / f"{name}.tsv")
    found, known = ManifestLayout(files, areas, sets), {file.path for file in files}
    runs = found.runs("01")
    counts = {one: sum(run.stimulus_set == one for run in runs) for one in sets}
    bold = [file for file in files if file.subject == "01" and file.suffix == "bold" and ".nii" in file.path]
    raw = [file for file in bold if not file.path.startswith("derivatives/")]
    assert counts == {one: n or sum(file.stimulus_set == one for file in raw) for one, n in expected.items()}
    assert all({run.bold, run.events, *run.sidecars} <= known and run.sidecars for run in runs)
    assert len(set(found.masks("01"))) == n_masks
    assert found.t1w("01") in known


# Simulated subjects ---------------------------------------------------------------------------------------------------


def test_simulated_files_are_those_that_the_simulator_writes():
    tiny = Path(__file__).parents[2] / "end_to_end" / "tiny.yaml"
    config = yaml.safe_load(tiny.read_text(encoding="utf-8"))
    settings = config["acquire"]["simulate"]
    found = SimulatedLayout(settings, config["samples"]["masks"])
    written = set(paradigm.bids_files("01", settings)) | set(paradigm.dataset_files(settings))
    runs = found.runs("01")
    used = {path for run in runs for path in (run.bold, run.events, *run.sidecars)}
    used |= {found.t1w("01"), found.inplane("01", runs[0].session), *found.masks("01")}
    assert used <= written
    assert {path for path in written if path.endswith("_bold.nii.gz")} == {run.bold for run in runs}
    assert set(found.masks("01").values()) == set(config["samples"]["masks"])
