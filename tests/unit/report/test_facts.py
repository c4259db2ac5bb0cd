"""What the first page says is computed from the tables."""

import numpy as np
import pandas as pd
import pytest
from small_study import accuracy, identification, samples, scores

from fmri2image.evaluate.detail import coarse_and_fine
from fmri2image.evaluate.reliability import describe_responses, split_half
from fmri2image.report.facts import decimal, distrust, listing, percent, score_groups, significant, use_of_test_set

PRIMARY = {"method": "icnn", "roi": "VC"}


def notes(table=None, *, simulated=True, detail=None) -> dict[str, str]:
    table = identification() if table is None else table
    responses = describe_responses(samples(), "small", simulated)
    found = distrust(
        table, scores(), responses, detail or {}, {"simulated": simulated, "primary": PRIMARY, "imagined": ["imagery"]}
    )
    return {note.title: note.text for note in found}


def test_numbers_for_people():
    assert [percent(v) for v in (0.8121, 1, None, np.nan)] == ["81.2", "100.0", "–", "–"]
    assert [decimal(v) for v in (-0.237, 0.5, np.nan)] == ["−0.24", "0.50", "–"]
    assert [significant(v) for v in (0.02345, 1.234, 123.4, 0, -0.5, np.nan)] == [
        "0.0234",
        "1.23",
        "123",
        "0",
        "−0.500",
        "–",
    ]
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_score_groups_hold_subjects_side_by_side_with_chance_and_ceiling():
    pixel, ssim, judge = score_groups(identification(), PRIMARY)
    assert (pixel["metric"], ssim["metric"], judge["metric"]) == ("Pixel correlation", "SSIM", "SqueezeNet features")
    test, imagery = pixel["rows"]
    assert [cell["value"] for cell in test["cells"]] == ["81.2", "76.2"]
    assert (test["test"], test["n"], test["mean"], test["chance"], test["p99"], test["ceiling"]) == (
        "test", 3, "78.7", "50.3", "61.4", "97.8",
    )  # fmt: skip
    assert [cell["above"] for cell in imagery["cells"]] == [False, False]
    assert [cell["above"] for cell in test["cells"]] == [True, True]
    alone = score_groups(identification().query("roi != 'true-features'"), PRIMARY)
    assert alone[0]["rows"][0]["ceiling"] == "–"


def test_statement_on_the_test_set_follows_the_flags():
    table = identification()
    clean = use_of_test_set({"identification.tsv": table})
    assert clean["none"]
    assert clean["rows"] == []
    assert f"identification.tsv ({len(table)} rows)" in clean["sentence"]
    table["transductive"] = (table["method"] == "pixels").astype(str)  # as read from a file
    flagged = use_of_test_set({"identification.tsv": table})
    assert not flagged["none"]
    assert flagged["rows"] == [{"table": "identification.tsv", "method": "pixels", "area": "VC", "test": "test"}]
    assert "the responses were scaled" in flagged["sentence"]


def test_a_bound_that_reads_the_test_is_not_called_scaling():
    table = accuracy().assign(decoder="best", transductive="True")
    found = use_of_test_set({"decoding_accuracy.tsv": table}, reading=["best"])
    assert "Decoder best reads the true features of the test: a bound" in found["sentence"]
    assert "scaled" not in found["sentence"]
    both = pd.concat([table, table.assign(decoder="ridge")])
    found = use_of_test_set({"decoding_accuracy.tsv": both}, reading=["best"])
    assert "scaled" in found["sentence"]
    assert "Decoder best reads" in found["sentence"]


def test_distrust_follows_the_data():
    found = notes()
    assert "Simulated." in found
    assert "Transductive." not in found
    below = next(text for title, text in found.items() if title.startswith("Not above chance: 7 of 12"))
    assert "subject 02, imagery, Pixel correlation (56.2 %)" in below
    assert "test: 3 images, up to 61.4 %, 20.4 points wide" in found["Few test images."]
    assert "among 3 in 30.8 %" in found["Pairwise identification is lenient."]
    assert "56.2 to 61.2 %" in found["Imagery."]
    assert "test 2 (" in found["Few repeats."]
    assert "Few refits." not in found
    assert "Table 1 holds 12 scores" in found["Few subjects, many scores."]


def test_distrust_leaves_out_what_does_not_hold():
    table = identification(transductive=True).query("test == 'test'")
    table = table.assign(chance_p99=0.55, n_rows=100, permuted="training pairs, refitted", n_permutations=19)
    found = notes(table, simulated=False)
    assert {"Simulated.", "Imagery.", "Few test images."}.isdisjoint(found)
    assert not [title for title in found if title.startswith("Not above chance")]
    assert "Transductive." in found
    assert "19 refits" in found["Few refits."]
    assert "0.050" in found["Few refits."]


def test_detail_is_named_only_where_it_is_missing():
    assert "coarse part 0.69, fine part 0.06" in notes(detail={"test": (0.69, 0.06)})["Mostly colour and layout."]
    assert "How much detail comes back." in notes(detail={"test": (0.9, 0.7)})


def test_coarse_and_fine_parts_are_told_apart():
    generator = np.random.default_rng(1)
    layout = np.kron(generator.random((4, 2, 2, 3)), np.ones((1, 16, 16, 1)))
    noise = generator.normal(0, 0.2, layout.shape)
    assert coarse_and_fine(layout + noise, layout + noise) == pytest.approx((1, 1))
    coarse, fine = coarse_and_fine(layout + generator.normal(0, 0.2, layout.shape), layout + noise)
    assert coarse > 0.9
    assert fine < 0.5
    assert coarse_and_fine(np.ones((1, 8, 8, 3)), layout[:1, :8, :8]) == pytest.approx((0, 0), abs=1e-6)


def test_split_half_is_the_correlation_of_odd_and_even_presentations():
    mine = samples().select(trials=(samples().trials["stimulus_set"] == "test").to_numpy())
    assert split_half(mine) == pytest.approx([1, 1, -1, np.nan], nan_ok=True)
    generator = np.random.default_rng(2)
    mine.data[:] = generator.normal(size=mine.data.shape)
    wanted = [np.corrcoef(mine.data[:3, v], mine.data[3:, v])[0, 1] for v in range(4)]
    assert split_half(mine) == pytest.approx(wanted, abs=1e-6)


def test_responses_count_trials_voxels_and_repeats():
    table = describe_responses(samples(), "small", True).set_index(["stimulus_set", "roi"])
    assert table.loc[("test", "V1"), "n_voxels"] == 2
    assert table.loc[("test", "VC"), ["n_stimuli", "n_trials", "fewest_repeats", "most_repeats"]].tolist() == [
        3,
        6,
        2,
        2,
    ]
    assert table.loc[("test", "V1"), "reliability"] == pytest.approx(1)
    assert table.loc[("test", "VC"), "reliability"] == pytest.approx(1 / 3)
    assert pd.isna(table.loc[("imagery", "VC"), "reliability"])
