"""List the stimuli of all sets of a real dataset."""

from fmri2image.acquire.stimulus_table import list_stimuli
from fmri2image.core.job import job

if __name__ == "__main__":
    with job(snakemake) as j:
        list_stimuli(list(j.input.images), j.output.table, next(iter(j.input.kinds), None))
