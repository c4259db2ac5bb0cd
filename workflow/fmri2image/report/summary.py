"""The first page: what was seen, what was reconstructed, how good it is beside chance and ceiling, what to distrust."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.images import read_images, resize
from fmri2image.core.tables import read_table
from fmri2image.decode.decoders import READS_TEST
from fmri2image.evaluate.detail import coarse_and_fine
from fmri2image.report.assumed_names import assumed_names
from fmri2image.report.facts import (
    counted,
    decimal,
    distrust,
    listing,
    percent,
    percent_range,
    score_groups,
    use_of_test_set,
)
from fmri2image.report.ledger import ledger_section
from fmri2image.report.methods_text import methods_text
from fmri2image.report.page_figures import page_figures
from fmri2image.report.pages import render, settings_text
from fmri2image.report.provenance import describe_sources, page_versions, read_made_with
from fmri2image.report.recovery import recovery_lines
from fmri2image.report.sheets import first_images
from fmri2image.report.stimuli import has_pictures, was_imagined
from fmri2image.report.style import (
    CEILING,
    NO_RESPONSES,
    NOT_SCORED,
    PRIMARY_NOT_SCORED,
    SIMULATED,
    is_true,
    primary_rows,
    subject_label,
)

NO_TRUTH = "These are measured data: nothing is known of the true motion or the true responses, so there is nothing to compare."


def write_summary(inputs: Mapping[str, Sequence[str]], output: str, settings: Mapping, code: Mapping[str, str]) -> None:
    """Write the first page; every number is read from files.

    Parameters
    ----------
    inputs : mapping from name to paths
        One path each: ``identification``, ``scores``, ``examples``, ``identification_figure``. Any number, also none:
        ``accuracy``, ``motion``, ``recovery``, ``responses``, ``methods_figure``, ``decoding_figure``, ``norm_figure``,
        ``quality``, ``sheets``, ``images`` and ``stimuli`` (of the primary setting). ``decoded``, which may be absent: decoded
        features that others have published. ``ledger``, which may be absent: published numbers beside ours.
    output : path
    settings : mapping
        ``title``, ``dataset``, ``simulated``, ``primary``, ``stimulus_sets`` (primary test to set), ``config``, and
        ``skipped``, a list of ``{what, reason}``, where parts of the study are left out.
    code : mapping from module to digest
        Of the code that writes this page.
    """
    table = read_table(inputs["identification"][0], subject=str)
    scores = read_table(inputs["scores"][0], subject=str)
    responses = pd.concat([read_table(path, subject=str) for path in inputs["responses"]], ignore_index=True)
    accuracy = read_table(inputs["accuracy"][0], subject=str) if inputs["accuracy"] else None
    known = [table["subject"].dropna(), responses["subject"], pd.Series(settings["config"]["subjects"], dtype=str)]
    subjects = next(sorted(names.unique()) for names in known if len(names))
    figures, tables = itertools.count(1), itertools.count(1 if table.empty else 2)
    drawn = page_figures(inputs, settings, figures, table)
    flagged = {Path(inputs["identification"][0]).name: table}
    if accuracy is not None:
        flagged[Path(inputs["accuracy"][0]).name] = accuracy
    made, modules = read_made_with(inputs["images"])
    large = inputs.get("decoded", [])  # their digests would take minutes
    read = itertools.chain.from_iterable(paths for name, paths in inputs.items() if name != "decoded")
    sources = describe_sources(read, settings["dataset"])
    imagined = [Path(path).stem for path in inputs["stimuli"] if was_imagined(path)]
    context = {
        **{key: settings[key] for key in ("title", "dataset", "simulated", "primary", "config")},
        "subjects": subjects,
        "transductive": is_true(table["transductive"]),
        "verb": "seen and imagined" if imagined else "seen",
        "abstract": _abstract(table, responses, settings),
        "groups": score_groups(table, settings["primary"]),
        "not_scored": NOT_SCORED if table.empty else PRIMARY_NOT_SCORED,
        "skipped": skipped_parts(settings),
        "notes": [
            *assumed_names(large, list(settings["config"]["tests"])),
            *distrust(table, scores, responses, image_detail(inputs, settings), {**settings, "imagined": imagined}),
        ],
        "test_set": use_of_test_set(flagged, bool(large), _reading(settings["config"])),
        "trained_on": _trained_on(settings["config"]),
        "compares_methods": bool(inputs["methods_figure"]),
        "ledger": _ledger(inputs.get("ledger", []), settings["config"]),
        "accuracy": None if accuracy is None else _accuracy(accuracy, next(tables), _decoder(settings)),
        "recovery": _recovery(inputs["recovery"], subjects, settings["primary"]["roi"], tables),
        "no_truth": NO_TRUTH,
        "data": None if responses.empty else _data(responses, subjects, settings["primary"]["roi"], next(tables)),
        "no_responses": NO_RESPONSES,
        "subject_links": [{"href": f"subjects/sub-{s}.html", "words": subject_label(s)} for s in subjects],
        "quality_links": [
            {"href": f"quality/sub-{s}.html", "words": subject_label(s)} for s in subjects if inputs["quality"]
        ],
        "tables": {
            "identification": inputs["identification"][0],
            "accuracy": "".join(inputs["accuracy"][:1]),
            "recovery": "".join(inputs["recovery"][:1]),
            "ledger": "".join(inputs.get("ledger", [])),
            "responses": f"results/{settings['dataset']}/subjects/*_responses.tsv",
        },
        **drawn,
        "methods": methods_text(settings["config"], scored=not table.empty),
        "sources": [source for source in sources if not source.path.endswith(".h5")],
        "array_sources": [source for source in sources if source.path.endswith(".h5")],
        "software": [
            {"package": name, "made": made.get(name, "–"), "page": page.get(name, "–")}
            for page in [page_versions()]
            for name in dict.fromkeys([*made, *page])
        ],
        "code": modules,
        "page_code": code,
        "settings_yaml": settings_text(settings["config"]),
        "simulated_note": SIMULATED,
    }
    context["contents"] = _contents(context)
    render("summary.html.j2", output, context)


def skipped_parts(settings: Mapping) -> list[tuple[str, str]]:
    """Return what the study leaves out and why, each part once, the reason as a sentence.

    Parameters
    ----------
    settings : mapping
        ``skipped``: list of {"what", "reason"}; absent where nothing is left out.
    """
    parts = [(entry["what"], entry["reason"].strip()) for entry in settings.get("skipped") or []]
    return [(what, f"{reason[:1].upper()}{reason[1:].rstrip('.')}.") for what, reason in dict.fromkeys(parts)]


def image_detail(inputs: Mapping[str, Sequence[str]], settings: Mapping) -> dict[str, tuple[float, float]]:
    """Return, per test, how well the coarse and the fine part of the primary setting's images come back, mean of subjects.

    Tests whose stimuli have no pictures are left out.
    """
    found = {}
    stimuli = {Path(path).stem: path for path in inputs["stimuli"]}
    for test, stimulus_set in settings["stimulus_sets"].items():
        if not has_pictures(stimuli[stimulus_set]):
            continue
        seen = read_images(stimuli[stimulus_set])
        parts = []
        for path in inputs["images"]:
            if not Path(path).stem.endswith(f"_{test}") or Path(path).stem.startswith(CEILING):
                continue
            made = first_images(path)
            images = np.stack([image.transpose(2, 0, 1) for image in made.values()])
            resized = resize(images.astype(np.float32), seen.values.shape[-1]).transpose(0, 2, 3, 1)
            originals = seen.take(list(made), "A reconstruction").values.transpose(0, 2, 3, 1)
            parts.append(coarse_and_fine(resized, originals))
        if parts:
            found[test] = tuple(float(np.mean(column)) for column in zip(*parts, strict=True))
    return found


def _abstract(table: pd.DataFrame, responses: pd.DataFrame, settings: Mapping) -> list[str]:
    subjects = responses["subject"].nunique() or len(settings["config"]["subjects"])
    people = counted(subjects, "subject")
    if settings["simulated"]:
        origin = f"Everything here is simulated: {people} that {'does' if subjects == 1 else 'do'} not exist, scanned by a simulator"
    else:
        origin = f"{people.capitalize()} of the study {settings['dataset']}, measured data"
    sets = []
    for name, rows in responses.groupby("stimulus_set", sort=False):
        trials = _span(rows["n_trials"])
        sets.append(f"{name} ({int(rows['n_stimuli'].max())} images, {trials} trials per subject)")
    sentences = [f"{origin}. " + (f"Image sets: {listing(sets)}." if sets else NO_RESPONSES)]
    mine = primary_rows(table, settings["primary"])
    pixel = mine[mine["metric"] == "pixel_identification"]
    results = [
        f"{test} {percent_range(rows['value'])} % (chance {percent(rows['chance'].mean())} %, 99th percentile "
        f"{percent(rows['chance_p99'].max())} %)"
        for test, rows in pixel.groupby("test", sort=False)
    ]
    if results:
        over = " (least to most over subjects)" if subjects > 1 else ""
        sentences.append(
            f"Method {settings['primary']['method']} rebuilt the images from area {settings['primary']['roi']}. Pairwise "
            f"identification by pixel correlation{over}: {'; '.join(results)}."
        )
    elif mine.empty:
        sentences.append(NOT_SCORED if table.empty else PRIMARY_NOT_SCORED)
    return sentences


def _trained_on(config: Mapping) -> str:
    """Say where what is fitted comes from, and which steps work within a run without labels."""
    tests = config["tests"].values()
    decoders = config["decode"]["decoders"]
    methods = [config["reconstruct"]["methods"][row["method"]] for row in config["analyses"]]
    published = list(
        dict.fromkeys(m["decoder"] for m in methods if decoders.get(m.get("decoder"), {}).get("decoder") == "published")
    )
    if all(method.get("decoder") in published for method in methods):
        tests = []  # nothing is fitted here
    trained = list(dict.fromkeys(test["training"] for test in tests if "training" in test))
    parts = (
        [f"Decoders, choice of voxels and scaling were fitted on the image set {listing(trained)}."] if trained else []
    )
    left_out = list(dict.fromkeys(test["leave_out"] for test in tests if "leave_out" in test))
    if left_out:
        parts.append(f"Cross-validated tests were fitted without the {' or '.join(left_out)} that was tested.")
    references = {d.get("norm_reference") for d in config["decode"]["decoders"].values()} - {None, "training"}
    if references:
        parts.append(
            f"The size of true features was taken from the independent images of the set {listing(sorted(references))}."
        )
    normalise = config["samples"].get("normalise")
    if published:
        parts.append(
            f"How the features of decoder {listing(published)} were decoded is what their authors say; it cannot be checked here."
        )
    within = [
        words
        for key, words in (
            ("linear_trend", "trend"),
            ("high_pass", "high-pass filter"),
            ("motion_regression", "motion regression"),
            ("normalise", {"percent_signal": "per cent change from rest", "zscore": "z-scoring"}.get(normalise)),
            ("despike_threshold", "clipping"),
        )
        if config["samples"].get(key) and words
    ]
    if within:
        parts.append(f"Cleaning ({listing(within)}) works within each run, also of the test, and knows no labels.")
    return " ".join(parts)


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _reading(config: Mapping) -> list[str]:
    """Return the decoders that read the true features of a test."""
    return [name for name, entry in config["decode"]["decoders"].items() if entry.get("decoder") in READS_TEST]


def _decoder(settings: Mapping) -> str | None:
    """Return the decoder of the primary method, which the figure of decoding shows too."""
    return settings["config"]["reconstruct"]["methods"][settings["primary"]["method"]].get("decoder")


def _accuracy(table: pd.DataFrame, number: int, decoder: str | None) -> dict:
    units = table[table["metric"] == "unit_correlation"]
    chosen = decoder if decoder in set(units["decoder"]) else next(iter(units["decoder"]), None)
    others = [name for name in dict.fromkeys(units["decoder"]) if name != chosen]
    units = units[units["decoder"] == chosen]
    tests = list(dict.fromkeys(units["test"]))
    means = units.groupby(["roi", "test", "subject"])["value"].mean()
    present = set(means.index.droplevel("subject"))
    rows = []
    for roi in dict.fromkeys(units["roi"]):
        cells = []
        for test in tests:
            values = means.loc[roi, test] if (roi, test) in present else None
            span = "" if values is None or len(values) < 2 else f" ({decimal(values.min())}–{decimal(values.max())})"
            cells.append("–" if values is None else decimal(values.mean()) + span)
        rows.append((roi, cells))
    return {"number": number, "tests": tests, "rows": rows, "decoder": chosen, "others": listing(others)}


def _ledger(files: Sequence[str], config: Mapping) -> dict | None:
    return ledger_section(files[0], config["report"]["paper"]["name"]) if files else None


def _recovery(files: Sequence[str], subjects: Sequence[str], roi: str, numbers: itertools.count) -> dict | None:
    if not files:
        return None
    return {**recovery_lines(read_table(files[0], subject=str), subjects, roi), "number": next(numbers)}


def _data(responses: pd.DataFrame, subjects: Sequence[str], roi: str, number: int) -> dict:
    mine = responses[responses["roi"] == roi]
    voxels = mine.groupby("subject")["n_voxels"].first()
    rows = []
    for name, here in mine.groupby("stimulus_set", sort=False):
        low, high = int(here["fewest_repeats"].min()), int(here["most_repeats"].max())
        reliability = here.set_index("subject")["reliability"]
        rows.append(
            {
                "set": name,
                "stimuli": int(here["n_stimuli"].max()),
                "repeats": str(low) if low == high else f"{low}–{high}",
                "reliability": [decimal(reliability.get(subject)) for subject in subjects],
            }
        )
    voxel_counts = listing([f"{voxels[subject]:,}" for subject in subjects if subject in voxels])
    return {"number": number, "rows": rows, "voxels": f"{voxel_counts} voxels"}


def _contents(context: Mapping) -> list[tuple[str, str]]:
    entries = [
        ("images", "Images", True),
        ("scores", "Scores", True),
        ("distrust", "What to distrust", True),
        ("skipped", "What was left out", context["skipped"]),
        ("test-set", "Use of the test set", True),
        ("identification", "Identification", context["score_figures"]),
        ("ledger", "Published numbers", context["ledger"]),
        ("decoding", "Feature decoding", context["accuracy"]),
        ("recovery", "Recovery", True),
        ("norm", "Norm correction", context["norm_figures"]),
        ("data", "Data", True),
        ("sheets", "All images", True),
        ("methods", "Methods", True),
        ("provenance", "Provenance", True),
        ("settings", "Settings", True),
    ]
    return [(anchor, words) for anchor, words, present in entries if present]
