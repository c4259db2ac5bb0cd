"""Draw which voxels one decoder chose for each layer, in all areas of one subject, and count them by area."""

import logging
from pathlib import Path

import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import write_table
from fmri2image.decode.maps import (
    COLUMNS,
    KINDS,
    area_shares,
    find_affine,
    order_choice,
    prunes,
    read_choice,
    reference_grid,
    write_map,
)

log = logging.getLogger("fmri2image")


def main(samples: str, decoded: list[str], folder: str, table: str, settings: dict, grid: str | None = None) -> None:
    """Write maps into the folder and the shares of areas as a table; decoded features lie in folders ``sub-*_roi-*``."""
    data, about = read_bdata(samples), {key: settings[key] for key in ("dataset", "decoder", "network", "subject")}
    affine, shape = None, None
    try:
        affine = find_affine(data.voxels)
        shape = data.voxels[["voxel_i", "voxel_j", "voxel_k"]].max().astype(int) + 1
    except DataError as error:
        log.warning("%s", error)
    if affine is not None and grid:
        shape, affine = reference_grid(grid, affine)
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for path in map(Path, decoded):
        roi = path.parent.name.partition("_roi-")[2]
        voxels, choice = data.select(roi=roi).voxels, read_choice(path)
        counts = order_choice(choice, voxels, path)
        shares = area_shares(counts, voxels, [area for area in data.rois if (voxels[f"ROI_{area}"] == 1).any()])
        more = {"layer": path.stem, "training": choice.training, "n_units": choice.n_units}
        rows.append(shares.assign(**about, roi=roi, **more, simulated=settings["simulated"]))
        name = f"sub-{settings['subject']}_roi-{roi}_layer-{path.stem.replace('_', '')}_desc-{{}}_map.nii.gz"
        said = f"share of {choice.n_units} units{', simulated data' if settings['simulated'] else ''}"
        for kind, values in zip(KINDS[: 1 + prunes(counts)], counts, strict=False):
            if affine is not None:
                write_map(Path(folder) / name.format(kind), values / choice.n_units, voxels, affine, shape, said)
    shares = pd.concat(rows, ignore_index=True)[list(COLUMNS)]
    write_table(table, shares, COLUMNS, simulated=settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        grid = j.input.get("grid", [])
        grid = [grid] if isinstance(grid, str) else list(grid)  # none for samples that came without
        main(j.input.samples, list(j.input.decoded), j.output.maps, j.output.table, j.params.settings, *grid)
