"""Is a coregistration right? Similarity and overlap before and after, the size of the correction, and a mirror's test."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters
from fmri2image.preprocess.brain import carried
from fmri2image.preprocess.normalised import JointHistogram, NormalisedSettings, minimise_rigid

# Distance in mm of the points at which results are compared: finer ones change the numbers, not their order.
SEPARATION = 4.0


@dataclass(frozen=True)
class CheckSettings:
    """When a coregistration is refused, and when it is marked as suspicious (all values ours).

    Parameters
    ----------
    least_overlap : float
        Dice coefficient of the EPI's and the T1w image's brain below which the result is refused.
    good_overlap : float
        Below this it is marked.
    largest_shift : float
        Millimetres by which the middle of the EPI may move before the result is marked; beyond three times it is
        refused.
    largest_rotation : float
        Degrees, likewise: heads lie alike in a scanner.
    least_agreement : float
        Least share of the white matter's surface that must have the contrast of EPI, for the cost `boundary`.
    """

    least_overlap: float = 0.5
    good_overlap: float = 0.7
    largest_shift: float = 40.0
    largest_rotation: float = 20.0
    least_agreement: float = 0.6


@dataclass(frozen=True)
class Step:
    """One registration of a path: the two images, the cost that was searched, and a measure before and after.

    Parameters
    ----------
    fixed, moving : str
        Suffixes of the images' names.
    cost : str
        Setting.
    measure : str
        ``normalised_mutual_information`` (larger is better) or ``boundary_cost`` (smaller is better).
    before, after : float
        The measure.
    shift_mm, rotation_degrees : float
        Size of the correction at the middle of the fixed image.
    agreement : float, optional
        Share of the white matter's surface with the contrast expected.
    """

    fixed: str
    moving: str
    cost: str
    measure: str
    before: float
    after: float
    shift_mm: float
    rotation_degrees: float
    agreement: float | None = None

    @property
    def worse(self) -> bool:
        """Whether the measure got worse."""
        return self.after > self.before if self.measure == "boundary_cost" else self.after < self.before


def check(
    matrix: np.ndarray,
    epi: tuple[np.ndarray, np.ndarray, np.ndarray],
    t1w: tuple[np.ndarray, np.ndarray, np.ndarray],
    steps: Sequence[Step] = (),
    settings: CheckSettings | None = None,
    seed: int = 1,
) -> dict:
    """Compare a coregistration with the scanner coordinates it started from.

    Parameters
    ----------
    matrix : array of shape (4, 4)
        T1w world to EPI reference world, mm.
    epi, t1w : triples (image (X, Y, Z), affine (4, 4), brain mask (X, Y, Z))
    steps : sequence of Step
    settings : CheckSettings, optional
    seed : int
        Seed of the points compared.

    Returns
    -------
    checks : dict
        For a JSON file; ``suspicious`` with its ``reasons``.

    Raises
    ------
    DataError
        If the result cannot be right: the brains hardly overlap, the images agree less than at the start and overlap
        less too, or the head would have moved farther than it can.
    """
    settings = settings or CheckSettings()
    to_t1w = np.linalg.inv(matrix)
    before, after = similarity(t1w[:2], epi[:2], [np.eye(4), to_t1w], seed)
    mirrored = mirrored_similarity(t1w[:2], epi[:2], to_t1w, t1w[2], seed)
    overlaps = [overlap(at, epi[2], epi[1], t1w[2], t1w[1]) for at in (np.eye(4), matrix)]
    size = correction(to_t1w, epi[0].shape, epi[1])
    _refuse(overlaps, (before, after), size, settings)
    reasons = [
        f"the step {step.fixed} to {step.moving} made its {step.measure} worse, {step.before:.4f} to {step.after:.4f}"
        for step in steps
        if step.worse
    ]
    if after < before:
        reasons.append(f"EPI and T1w agree less than in scanner coordinates ({after:.4f} against {before:.4f})")
    if mirrored > after:
        reasons.append(
            f"the EPI fits the mirrored T1w image better ({mirrored:.4f} against {after:.4f}): left and right may be "
            "swapped in one of the files"
        )
    if overlaps[1] < settings.good_overlap:
        reasons.append(f"the brains overlap by {overlaps[1]:.2f} (Dice), less than {settings.good_overlap:g}")
    if size["shift_mm"] > settings.largest_shift or size["rotation_degrees"] > settings.largest_rotation:
        reasons.append(f"the head was moved by {size['shift_mm']:.0f} mm and {size['rotation_degrees']:.0f} degrees")
    return {
        "similarity_measure": "normalised mutual information of boldref and T1w, 1 to 2",
        "similarity_before": before,
        "similarity_after": after,
        "similarity_mirrored": mirrored,
        "overlap_measure": "Dice coefficient of the two brain masks within the field of view of boldref",
        "overlap_before": overlaps[0],
        "overlap_after": overlaps[1],
        **size,
        "steps": [{key: value for key, value in asdict(step).items() if value is not None} for step in steps],
        "thresholds": asdict(settings),
        "suspicious": bool(reasons),
        "reasons": reasons,
    }


def overlap(
    matrix: np.ndarray, epi_brain: np.ndarray, epi_affine: np.ndarray, t1w_brain: np.ndarray, t1w_affine: np.ndarray
) -> float:
    """Return the Dice coefficient of two brain masks on the EPI's grid; `matrix` leads from T1w to EPI world, mm."""
    to_voxels = np.linalg.inv(matrix @ t1w_affine) @ epi_affine
    other = carried(t1w_brain, to_voxels, epi_brain.shape)
    return float(2 * (epi_brain & other).sum() / max(epi_brain.sum() + other.sum(), 1))


def similarity(moving: tuple, fixed: tuple, matrices: Sequence[np.ndarray], seed: int = 1) -> list[float]:
    """Return the normalised mutual information at each matrix from fixed-world to moving-world points."""
    joint = JointHistogram(moving, fixed, SEPARATION, NormalisedSettings(seed=seed))
    return [joint.score(matrix) for matrix in matrices]


def mirrored_similarity(moving: tuple, fixed: tuple, matrix: np.ndarray, brain: np.ndarray, seed: int = 1) -> float:
    """Return the normalised mutual information after the moving image is mirrored, left for right, and fitted again.

    A brain is nearly symmetric: no overlap shows that a file has left and right swapped, but this comparison does.

    Parameters
    ----------
    moving, fixed : pairs (image, affine)
    matrix : array of shape (4, 4)
        The result for the image as it is, fixed-world to moving-world points.
    brain : bool array of the moving image's shape
        Its middle is where the mirror stands.
    seed : int
    """
    image, affine = moving
    middle = affine[0, :3] @ np.argwhere(brain).mean(0) + affine[0, 3]
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[0, 3] = 2 * middle
    joint = JointHistogram((image, mirror @ affine), fixed, SEPARATION, NormalisedSettings(seed=seed))
    best = minimise_rigid(lambda at: -joint.score(at), matrix, joint.centre, tolerance=0.1, max_iterations=20)
    return joint.score(best)


def correction(matrix: np.ndarray, shape: tuple[int, ...], affine: np.ndarray) -> dict[str, float]:
    """Return how far a matrix moves the middle of a grid (mm) and how far it turns it (degrees)."""
    parameters = rigid_parameters(matrix, grid_centre(shape, affine))
    turn = np.trace(rigid_matrix(parameters, np.zeros(3))[:3, :3])
    return {
        "shift_mm": float(np.linalg.norm(parameters[:3])),
        "rotation_degrees": float(np.degrees(np.arccos(np.clip((turn - 1) / 2, -1, 1)))),
    }


def _refuse(
    overlaps: Sequence[float], similarities: tuple[float, float], size: dict[str, float], settings: CheckSettings
) -> None:
    advice = "look at boldref and T1w, and check the affines (sform and qform) of both files."
    if overlaps[1] < settings.least_overlap:
        raise DataError(
            f"Coregistration failed: the brains of EPI and T1w overlap by {overlaps[1]:.2f} (Dice), less than "
            f"{settings.least_overlap:g}; {advice}"
        )
    if similarities[1] < similarities[0] and overlaps[1] < overlaps[0] - 0.02:
        raise DataError(
            "Coregistration failed: EPI and T1w agree less than in scanner coordinates (normalised mutual information "
            f"{similarities[1]:.4f} against {similarities[0]:.4f}, overlap {overlaps[1]:.2f} against {overlaps[0]:.2f}); "
            f"{advice}"
        )
    if size["shift_mm"] > 3 * settings.largest_shift or size["rotation_degrees"] > 3 * settings.largest_rotation:
        raise DataError(
            f"Coregistration failed: it moves the head by {size['shift_mm']:.0f} mm and {size['rotation_degrees']:.0f} "
            f"degrees, which no header is wrong by; {advice}"
        )
