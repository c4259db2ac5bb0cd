"""All figures of a paper together: the targets that a user asks for by a figure's number."""

import re

from fmri2image.study.paper_images import PaperImages
from fmri2image.study.paper_plots import PaperPlots


class PaperFigures(PaperImages, PaperPlots):
    """Targets over the image figures, the movies and the plots of a paper."""

    def paper_targets(self) -> dict[str, list[str]]:
        """Return the files of every target, ``fig2`` … ``s21`` and ``movies``, in the order of the paper.

        The parts of a figure, ``fig3a`` and ``fig3b``, are one target.
        """
        drawn = [*self.image_figures(), *self.plot_figures()]
        targets: dict[str, list[str]] = {}
        for figure in sorted(drawn, key=_order):
            target = re.match(r"fig\d+|s\d+", figure)[0]
            targets.setdefault(target, []).append(f"{self.paper_root}/{figure}.svg")
        if self.movies():
            targets["movies"] = [f"{self.paper_root}/{movie}.gif" for movie in self.movies()]
        return targets

    def check_paper(self) -> None:
        """Check the names of the chapter and find out which figures are left out, so that the first page can say so.

        Raises
        ------
        ConfigError
        """
        super().check_paper()
        self.paper_targets()


def _order(figure: str) -> tuple[bool, int, str]:
    """Return where a figure comes: those of the text before the supplementary ones, by number, then by letter."""
    kind, number, letter = re.fullmatch(r"(fig|s)(\d+)([a-z]?)", figure).groups()
    return kind == "s", int(number), letter
