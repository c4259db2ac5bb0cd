"""What rules ask of a study: inputs that depend on the configuration, and the settings that each rule uses.

Every settings function returns only the keys that its rule uses; anything more would rerun the rule without need. Nothing
here touches data, and importing it must stay cheap, because every job of a workflow parses the rules again.
"""

from collections.abc import Mapping
from typing import Any

from fmri2image.study.adopted import AdoptedQuestions
from fmri2image.study.check import check_config
from fmri2image.study.names import NameChecks
from fmri2image.study.paper_figures import PaperFigures
from fmri2image.study.paper_scores import PaperScoreQuestions
from fmri2image.study.scoring import ScoringQuestions
from fmri2image.study.sources import check_pictures
from fmri2image.study.trainings import TrainingQuestions


def load_study(config: Mapping[str, Any]) -> "Study":
    """Check a configuration and wrap it; raises ConfigError naming the key that is wrong."""
    config = check_config(config)
    check_pictures(config)
    study = Study(config)
    study.check_names()
    study.check_paper()
    return study


class Study(NameChecks, AdoptedQuestions, ScoringQuestions, PaperScoreQuestions, PaperFigures, TrainingQuestions):
    """A checked configuration with the questions that rules ask, stage by stage."""
