"""What a paper's module says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fmri2image.study.paper_image_plans import ImagePlans
from fmri2image.study.paper_plot_plans import PlotPlans


@dataclass(frozen=True)
class PaperFacts:
    """A paper whose figures a study can draw.

    Parameters
    ----------
    name : str
        As in ``report.paper.name``; figures lie in a folder of this name.
    words, category : str
        How captions and the chapters of the report call it.
    data : str
        Collection of its measurements: there published values stand beside ours.
    single, several : tuple of str
        Roles of methods in ``report.paper.methods``: one name, or a mapping from the words of a figure to names.
    images : type of ImagePlans
        What its image figures show.
    image_figures : tuple of str
        Those figures, such as ``fig3a``.
    plots : type of PlotPlans
        From which tables its plots are drawn; `report.paper.registry` says which module draws each.
    movies : mapping from a movie to (role of the test, role of the method, title)
    display : str
        How images are shown in the original, where that differs.
    ranked : mapping from a figure to the word for the scores that choose its images
    fallbacks : mapping from a role to the role whose method takes its place
    through_generator : tuple of str or None
        Roles whose figures say that images come out of a deep generator, while those of all others say that they do not;
        None where figures say nothing about it.
    """

    name: str
    words: str
    category: str
    data: str
    single: tuple[str, ...]
    several: tuple[str, ...]
    images: type[ImagePlans]
    image_figures: tuple[str, ...]
    plots: type[PlotPlans]
    movies: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    display: str = ""
    ranked: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    through_generator: tuple[str, ...] | None = None
