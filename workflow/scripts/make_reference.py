"""Average the first run after realignment: the reference of a subject's motion correction."""

from fmri2image.core.device import choose_device
from fmri2image.core.job import job
from fmri2image.preprocess.images import read_stored, repetition_time, write_image
from fmri2image.preprocess.realign import RealignSettings, make_reference


def main(bold: str, reference: str, settings: dict) -> None:
    """Write the reference volume, in the position of the first volume that is kept."""
    n_discard = round(settings["discard_seconds"] / repetition_time(bold))
    volumes, affine = read_stored(bold, n_discard)
    device = choose_device(settings["device"])
    mean, _ = make_reference(volumes, affine, RealignSettings(**settings["realign"]), device=device)
    write_image(reference, mean, affine)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(bold=j.input.bold, reference=j.output.reference, settings=j.params.settings)
