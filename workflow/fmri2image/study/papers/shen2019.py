"""Shen, Horikawa, Majima & Kamitani 2019, PLOS Computational Biology: deep image reconstruction (`icnn`)."""

from fmri2image.study.papers.facts import PaperFacts
from fmri2image.study.papers.shen2019_images import Images
from fmri2image.study.papers.shen2019_plots import Plots

IMAGE_FIGURES = (
    "fig2", "fig3a", "fig4a", "fig6a", "fig6b", "fig7a", "fig8a", "fig8b", "fig8c",
    "s2", "s3", "s5", "s6", "s7", "s8", "s10", "s11", "s14", "s16", "s20",
)  # fmt: skip
MOVIES = {
    "movie_s1": ("natural", "generator", "Natural images, with the DGN"),
    "movie_s2": ("shapes", "pixels", "Artificial shapes, without the DGN"),
    "movie_s3": ("imagery", "imagery", "Imagined images, without the DGN"),
}
PAPER = PaperFacts(
    name="shen2019",
    words="Shen et al. 2019 (PLOS CB)",
    category="Shen et al. 2019",
    data="ds001506",
    single=("pixels", "generator", "imagery"),
    several=("layer_sets", "single_layers", "pixel_starts", "latent_starts"),
    images=Images,
    image_figures=IMAGE_FIGURES,
    plots=Plots,
    movies=MOVIES,
    display=(
        "Images are shown as reconstructed, values clipped to the range of pixels; the original stretches them between "
        "their 2nd and 98th percentiles."
    ),
    ranked={"fig8a": "highest", "fig8b": "lowest"},
    fallbacks={"imagery": "pixels"},
    through_generator=("generator", "latent_starts"),
)
