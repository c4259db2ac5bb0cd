"""Figure: which areas the decoders of each layer take their voxels from."""

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.tables import read_table
from fmri2image.report.selection_figure import draw_voxel_selection

if __name__ == "__main__":
    with job(snakemake) as j:
        tables = [read_table(path, subject=str) for path in j.input.tables]
        draw_voxel_selection(pd.concat(tables), [j.output.figure, j.output.png], j.params.settings)
