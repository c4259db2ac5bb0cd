"""The first page and the pages of subjects: every number, what to distrust, nothing fetched, nothing missing."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import CODE, SETS, STIMULI, accuracy, motion, samples, settings, write_study

from fmri2image.core.arrays import LabelledArray, read_array, write_arrays
from fmri2image.core.digest import WORKFLOW, code_digest
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.tables import write_table
from fmri2image.evaluate.ledger import LEDGER_COLUMNS
from fmri2image.evaluate.reliability import RESPONSE_COLUMNS, describe_responses
from fmri2image.report.pages import TEMPLATES, embed, embed_pixels, settings_text
from fmri2image.report.provenance import describe_sources, read_made_with
from fmri2image.report.style import SIMULATED, TRANSDUCTIVE
from fmri2image.report.subject_page import motion_errors, write_subject_page
from fmri2image.report.summary import image_detail, write_summary


class Page(HTMLParser):
    """Tags, addresses and text of a page; void tags aside, every tag must be closed in order."""

    VOID = {"meta", "img", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.sources, self.anchors, self.ids, self.text = [], [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append(tag)
        self.sources += [attributes[key] for key in ("src", "srcset") if key in attributes]
        self.anchors += [attributes["href"]] if "href" in attributes else []
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def summary(folder, *, transductive=False, simulated=True, without=()):
    inputs = write_study(folder, transductive=transductive, simulated=simulated)
    inputs |= {name: [] for name in without}
    output = folder / "summary.html"
    write_summary(inputs, str(output), settings(simulated), CODE)
    return Page(output.read_text(encoding="utf-8"))


def subject_page(folder, *, simulated=True, without=(), trainings=()):
    inputs = write_study(folder, simulated=simulated)
    extra = folder / "icnn" / "sub-01_roi-V1_test.h5"
    write_arrays(extra, {"images": LabelledArray(np.zeros((3, 3, 8, 8), np.float32), STIMULI)})
    chosen = {name: inputs[name] for name in ("identification", "scores", "accuracy", "motion", "stimuli")}
    chosen["quality"] = inputs["quality"][:1]
    chosen["images"] = [path for path in inputs["images"] if "sub-01" in path] + [str(extra)]
    chosen |= {name: [] for name in without}
    chosen["trainings"] = list(trainings)
    outputs = {"page": str(folder / "sub-01.html"), "responses": str(folder / "sub-01_responses.tsv")}
    responses = describe_responses(samples(), "small", simulated)
    write_table(outputs["responses"], responses, RESPONSE_COLUMNS)
    write_subject_page(chosen, responses, outputs, "01", settings(simulated))
    return Page((folder / "sub-01.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("simulated", [True, False])
def test_first_page_holds_the_numbers_and_what_to_distrust(tmp_path, transductive, simulated):
    page = summary(tmp_path, transductive=transductive, simulated=simulated)
    for part in ("81.2", "76.2", "50.3", "61.4", "97.8", "0.41 (0.36–0.46)"):
        assert part in page.words, part
    assert "A phantom <study>" in page.words
    assert (TRANSDUCTIVE in page.words) == transductive
    assert (SIMULATED in page.words) == simulated
    assert ("Everything here is simulated: two subjects" in page.words) == simulated
    assert ("measured data" in page.words) != simulated
    assert ("None. Every prediction behind identification.tsv" in page.words) != transductive


def test_first_page_says_where_everything_comes_from(tmp_path):
    page = summary(tmp_path)
    for name in ("identification.tsv", "scores.tsv", "recovery.tsv", "examples.png", "images_icnn_roi-V1_test.png"):
        assert name in page.words
    for rule in ("gather_tables", "plot_examples", "plot_identification", "write_subject_page", "plot_sheet"):
        assert rule in page.words
    assert "9.8.7" in page.words
    assert "abc123 mod" in page.words
    assert "0123456789ab scripts/write_summary" in page.words
    assert "dataset: phantom" in page.words
    assert "Seed: 2019" in page.words


def test_first_page_compares_with_the_truth_where_there_is_one(tmp_path):
    page = summary(tmp_path / "simulated")
    assert "0.0234" in page.words
    assert "80.0" in page.words  # 0.456 of 0.57
    assert "All other areas (1 rows)" in page.words
    real = summary(tmp_path / "real", simulated=False)
    assert "there is nothing to compare" in real.words
    assert "norm" not in real.ids


@pytest.mark.parametrize(
    "without",
    [("accuracy", "decoding_figure", "selection_figure"), ("methods_figure",), ("norm_figure", "quality", "motion")],
)
def test_first_page_does_without_what_a_study_lacks(tmp_path, without):
    page = summary(tmp_path, without=without)
    assert ("decoding" in page.ids) == ("accuracy" not in without)
    numbers = [int(n) for n in re.findall(r"Figure (\d+)\.", page.words)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("write", [summary, subject_page])
def test_pages_are_whole_and_fetch_nothing(tmp_path, write):
    page = write(tmp_path)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert len(set(page.ids)) == len(page.ids)
    inside = [anchor[1:] for anchor in page.anchors if anchor.startswith("#")]
    assert set(inside) <= set(page.ids)
    assert not [anchor for anchor in page.anchors if "://" in anchor]
    assert "url(" not in (TEMPLATES / "base.html.j2").read_text(encoding="utf-8")


def test_cells_within_chance_are_marked(tmp_path):
    page = summary(tmp_path)
    marked = [attributes for tag, attributes in page.tags if tag == "td" and "within" in attributes.get("class", "")]
    assert len(marked) == 7


def test_subject_page_shows_every_image_with_its_scores(tmp_path):
    page = subject_page(tmp_path)
    cards = re.findall(r"(\S+) r = (\S+) · id\. ([\d.]+)", page.words)
    assert len(cards) == 3 * 3 + 2 * len(SETS)  # two primary tests with best and worst, and the folded area
    assert cards[0] == ("c-bird", "0.32", "70.0")  # best
    assert cards[1] == ("b-cat", "0.12", "50.0")  # worst
    assert [card[0] for card in cards[2:5]] == sorted(STIMULI)
    seen = embed_pixels(read_array(tmp_path / "stimuli" / "test.h5", "images", ["a-dog"]).values[0] / 255)
    assert page.sources.count(seen) == 2  # primary and folded; neither best nor worst
    made = read_array(tmp_path / "icnn" / "sub-01_roi-VC_test.h5", "images", ["a-dog"]).values[0]
    at = page.sources.index(seen)
    assert page.sources[at + 1] == embed_pixels(made.transpose(1, 2, 0))
    assert "highest and the lowest r" in page.words


def test_subject_page_shows_trainings_that_of_the_primary_setting_open(tmp_path):
    names = ["icnn_sub-01_roi-VC", "end2end-no_sub-image_sub-01_roi-V1"]
    paths = [str(tmp_path / f"training_{name}.png") for name in names]
    for number, path in enumerate(paths):
        Image.new("RGB", (4, 4), (90 * number, 0, 0)).save(path)
    text = (subject_page(tmp_path, trainings=paths), (tmp_path / "sub-01.html").read_text(encoding="utf-8"))[1]
    assert "<details open><summary>icnn, VC</summary>" in text
    assert "<details><summary>end2end-no_sub-image, V1</summary>" in text
    assert "they say nothing of new images" in text
    assert "<h2>Trainings</h2>" not in (subject_page(tmp_path), (tmp_path / "sub-01.html").read_text("utf-8"))[1]


def test_subject_page_tells_quality_and_decoding(tmp_path):
    page = subject_page(tmp_path)
    assert "0.265 mm and 0.361°" in page.words
    assert "Primary setting: 3 of 6 identification scores" in page.words
    assert "Area VC holds 4 voxels" in page.words
    bare = subject_page(tmp_path / "bare", simulated=False, without=("accuracy", "quality"))
    assert "Feature decoding" not in bare.words
    assert "Motion" not in bare.words
    assert SIMULATED not in bare.words


def test_subject_page_refuses_an_image_without_a_score(tmp_path):
    inputs = write_study(tmp_path)
    path = tmp_path / "icnn" / "sub-01_roi-VC_test.h5"
    write_arrays(path, {"images": LabelledArray(np.zeros((1, 3, 8, 8), np.float32), ["a-dog|9"])})
    chosen = {name: inputs[name] for name in ("identification", "scores", "accuracy", "motion", "quality", "stimuli")}
    outputs = {"page": str(tmp_path / "page.html"), "responses": inputs["responses"][0]}
    with pytest.raises(DataError, match="a-dog|9"):
        write_subject_page(
            {**chosen, "images": [str(path)]}, describe_responses(samples(), "small", True), outputs, "01", settings()
        )
    assert not (tmp_path / "page.html").exists()


def test_motion_errors_weigh_runs_by_their_volumes():
    errors = motion_errors(motion())
    assert errors.loc["01", "translation"] == pytest.approx(((10 * 0.01 + 30 * 0.09) / 40) ** 0.5)
    assert errors.loc["01", "rotation"] == pytest.approx(((10 * 0.04 + 30 * 0.16) / 40) ** 0.5)
    assert errors.loc["02"].tolist() == pytest.approx([0.05, 0.06])


def test_detail_is_joined_by_name_and_leaves_out_the_ceiling(tmp_path):
    inputs = write_study(tmp_path)
    for path in inputs["images"]:
        stimuli = read_array(
            tmp_path / "stimuli" / f"{'imagery' if 'imagery' in path else 'test'}.h5", "images", STIMULI[::-1]
        )
        images = stimuli.values.transpose(0, 3, 1, 2).astype(np.float32) / 255
        write_arrays(path, {"images": LabelledArray(images if "sub-" in path else 1 - images, STIMULI[::-1])})
    found = image_detail(inputs, settings())
    assert set(found) == set(SETS)
    assert found["test"] == pytest.approx((1, 1), abs=1e-5)


def test_embedded_sheets_are_scaled_down_and_pixels_are_kept(tmp_path):
    Image.new("RGB", (3000, 300), "red").save(tmp_path / "wide.png")
    assert embed(tmp_path / "wide.png").startswith("data:image/png;base64,iVBOR")
    assert len(embed(tmp_path / "wide.png", 100)) < 4000
    assert embed(tmp_path / "wide.png", 100).startswith("data:image/jpeg;base64,")
    assert embed_pixels(np.ones((2, 2, 3))) != embed_pixels(np.zeros((2, 2, 3)))


def test_sources_carry_the_digest_of_the_file(tmp_path):
    write_table(tmp_path / "identification.tsv", accuracy())
    (before,) = describe_sources([tmp_path / "identification.tsv"] * 2, "small")
    write_table(tmp_path / "identification.tsv", accuracy(transductive=True))
    (after,) = describe_sources([tmp_path / "identification.tsv"], "small")
    assert before.digest != after.digest
    assert after.rule == "gather_tables"


def test_made_with_joins_what_differs(tmp_path):
    for name, version in (("a", "1"), ("b", "2"), ("c", "1")):
        about = {"versions": f'{{"numpy": "{version}"}}', "code": '{"m": "x"}'}
        write_arrays(tmp_path / f"{name}.h5", {"images": LabelledArray(np.zeros((1, 2)), ["r"])}, about)
    write_arrays(tmp_path / "d.h5", {"images": LabelledArray(np.zeros((1, 2)), ["r"])})
    assert read_made_with([tmp_path / f"{name}.h5" for name in "abcd"]) == ({"numpy": "1, 2"}, {"m": "x"})


def test_settings_begin_with_the_study_and_keep_every_key():
    text = settings_text({"zeta": 1, "title": "T", "dataset": "d", "acquire": {"b": [1, 2]}})
    assert [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "dataset",
        "title",
        "acquire",
        "zeta",
    ]


def test_every_template_counts_in_the_digest_of_the_rule_that_fills_it():
    rules = (WORKFLOW / "rules" / "report.smk").read_text(encoding="utf-8")
    for template in TEMPLATES.glob("*.j2"):
        assert f'"report/templates/{template.name}"' in rules
    plain = code_digest("write_summary")
    named = code_digest("write_summary", templates=["report/templates/base.html.j2"])
    assert set(named) - set(plain) == {"fmri2image/report/templates/base.html.j2"}
    with pytest.raises(ConfigError, match="no template"):
        code_digest("write_summary", templates=["report/templates/none.html.j2"])


def test_comments_of_a_template_do_not_count(tmp_path):
    for path in ("scripts", "fmri2image"):
        (tmp_path / path).mkdir()
    (tmp_path / "scripts" / "write.py").write_text("x = 1\n")
    template = tmp_path / "fmri2image" / "page.j2"
    digests = []
    for text in ("<p>a</p>\n", "{# why\n so #}\n<p>a</p>\n", "<p>b</p>\n"):
        template.write_text(text)
        digests.append(code_digest("write", workflow=tmp_path, templates=["page.j2"]))
    assert digests[0] == digests[1] != digests[2]


def test_first_page_sets_published_numbers_beside_ours(tmp_path):
    keys = {"paper": "shen2019", "unit": "%", "measure": "identification", "condition": "letters", "where": "Results"}
    rows = [
        {**keys, "published_metric": "pixel", "published_subject": "pooled", "published": "95.6", "ours": 61.25, "n": 20},
        {**keys, "published_metric": "human", "published_subject": "pooled", "published": "99.6", "why_not": "no ratings here"},
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(LEDGER_COLUMNS))
    table.to_csv(tmp_path / "ledger.tsv", sep="\t", index=False, na_rep="n/a")
    inputs = write_study(tmp_path) | {"ledger": [str(tmp_path / "ledger.tsv")]}
    chosen = settings()
    chosen["config"]["report"] = {**chosen["config"]["report"], "paper": {"name": "shen2019"}}
    write_summary(inputs, str(tmp_path / "summary.html"), chosen, CODE)
    words = Page((tmp_path / "summary.html").read_text(encoding="utf-8")).words
    assert "Published numbers beside ours" in words
    assert re.search(r"Letters ?pixel correlation ?95.6 ?–.*61.2", words)
    assert "no ratings here" in words
    assert "whose subjects are simulated and cannot reproduce them" in words
    (tmp_path / "plain").mkdir()
    assert "Published numbers" not in summary(tmp_path / "plain").words
