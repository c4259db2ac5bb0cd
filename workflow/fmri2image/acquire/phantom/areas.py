"""Visual areas of the simulated subjects: a geometric parcellation of grey matter in template space.

The early areas are bands around a line along the calcarine sulcus, cut in a dorsal and a ventral half; the higher areas
are boxes at the places where group studies find them. It is a caricature with the right neighbourhoods, not an atlas.
"""

from collections.abc import Mapping

import numpy as np

from fmri2image.acquire.phantom.anatomy import Head, functional_grid, grid_points
from fmri2image.acquire.phantom.paradigm import AREAS, HEMISPHERES

# Outer limit in mm of V1, V2, V3 and hV4, counted from the calcarine line.
BANDS = {"V1": 9.5, "V2": 15.5, "V3": 22.0, "hV4": 30.0}
CALCARINE_Y = (-104.0, -62.0)
# A voxel belongs to the visual cortex if so much of it is grey matter of visual areas.
LEAST_FRACTION = 0.63
SUBSAMPLES = 3
PARTS = ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "LOC", "FFA", "PPA", "other")


def calcarine_coordinates(points: np.ndarray) -> dict[str, np.ndarray]:
    """Describe template points (..., 3) relative to the calcarine line of their hemisphere.

    Returns
    -------
    coordinates : dict of arrays of shape (...)
        ``distance`` (mm), ``height`` (mm above the line), ``forward`` (0 at the occipital pole, 1 at the front end).
    """
    x, y, z = np.moveaxis(points, -1, 0)
    line_z = -4.0 + 0.27 * (y + 100.0)
    # Around the pole the cortex also faces sideways.
    line_x = 7.0 + 0.15 * np.clip(-80.0 - y, 0, None)
    height = z - line_z
    distance = np.hypot((np.abs(x) - line_x) / 1.15, height)
    low, high = CALCARINE_Y
    return {"distance": distance, "height": height, "forward": np.clip((y - low) / (high - low), 0, 1)}


def part_of(points: np.ndarray) -> np.ndarray:
    """Return the index in `PARTS` of the area at template points (..., 3), -1 where there is none."""
    x, y, z = np.moveaxis(points, -1, 0)
    side = np.abs(x)
    line = calcarine_coordinates(points)
    distance, height = line["distance"], line["height"]
    cerebrum = z > tentorium(points)
    early = cerebrum & (y < CALCARINE_Y[1]) & (distance < BANDS["V3"])
    part = np.full(x.shape, -1, dtype=int)

    def put(name: str, where: np.ndarray) -> None:
        part[where & (part < 0)] = PARTS.index(name)

    inner = 0.0
    for name in ("V1", "V2", "V3"):
        band = early & (distance >= inner) & (distance < BANDS[name])
        put(f"{name}d", band & (height >= 0))
        put(f"{name}v", band & (height < 0))
        inner = BANDS[name]
    put("hV4", cerebrum & (height < 0) & (y > -90) & (y < -66) & (distance < BANDS["hV4"]))
    put("LOC", cerebrum & (side > 34) & (y > -86) & (y < -68) & (z > -14) & (z < 6))
    put("FFA", cerebrum & (side > 32) & (side < 46) & (y > -62) & (y < -46) & (z < -9))
    put("PPA", cerebrum & (side > 17) & (side < 32) & (y > -55) & (y < -42) & (z < -4) & (z > -22))
    # The rest of the ventral and lateral cortex joins the three.
    lateral = (side > 38) & (y > -68) & (y < -58) & (z < -4)
    ventral = (side > 24) & (y > -66) & (y < -46) & (z < -10)
    put("other", cerebrum & (side < 60) & (lateral | ventral))
    return part


def tentorium(points: np.ndarray) -> np.ndarray:
    """Return the height in mm below which the template shows cerebellum, at template points (..., 3)."""
    x, y, _ = np.moveaxis(points, -1, 0)
    return -8.0 - 0.36 * np.clip(np.abs(x) - 8.0, 0, 38.0) - 0.12 * np.clip(-62.0 - y, 0, 30)


def area_masks(head: Head, settings: Mapping) -> dict[tuple[str, str], np.ndarray]:
    """Return the boolean masks of all areas on the functional grid in brain space.

    Returns
    -------
    masks : dict from (hemisphere, area) to array of the grid's shape
        Early areas and hV4 are disjoint; HVC holds LOC, FFA, PPA and the cortex between them.
    """
    shape, affine = functional_grid(settings)
    fractions = np.zeros((len(HEMISPHERES) * len(PARTS), *shape), dtype=np.float32)
    offsets = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES - 0.5
    centres = grid_points(shape, affine)
    for offset in np.stack(np.meshgrid(offsets, offsets, offsets), axis=-1).reshape(-1, 3):
        points = head.template_points(centres + affine[:3, :3] @ offset)
        part, grey = part_of(points), head.template.sample("gm", points)
        label = np.where(points[..., 0] < 0, 0, len(PARTS)) + part
        for index in np.unique(label[part >= 0]):
            fractions[index] += np.where((label == index) & (part >= 0), grey, 0)
    fractions /= SUBSAMPLES**3
    winner = np.where(fractions.sum(0) >= LEAST_FRACTION, fractions.argmax(0), -1)
    masks = {}
    for side, hemisphere in enumerate(HEMISPHERES):
        parts = {name: winner == side * len(PARTS) + index for index, name in enumerate(PARTS)}
        parts["HVC"] = parts["LOC"] | parts["FFA"] | parts["PPA"] | parts.pop("other")
        masks |= {(hemisphere, area): parts[area] for area in AREAS}
    return masks
