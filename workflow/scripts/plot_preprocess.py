"""Figures of data quality of a subject: motion, coregistration, areas, signal to noise, carpets; table of signal to noise."""

from fmri2image.core.job import job
from fmri2image.preprocess.brain import t1w_brain_mask
from fmri2image.preprocess.images import read_image
from fmri2image.preprocess.masks import read_masks
from fmri2image.preprocess.quality import FIGURES, write_quality
from fmri2image.samples.rois import add_unions

if __name__ == "__main__":
    with job(snakemake) as j:
        settings, masks = j.params.settings, read_masks(list(j.input.masks))
        areas = add_unions(masks, settings["unions"])
        images = {name: read_image(j.input[name]) for name in ("epi", "brain", "t1w")}
        images["t1w_brain"] = (t1w_brain_mask(*images["t1w"]), images["t1w"][1])
        write_quality(
            {name: j.output[name] for name in (*FIGURES, "signal_table")},
            j.wildcards.subject,
            {"confounds": list(j.input.confounds), "summaries": list(j.input.summaries)},
            images,
            {name: areas.masks[name] for name in settings["outlines"]},
            areas.affine,
            settings,
        )
