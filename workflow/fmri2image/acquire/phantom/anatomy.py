"""Heads of the simulated subjects: tissue maps, contrasts and grids, made from the MNI152 template that nilearn ships.

A point of a subject's brain space (the world of the T1-weighted image, mm) is led to template space by a rigid
placement, a change of size and a smooth random displacement; everything anatomical is looked up there. The template
holds only the brain, so cerebrospinal fluid, skull and scalp are laid around it in shells.

Settings used: ``voxel_size`` (functional, mm), ``slab`` (mm: left-right, back-front, down-up), ``slab_tilt`` (degrees
about the left-right axis), ``t1w_voxel_size`` (mm), ``warp`` (mm, root mean square of the displacement).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from fmri2image.core.geometry import rigid_matrix
from fmri2image.core.seeds import generator_for

# Middle of the slab in template space: between the occipital pole and the front end of the parahippocampal area.
SLAB_CENTRE = (0.0, -70.0, 1.0)
# Outer limits in mm of fluid, skull and scalp, counted from the brain's surface.
SHELLS = (3.0, 9.0, 15.0)
# Relative signal of each tissue. Scalp fat is suppressed in EPI.
CONTRASTS = {
    "epi": {"csf": 1.25, "gm": 1.0, "wm": 0.8, "skull": 0.03, "scalp": 0.25},
    "t2": {"csf": 1.4, "gm": 0.8, "wm": 0.55, "skull": 0.05, "scalp": 0.7},
}
WARP_SPACING = 8.0
WARP_SMOOTHNESS = 20.0
# Box of the T1-weighted image in template millimetres, first and last corner.
HEAD_BOX = ((-92.0, -130.0, -84.0), (92.0, 102.0, 108.0))


@dataclass(frozen=True)
class Template:
    """Brain template: maps of shape (x, y, z) on one grid, tissue fractions in [0, 1], distance in mm."""

    affine: np.ndarray
    t1: np.ndarray
    gm: np.ndarray
    wm: np.ndarray
    outside: np.ndarray

    @classmethod
    def load(cls, resolution: int = 2) -> "Template":
        """Load the MNI152 template from nilearn's package, at `resolution` mm."""
        images = [
            load(resolution=resolution)
            for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
        ]
        t1, gm, wm = (np.clip(image.get_fdata(dtype=np.float32), 0, 1) for image in images)
        brain = binary_fill_holes(t1 > 0.05)
        # Room for skull and scalp around the brain.
        pad = int(np.ceil((SHELLS[-1] + 5) / resolution))
        t1, gm, wm, brain = (np.pad(part, pad) for part in (t1, gm, wm, brain))
        affine = images[0].affine.copy()
        affine[:3, 3] -= affine[:3, :3] @ np.full(3, pad)
        beyond, within = (distance_transform_edt(part, sampling=resolution) for part in (~brain, brain))
        return cls(affine, t1, gm, wm, (beyond - within).astype(np.float32))

    def sample(self, name: str, points: np.ndarray) -> np.ndarray:
        """Look up a map at template points (..., 3) in mm; zero (or far outside) beyond the grid."""
        index = apply_affine(np.linalg.inv(self.affine), points)
        beyond = 99.0 if name == "outside" else 0.0
        return map_coordinates(getattr(self, name), np.moveaxis(index, -1, 0), order=1, cval=beyond)


@dataclass(frozen=True)
class Head:
    """A subject's head.

    Parameters
    ----------
    template : Template
    to_template : array of shape (4, 4)
        Placement and size: brain-space points to template points, before the displacement.
    displacement : array of shape (3, x, y, z)
        Millimetres, on the grid of `displacement_affine` in template space.
    displacement_affine : array of shape (4, 4)
    """

    template: Template
    to_template: np.ndarray
    displacement: np.ndarray
    displacement_affine: np.ndarray

    def template_points(self, points: np.ndarray) -> np.ndarray:
        """Lead brain-space points (..., 3) in mm to template space."""
        placed = apply_affine(self.to_template, points)
        index = np.moveaxis(apply_affine(np.linalg.inv(self.displacement_affine), placed), -1, 0)
        moved = [map_coordinates(part, index, order=1, mode="nearest") for part in self.displacement]
        return placed + np.stack(moved, axis=-1)

    def tissue(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return tissue fractions at brain-space points (..., 3): csf, gm, wm, skull, scalp."""
        there = self.template_points(points)
        gm, wm = self.template.sample("gm", there), self.template.sample("wm", there)
        outside = self.template.sample("outside", there)
        edges = [_below(outside, limit) for limit in (0.0, *SHELLS)]
        brain = edges[0]
        total = np.maximum(gm + wm, 1)
        gm, wm = gm / total * brain, wm / total * brain
        csf = np.clip(edges[1] - gm - wm, 0, 1)
        return {"csf": csf, "gm": gm, "wm": wm, "skull": edges[2] - edges[1], "scalp": edges[3] - edges[2]}

    def contrast(self, name: str, points: np.ndarray) -> np.ndarray:
        """Return the signal of a contrast of `CONTRASTS` at brain-space points, grey matter = 1."""
        weights = CONTRASTS[name]
        return sum(weights[tissue] * fraction for tissue, fraction in self.tissue(points).items()).astype(np.float32)

    def t1(self, points: np.ndarray) -> np.ndarray:
        """Return T1-weighted signal at brain-space points: the template inside the brain, shells around it."""
        there = self.template_points(points)
        outside = self.template.sample("outside", there)
        edges = [_below(outside, limit) for limit in (0.0, *SHELLS)]
        signal = self.template.sample("t1", there) * edges[0] + 0.12 * (edges[1] - edges[0])
        return (signal + 0.06 * (edges[2] - edges[1]) + 0.85 * (edges[3] - edges[2])).astype(np.float32)


def make_head(subject: str, settings: Mapping, seed: int, template: Template) -> Head:
    """Draw the head of a subject: 1 mm and 2° of placement, 2.5 % of size, and the displacement.

    The slab is planned on the subject's own brain: what the displacement shifts as a whole there is taken back.
    """
    rng = generator_for(seed, "anatomy", subject)
    parameters = np.concatenate([rng.normal(0, 1, 3), np.deg2rad(rng.normal(0, 2, 3))])
    size = np.diag([*(1 + rng.normal(0, 0.025, 3)), 1.0])
    centre = np.array(SLAB_CENTRE)
    shift, back = np.eye(4), np.eye(4)
    shift[:3, 3], back[:3, 3] = -centre, centre
    corner, far = np.array(HEAD_BOX)
    shape = np.ceil((far - corner) / WARP_SPACING).astype(int) + 1
    field = gaussian_filter(rng.standard_normal((3, *shape)), (0, *[WARP_SMOOTHNESS / WARP_SPACING] * 3))
    field *= settings["warp"] / np.sqrt((field**2).sum(0).mean())
    affine = np.diag([WARP_SPACING] * 3 + [1.0])
    affine[:3, 3] = corner
    head = Head(template, back @ size @ shift @ rigid_matrix(parameters, centre), field, affine)
    planned = grid_points(*slab_grid(settings, (10.0,) * 3))
    shift[:3, 3] = apply_affine(head.to_template, planned).mean((0, 1, 2)) - head.template_points(planned).mean(
        (0, 1, 2)
    )
    return replace(head, to_template=shift @ head.to_template)


def functional_grid(settings: Mapping) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return shape and affine of the functional slab, which is also the grid of the masks in brain space.

    The first axis runs from right to left, as scanners store it, and the slab is tilted.
    """
    return slab_grid(settings, (settings["voxel_size"],) * 3)


def slab_grid(settings: Mapping, voxel_size: tuple[float, ...]) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return shape and affine of a grid of `voxel_size` (mm) that fills the slab."""
    zooms = np.asarray(voxel_size, dtype=float)
    shape = tuple(int(round(extent / zoom)) for extent, zoom in zip(settings["slab"], zooms, strict=True))
    affine = np.eye(4)
    axes = Rotation.from_euler("x", settings["slab_tilt"], degrees=True).as_matrix() @ np.diag([-1.0, 1.0, 1.0])
    affine[:3, :3] = axes * zooms
    affine[:3, 3] = np.array(SLAB_CENTRE) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


def head_grid(settings: Mapping) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return shape and affine of the T1-weighted image, which holds the whole head."""
    zoom = float(settings["t1w_voxel_size"])
    corner, far = np.array(HEAD_BOX)
    affine = np.diag([zoom] * 3 + [1.0])
    affine[:3, 3] = corner
    return tuple(int(n) for n in np.floor((far - corner) / zoom) + 1), affine


def grid_points(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the world points of all voxels, array of shape (*shape, 3) in mm."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return apply_affine(affine, index)


def apply_affine(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move points (..., 3) by a 4×4 matrix."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def bias_field(points: np.ndarray, rng: np.random.Generator, strength: float = 0.25) -> np.ndarray:
    """Return a receive field at scanner points (..., 3): brighter towards the back, where the coil is, mean about 1."""
    scaled = (points - np.array(SLAB_CENTRE)) / 100
    slope = np.array([0.0, -0.8, 0.2]) + rng.normal(0, 0.3, 3)
    bend = rng.normal(0, 0.5, 3)
    return np.exp(strength * np.clip(scaled @ slope + scaled**2 @ bend, -2, 2)).astype(np.float32)


def _below(distance: np.ndarray, limit: float) -> np.ndarray:
    """1 well inside the limit (mm), 0 well beyond, a ramp of 2 mm between."""
    return np.clip((limit - distance) / 2 + 0.5, 0, 1)
