"""What reruns after a change, and what does not: edit a copy of a finished run and count the jobs of a dry run."""

import os
import shutil
import time

import pytest

CONFIG = "config/tiny.yaml"
LIBRARY = "workflow/fmri2image"
EDIT = "\nEDITED = True\n"

# The tiny study: one person, one area, two tests (seen and imagined); `icnn` on both, from decoded and from true features,
# and `pixels` on the first, from samples. Besides `ridge`, features alone are decoded by `ridge-absolute` and `slr`.
TABLES = {
    "gather_tables": 1, "plot_identification": 1, "plot_methods": 1, "plot_decoding_accuracy": 1,
    "write_subject_page": 1, "write_summary": 1,
}  # fmt: skip
FIGURES = {"plot_identification": 1, "write_summary": 1}  # the summary holds the figure
SCORES = {"score_images": 5, "score_features": 3, "score_recovery": 1, "plot_raw_absolute": 1}
PIXELS = {"fit_method": 1, "reconstruct_images": 1, "score_images": 1, "plot_sheet": 1}
ICNN_SHOWN = {"plot_sheet": 2, "plot_examples": 1, "score_recovery": 1}
ICNN_DECODED = {"reconstruct_images": 2, "score_images": 2, **ICNN_SHOWN}
ICNN = {"reconstruct_images": 4, "score_images": 4, **ICNN_SHOWN}
MAPS_OF_RIDGE = {"map_voxels_ridge": 1, "map_voxels_ridge_absolute": 1, "plot_voxel_selection": 1}
MAPS_OF_SLR = {"map_voxels_slr": 1, "plot_voxel_selection": 1}
# Both decoders of ridge regression, and whatever follows from them.
RIDGE_ALONE = {
    "decode_features_ridge": 1, "decode_features_ridge_absolute": 1, "score_features": 2, "plot_raw_absolute": 1,
    **MAPS_OF_RIDGE,
}  # fmt: skip
RIDGE = {**RIDGE_ALONE, **ICNN_DECODED, **TABLES}
SLR = {"decode_features_slr": 1, "score_features": 1, **MAPS_OF_SLR, **TABLES}
DECODE = {**SLR, **RIDGE, "score_features": 3}
FEATURES = {"extract_features_vgg_small": 4, **DECODE, **ICNN}


def test_a_finished_run_leaves_nothing_to_do(tiny_copy):
    assert tiny_copy.jobs() == {}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("report/figures.py", {**FIGURES, "plot_methods": 1}),
        ("report/decoding_figures.py", {"plot_decoding_accuracy": 1, "write_summary": 1}),
        ("report/raw_absolute.py", {"plot_raw_absolute": 1, "write_summary": 1}),
        ("reconstruct/icnn.py", {**ICNN, **TABLES}),
        ("reconstruct/pixels.py", {**PIXELS, **TABLES}),
        ("decode/ridge.py", RIDGE),
        ("decode/slr.py", SLR),
        ("decode/maps.py", {**MAPS_OF_RIDGE, **MAPS_OF_SLR, "write_summary": 1}),
        ("decode/cross_validated.py", {}),  # no decoder of this study
    ],
)
def test_editing_a_module_reruns_what_uses_it(tiny_copy, module, expected):
    tiny_copy.append(f"{LIBRARY}/{module}", EDIT)
    assert tiny_copy.jobs() == expected


def test_editing_a_network_reruns_its_features_and_trains_nothing(tiny_copy):
    tiny_copy.append(f"{LIBRARY}/features/networks/vgg.py", EDIT)
    assert tiny_copy.jobs() == FEATURES


def test_editing_a_metric_reruns_scores_and_reconstructs_nothing(tiny_copy):
    tiny_copy.append(f"{LIBRARY}/evaluate/similarity.py", EDIT)
    jobs = tiny_copy.jobs()
    assert jobs["score_images"] == 5
    assert set(jobs) - {"score_features", "score_recovery", "plot_raw_absolute"} == {"score_images", *TABLES}


def test_editing_the_simulator_reruns_everything_after_the_stimuli(tiny_copy):
    tiny_copy.append(f"{LIBRARY}/acquire/phantom/scanner.py", EDIT)
    jobs = tiny_copy.jobs()
    assert {"simulate_subject_01", "correct_motion", "build_samples", "decode_features_ridge", "write_summary"} <= set(
        jobs
    )
    assert not {"simulate_stimuli", "extract_features_vgg_small"} & set(jobs)


def test_editing_a_script_reruns_its_rule(tiny_copy):
    tiny_copy.append("workflow/scripts/plot_identification.py", EDIT)
    assert tiny_copy.jobs() == FIGURES


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("alpha: 100,", "alpha: 50,", RIDGE, id="decoder"),
        pytest.param("iterations: 50,", "iterations: 60,", SLR, id="another decoder"),
        pytest.param("iterations: 8,", "iterations: 9,", {**ICNN, **TABLES}, id="method"),
        # Snakemake compares parameters without their names, so a swap is the hard case.
        pytest.param(
            "iterations: 8, memory: 5,", "iterations: 5, memory: 8,", {**ICNN, **TABLES}, id="two values swapped"
        ),
        pytest.param(
            "permutations: 99",
            "permutations: 199",
            {**SCORES, **TABLES},
            id="chance",
        ),
    ],
)
def test_changing_a_setting_reruns_what_uses_it(tiny_copy, old, new, expected):
    tiny_copy.replace(CONFIG, old, new)
    jobs = tiny_copy.jobs()
    assert {name: count for name, count in jobs.items() if name != "plot_sheet" or "plot_sheet" in expected} == expected


def test_memory_and_processes_of_decoding_redraw_the_page_that_prints_them_and_decode_nothing(tiny_copy):
    tiny_copy.replace(CONFIG, "\ndecode:\n", "\ndecode:\n  memory_gb: 2\n  workers: 2\n  gpu_memory_share: 0.5\n")
    assert tiny_copy.jobs() == {"write_summary": 1}


def test_splitting_decoding_into_jobs_decodes_what_is_split(tiny_copy):
    tiny_copy.replace(CONFIG, "\ndecode:\n", "\ndecode:\n  layers_per_job: 1\n")
    jobs = {name for name in tiny_copy.jobs() if name.startswith("decode_features")}
    assert jobs == {f"decode_features_ridge_{layer}" for layer in ("conv1_1", "conv2_1", "fc8")}


def test_changing_a_sample_setting_scans_nobody_again(tiny_copy):
    tiny_copy.replace(CONFIG, "shift_seconds: 4.0", "shift_seconds: 2.0")
    jobs = tiny_copy.jobs()
    assert jobs["build_samples"] == 1
    assert not {
        "simulate_subject_01",
        "correct_motion",
        "make_reference",
        "coregister",
        "extract_features_vgg_small",
    } & set(jobs)


def test_comments_and_docstrings_rerun_nothing(tiny_copy):
    module = f"{LIBRARY}/core/arrays.py"
    first = (tiny_copy / module).read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith('"""') and first.endswith('"""')
    tiny_copy.replace(module, first, '"""Another docstring."""')
    tiny_copy.append(module, "\n\n# A comment at the end.\n")
    for decoder in ("ridge", "slr", "maps"):
        tiny_copy.append(f"{LIBRARY}/decode/{decoder}.py", "\n\n# A comment at the end.\n")
    tiny_copy.append("workflow/rules/report.smk", "\n# A comment.\n")
    assert tiny_copy.jobs() == {}


def test_touching_every_file_reruns_nothing(tiny_copy):
    later = time.time() + 10
    for path in tiny_copy.sources():
        os.utime(path, (later, later))
    assert tiny_copy.jobs() == {}


def test_a_fresh_checkout_beside_the_results_reruns_nothing(tiny_copy, tmp_path):
    fresh = type(tiny_copy)(tmp_path / "fresh")
    for path in tiny_copy.sources():
        target = fresh / str(path.relative_to(tiny_copy.folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)  # contents only: times are new
    for kept in ("results", ".snakemake"):
        shutil.move(tiny_copy / kept, fresh / kept)
    assert fresh.jobs() == {}


def test_a_pin_reruns_its_stage_and_a_comment_beside_it_does_not(tiny_copy):
    path = "envs/decode.yaml"
    tiny_copy.append(path, "  # a comment\n")
    assert tiny_copy.jobs() == {}
    text = (tiny_copy / path).read_text(encoding="utf-8")
    pin = next(line for line in text.splitlines() if line.strip().startswith("- scipy="))
    tiny_copy.replace(path, pin, "  - scipy=1.0.0")
    assert tiny_copy.jobs() == DECODE


def test_other_weights_rerun_features(tiny_copy):
    path = tiny_copy / "resources/weights/vgg-small.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert tiny_copy.jobs() == FEATURES


def test_a_lost_output_is_made_again(tiny_copy):
    (tiny_copy / "results/tiny/tables/identification.tsv").unlink()
    assert tiny_copy.jobs()["gather_tables"] == 1
    assert "score_images" not in tiny_copy.jobs()


def test_after_rerunning_nothing_is_left(tiny_copy):
    untouched = tiny_copy / "results/tiny/reconstruct/icnn/sub-01_roi-VC_test.h5"
    redrawn = tiny_copy / "results/tiny/figures/identification.png"
    before = untouched.stat().st_mtime_ns, redrawn.stat().st_mtime_ns
    tiny_copy.append(f"{LIBRARY}/report/figures.py", EDIT)
    tiny_copy.make()
    assert untouched.stat().st_mtime_ns == before[0]
    assert redrawn.stat().st_mtime_ns > before[1]
    assert tiny_copy.jobs() == {}
