"""What is scored for Shen, Dwivedi, Majima, Horikawa & Kamitani 2019 (Front. Comput. Neurosci.)."""

from typing import Any

from fmri2image.study.papers.scores import Condition, ScorePlan

FULL = "full"  # the model with all loss terms
LOSSES = ("image", "feature", "adversarial")


def plan(study: Any) -> ScorePlan:
    """Return the conditions of the paper, as the chapter ``report.paper`` names them."""
    area, natural = study.paper["area"], study.paper_test("natural")
    full = study.paper_method(FULL)
    ablations, sizes = (study.paper_methods(role) for role in ("ablations", "sizes"))
    conditions = [
        Condition("natural", full, area, natural),
        Condition("shapes", full, area, study.paper_test("shapes")),
        Condition("letters", full, area, study.paper_test("letters")),
        Condition("natural_icnn", study.paper_method("icnn"), area, natural),
    ]
    conditions += [
        Condition(f"natural_without_{loss}_loss", ablations.get(f"no-{loss}", ""), area, natural) for loss in LOSSES
    ]
    tested = study.paper_test("sizes")
    conditions += [Condition(f"size@{words}", sizes[words], area, tested) for words in sorted(sizes, key=int)]
    return ScorePlan(
        conditions,
        models={FULL: full, **ablations},
        apart={"ablations": {FULL: full, **ablations}, "sizes": sizes},
        related=("natural", "shapes", "letters", "natural_icnn"),
    )
