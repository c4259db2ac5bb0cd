"""Figures of data quality of a subject: motion, coregistration, areas, signal to noise, carpets; table of signal to noise."""

from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.preprocess.brain import t1w_brain_mask
from fmri2image.preprocess.images import read_image
from fmri2image.preprocess.masks import RoiMasks, read_masks
from fmri2image.preprocess.quality import FIGURES, write_quality
from fmri2image.samples.rois import add_areas, add_unions


def find_areas(masks: list[str], brain: str, grid: str | None, samples: str | None, settings: dict) -> RoiMasks:
    """Return the areas to outline; one that only the samples know, such as responsive voxels, is taken from there."""
    areas = read_masks(masks or [brain], settings.get("areas"), grid)
    if samples is not None:
        areas = add_areas(areas, read_bdata(samples), settings["outlines"])
    united = add_unions(areas, settings["unions"])
    return RoiMasks({name: united.masks[name] for name in settings["outlines"]}, united.affine)


if __name__ == "__main__":
    with job(snakemake) as j:
        given = {name: j.input.get(name) or None for name in ("grid", "samples")}
        optional = {name: one if one is None or isinstance(one, str) else one[0] for name, one in given.items()}
        areas = find_areas(list(j.input.get("masks", [])), j.input.brain, settings=j.params.settings, **optional)
        images = {name: read_image(j.input[name]) for name in ("epi", "brain", "t1w")}
        images["t1w_brain"] = (t1w_brain_mask(*images["t1w"]), images["t1w"][1])
        write_quality(
            {name: j.output[name] for name in (*FIGURES, "signal_table")},
            j.wildcards.subject,
            {"confounds": list(j.input.confounds), "summaries": list(j.input.summaries)},
            images,
            areas.masks,
            areas.affine,
            j.params.settings,
        )
