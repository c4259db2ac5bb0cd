"""What the figures of trainings ask of a study: which methods train step by step, and what they have learned."""

import ast
from typing import Any

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.splits import training_name
from fmri2image.study.reporting import ReportQuestions

FLAG = "TRAINS"  # in a method's module: what it has learned holds its losses


class TrainingQuestions(ReportQuestions):
    """Inputs, settings and names of the figures of trainings."""

    def trains(self, name: str) -> bool:
        """Tell whether a named method's module says ``TRAINS = True``, without importing it.

        Such a module also has ``LOSSES``, a mapping from the names of its losses to descriptions, and its `fit` returns
        ``losses``, ``loss_steps``, ``sheets`` and ``sheet_steps``.
        """
        if not self.learns(name):
            return False
        path = WORKFLOW / "fmri2image" / "reconstruct" / f"{self.method_of(name)}.py"
        return any(_says(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)

    def training_sources(self) -> list[tuple[str, str, str]]:
        """Return (method, subject, area) of everything that trains."""
        rows = [row for row in self.analyses if self.trains(row["method"])]
        found = [(row["method"], who, roi) for row in rows for roi in row["rois"] for who in self.row_subjects(row)]
        return list(dict.fromkeys(found))

    def training_states(self, wildcards: Any) -> list[str]:
        """Return what a method has learned of a subject and area: one file per training set."""
        method, roi = wildcards.method, wildcards.roi
        rows = [row for row in self.analyses if row["method"] == method and roi in row["rois"]]
        mine = [row for row in rows if wildcards.subject in self.row_subjects(row)]
        names = dict.fromkeys(training_name(self.tests, test) for row in mine for test in row["tests"])
        source = f"sub-{wildcards.subject}_roi-{roi}"
        return [f"{self.root}/reconstruct/{method}/{source}_fit-{name}.pt" for name in names]

    def training_figure_settings(self, wildcards: Any) -> dict:
        """Return what the figure of a training needs to know."""
        return {"method": self.method_of(wildcards.method), "simulated": self.simulated}

    def training_figures(self, subject: str | None = None) -> list[str]:
        """Return the figures of trainings as PNG, of all subjects or of one."""
        return [
            f"{self.root}/figures/training_{method}_sub-{who}_roi-{roi}.png"
            for method, who, roi in self.training_sources()
            if subject in (None, who)
        ]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people, the figures of trainings too."""
        return [*super().final_outputs(), *self.training_figures()]


def _says(node: ast.stmt) -> bool:
    """Tell whether a statement is ``TRAINS = True``, with or without a type."""
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return False
    named = any(isinstance(target, ast.Name) and target.id == FLAG for target in targets)
    return named and isinstance(node.value, ast.Constant) and node.value.value is True
