"""What is scored for Shen et al. 2019 (PLOS CB)."""

from typing import Any

from fmri2image.study.papers.scores import Condition, ScorePlan

# Areas of the interaction of shape and colour (paper: Fig. 7B).
CONTRASTED = ("V1", "V4")


def plan(study: Any) -> ScorePlan:
    """Return the conditions of the paper, as the chapter ``report.paper`` names them."""
    area, early = study.paper["area"], study.paper.get("early", "")
    pixels, imagery = study.paper_method("pixels"), study.paper_method("imagery")
    natural, shapes, imagined = (study.paper_test(role) for role in ("natural", "shapes", "imagery"))
    lures = study.paper_lures(imagined)
    conditions = [
        Condition("natural_pixels", pixels, area, natural),
        Condition("natural_generator", study.paper_method("generator"), area, natural),
        Condition("shapes", pixels, area, shapes),
        Condition("letters", pixels, area, study.paper_test("letters")),
        Condition("imagery_shapes", imagery, area, imagined, "shape", lures),
        Condition("imagery_natural", imagery, area, imagined, "natural", lures),
        Condition("imagery_shapes_early", imagery, early, imagined, "shape", lures),
        Condition("imagery_natural_early", imagery, early, imagined, "natural", lures),
    ]
    areas = dict.fromkeys([*study.paper.get("areas", []), *CONTRASTED])
    conditions += [Condition(f"shapes@{one}", pixels, one, shapes) for one in areas]
    sets = study.paper_methods("layer_sets")
    conditions += [Condition(f"layer_set@{words}", method, area, natural) for words, method in sets.items()]
    return ScorePlan(conditions, models=sets, apart={"layer_sets": sets})
