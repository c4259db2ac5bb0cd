"""Rigid coregistration of the EPI reference and the T1w image, by a path of images and a cost that settings choose."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce

import numpy as np
from scipy import ndimage

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.bias_field import without_bias
from fmri2image.preprocess.boundary import (
    BoundarySettings,
    boundary_contrast,
    boundary_cost,
    register_boundary,
    white_surface,
    within,
)
from fmri2image.preprocess.brain import epi_brain_mask, t1w_brain_mask
from fmri2image.preprocess.coregister_check import CheckSettings, Step, check, correction, similarity
from fmri2image.preprocess.mattes import MattesSettings, register_mattes
from fmri2image.preprocess.normalised import NormalisedSettings, register_normalised
from fmri2image.preprocess.points import voxel_sizes

PATHS = ("inplane", "direct", "brain")
COSTS = ("mutual_information", "normalised_mutual_information", "boundary")
Scan = tuple[np.ndarray, np.ndarray]
# Millimetres by which the T1w image's brain mask grows on the path `brain`: the EPI's holds the fluid around the brain.
RIM = 6.0


@dataclass(frozen=True)
class CoregisterSettings:
    """Settings of the coregistration.

    Parameters
    ----------
    path : str
        ``inplane``: EPI to in-plane T2 to T1w (Shen 2019). ``direct``: EPI to T1w. ``brain``: the same with both brains
        extracted before (after Güçlütürk 2017).
    cost : str
        ``mutual_information`` (Mattes), ``normalised_mutual_information`` (SPM's), or ``boundary`` (Greve & Fischl
        2009), which starts from the result of the normalised mutual information over the whole path and then compares
        the EPI with the white matter's surface in the T1w image.
    seed : int
        Seed of the choice of points.
    max_iterations : int
        Most steps per level.
    bias_correction : bool
        Whether the inhomogeneity of all images is corrected first by N4 (Tustison et al. 2010), as in fMRIPrep; a
        stronger one shifts the best match of EPI and in-plane T2 by up to a millimetre.
    check : CheckSettings
        When a result is refused or marked.
    """

    path: str = "inplane"
    cost: str = "normalised_mutual_information"
    seed: int = 1
    max_iterations: int = 100
    bias_correction: bool = True
    check: CheckSettings = field(default_factory=CheckSettings)

    def __post_init__(self) -> None:
        """Refuse unknown words; take the thresholds of the check as a mapping too."""
        for key, value, known in (("path", self.path, PATHS), ("cost", self.cost, COSTS)):
            if value not in known:
                raise ConfigError(f"preprocess: coregister: {key} is '{value}'; use {', '.join(known)}.")
        if isinstance(self.check, dict):
            object.__setattr__(self, "check", CheckSettings(**self.check))


@dataclass(frozen=True)
class Coregistration:
    """A coregistration and what was checked.

    Parameters
    ----------
    matrix : array of shape (4, 4)
        T1w world mm to EPI reference world mm.
    checks : dict
        Path, cost, steps, similarity and overlap before and after, size of the correction, and doubts; for a JSON file.
    epi_brain : bool array of shape (X, Y, Z)
        Brain mask on the grid of the EPI reference.
    """

    matrix: np.ndarray
    checks: dict
    epi_brain: np.ndarray


def coregister(epi: Scan, t1w: Scan, inplane: Scan | None = None, settings: CoregisterSettings | None = None):
    """Coregister the EPI reference and the T1w image, and check the result.

    Parameters
    ----------
    epi, t1w : pairs (image (X, Y, Z), affine (4, 4))
        The reference volume of the motion correction, and the whole-head image; the affines lead to RAS mm.
    inplane : pair, optional
        The session's in-plane image; the path `inplane` needs it.
    settings : CoregisterSettings, optional

    Returns
    -------
    result : Coregistration

    Raises
    ------
    DataError
        If the path needs an in-plane image and there is none, if an image is empty, if the images do not overlap, or if
        the result cannot be right.
    """
    settings = settings or CoregisterSettings()
    if settings.path == "inplane" and inplane is None:
        raise DataError(
            "preprocess: coregister: path is inplane, but the session of the reference has no in-plane image "
            "(anat/*_inplaneT2.nii.gz); use path: direct."
        )
    epi, t1w = usable(epi, "EPI reference"), usable(t1w, "T1w image")
    inplane = usable(inplane, "in-plane image") if settings.path == "inplane" else None
    epi_brain, t1w_brain = epi_brain_mask(*epi), t1w_brain_mask(*t1w, seed=settings.seed)
    raw_t1w = t1w
    if settings.bias_correction:
        epi, t1w, inplane = (scan and (without_bias(*scan), scan[1]) for scan in (epi, t1w, inplane))
    matrix, steps = _by_mutual_information(epi, t1w, inplane, epi_brain, t1w_brain, settings)
    if settings.cost == "boundary":
        matrix, step = _by_boundary(epi, raw_t1w, t1w_brain, matrix, settings)
        steps.append(step)
    checks = check(matrix, (*epi, epi_brain), (*t1w, t1w_brain), steps, settings.check, settings.seed)
    return Coregistration(matrix, {"path": settings.path, "cost": settings.cost, **checks}, epi_brain)


def usable(scan: Scan, name: str) -> Scan:
    """Return an image (float32) and its affine with NaN, which some programs write outside the field of view, set to 0.

    Raises
    ------
    DataError
        If the image has other than three axes, or if all of its voxels are alike.
    """
    values, affine = np.nan_to_num(np.asarray(scan[0], dtype=np.float32), posinf=0, neginf=0), scan[1]
    if values.ndim != 3 or not values.size or np.ptp(values) == 0:
        raise DataError(
            f"The {name} cannot be coregistered: it is not a three-dimensional image with different values in its voxels "
            f"(shape {values.shape}); look at the file and export it again."
        )
    return values, affine


def chain(*matrices: np.ndarray) -> np.ndarray:
    """Compose 4×4 matrices that are applied from the first to the last: ``chain(a, b) @ x = b @ (a @ x)``."""
    return reduce(lambda done, matrix: matrix @ done, matrices, np.eye(4))


def register(moving: Scan, fixed: Scan, settings: CoregisterSettings | None = None) -> np.ndarray:
    """Find the rigid matrix (4, 4) from fixed-world to moving-world points, RAS mm, by the mutual information chosen.

    The search starts from the scanner coordinates in the headers, because a slab of the posterior head and a whole head
    have different centres of mass. Let the image with the smaller field of view be the fixed one.
    """
    settings = settings or CoregisterSettings()
    shared = {"seed": settings.seed, "max_iterations": settings.max_iterations}
    if settings.cost == "mutual_information":
        return register_mattes(moving, fixed, settings=MattesSettings(**shared))
    return register_normalised(moving, fixed, settings=NormalisedSettings(**shared))


def epi_from_t1w(
    epi: Scan, t1w: Scan, between: Sequence[Scan] = (), settings: CoregisterSettings | None = None
) -> np.ndarray:
    """Register neighbours along EPI → … → T1w; return the matrix (4, 4) from T1w world to EPI world, unchecked.

    Parameters
    ----------
    epi, t1w : pairs (image, affine)
    between : sequence of pairs (image, affine)
        Images to pass through, the session's in-plane T2 as a rule; empty to go straight.
    settings : CoregisterSettings, optional
    """
    images = [epi, *between, t1w]
    return np.linalg.inv(
        chain(*(register(moving, fixed, settings) for fixed, moving in zip(images[:-1], images[1:], strict=True)))
    )


def _by_mutual_information(
    epi: Scan,
    t1w: Scan,
    inplane: Scan | None,
    epi_brain: np.ndarray,
    t1w_brain: np.ndarray,
    settings: CoregisterSettings,
) -> tuple[np.ndarray, list[Step]]:
    images = [("boldref", epi), ("T1w", t1w)]
    if settings.path == "inplane":
        images.insert(1, ("inplaneT2", inplane))
    elif settings.path == "brain":
        grown = ndimage.distance_transform_edt(~t1w_brain, sampling=voxel_sizes(t1w[1])) <= RIM
        images = [("boldref", (epi[0] * epi_brain, epi[1])), ("T1w", (t1w[0] * grown, t1w[1]))]
    cost = "mutual_information" if settings.cost == "mutual_information" else "normalised_mutual_information"
    found, steps = [], []
    for (fixed_name, fixed), (moving_name, moving) in zip(images[:-1], images[1:], strict=True):
        matrix = register(moving, fixed, settings)
        before, after = similarity(moving, fixed, [np.eye(4), matrix], settings.seed)
        size = correction(matrix, fixed[0].shape, fixed[1])
        steps.append(Step(fixed_name, moving_name, cost, "normalised_mutual_information", before, after, **size))
        found.append(matrix)
    return np.linalg.inv(chain(*found)), steps


def _by_boundary(
    epi: Scan, t1w: Scan, t1w_brain: np.ndarray, start: np.ndarray, settings: CoregisterSettings
) -> tuple[np.ndarray, Step]:
    options = replace(BoundarySettings(), seed=settings.seed, max_iterations=settings.max_iterations)
    surface = white_surface(*t1w, t1w_brain)
    matrix = register_boundary(surface, *epi, start, options)
    part = within(surface, start, epi[0].shape, epi[1], options)
    first, last = (boundary_contrast(at, part, *epi, options.depth) for at in (start, matrix))
    agreement = float(np.mean(last > 0))
    if agreement < settings.check.least_agreement:
        raise DataError(
            f"Coregistration by cost: boundary failed: grey matter is brighter than white at {agreement:.0%} of the white "
            "matter's surface in the EPI, where nearly all is expected; look at the images or use another cost."
        )
    size = correction(np.linalg.inv(matrix @ np.linalg.inv(start)), epi[0].shape, epi[1])
    before, after = boundary_cost(first, options), boundary_cost(last, options)
    return matrix, Step("boldref", "T1w", "boundary", "boundary_cost", before, after, **size, agreement=agreement)


def describe(settings: CoregisterSettings) -> dict:
    """Return the settings as a plain mapping, for a sidecar."""
    return asdict(settings)
