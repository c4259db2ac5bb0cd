"""Masks of areas in somebody's own data: found by a pattern or by their names, and checked against the T1w image."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.images import open_image, read_image, same_grid
from fmri2image.study.findings import Findings, several

PLACES = ("sourcedata", "derivatives")
FIELDS = {"subject": "[A-Za-z0-9]+", "session": "[A-Za-z0-9]+", "hemisphere": "[A-Za-z]+", "area": "[^/]+?"}
FIELD = re.compile(r"\{(\w*)\}")
GLOB_OR_TEXT = re.compile(r"(\*\*/|\*)")
# Words of a mask's name that say no area. What fMRIPrep and other programs call masks of the whole head is none either.
HEMISPHERES = {"lh", "rh", "l", "r", "left", "right"}
FILLERS = {"mask", "roi", "rois", "bin", "binary"}
NO_AREA = {"brain", "head", "csf", "gm", "wm", "aseg", "aparcaseg", "confounds", "ribbon"}
T1W_SPACES = {"", "t1w", "orig", "individual"}
INSIDE = 0.9  # share of a mask's voxels that must lie in the T1w image's field of view


@dataclass(frozen=True)
class OwnMask:
    """One mask file.

    Parameters
    ----------
    subject, session : str
        Labels; the session is empty where the name has none.
    area : str
        Letters and digits.
    path : Path
    """

    subject: str
    session: str
    area: str
    path: Path


def find_masks(folder: Path, subjects: Sequence[str], pattern: str | None, findings: Findings) -> list[OwnMask]:
    """Return the mask files of some subjects, ordered by subject, area and path.

    Parameters
    ----------
    folder : Path
        The dataset.
    subjects : sequence of str
    pattern : str, optional
        Path with ``{subject}`` and ``{area}``, perhaps ``{hemisphere}``, ``{session}``, ``*`` and ``**``, from the top of the
        dataset or from the root of the disk. Without it, masks are searched by name below ``sourcedata`` and ``derivatives``.
    findings : Findings

    Raises
    ------
    ConfigError
        If the pattern lacks subject or area, or has an unknown field.
    """
    found = list(_matching(folder, pattern) if pattern else _named(folder, subjects, findings))
    strangers = sorted({mask.subject for mask in found} - set(subjects))
    if strangers:
        findings.know(f"Masks of sub-{several(strangers)} are left out, because these subjects have no run.")
    found = [mask for mask in found if mask.subject in subjects]
    if pattern and not found:
        findings.fix(f"--masks: no file of these subjects fits '{pattern}' (below {folder}); try it with ls.")
    return _first_session(sorted(found, key=lambda mask: (mask.subject, mask.area, mask.path)), findings)


def _matching(folder: Path, pattern: str) -> Iterable[OwnMask]:
    fields = FIELD.findall(pattern)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or not {"subject", "area"} <= set(fields):
        wrong = f"'{{{unknown[0]}}}' is unknown" if unknown else "{subject} or {area} is missing"
        raise ConfigError(
            f"--masks: '{pattern}': {wrong}; it is a path such as derivatives/masks/sub-{{subject}}/{{area}}.nii.gz."
        )
    top, below = (Path("/"), pattern[1:]) if pattern.startswith("/") else (folder, pattern)
    expression = re.compile(_expression(below))
    for path in sorted(top.glob(FIELD.sub("*", below))):
        match = expression.fullmatch(path.relative_to(top).as_posix())
        if match:
            named = match.groupdict()
            yield OwnMask(named["subject"], named.get("session") or "", clean_area(named["area"]), path)


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern; a field that stands twice must hold the same."""
    parts, seen = [], set()
    for i, piece in enumerate(FIELD.split(pattern)):
        if i % 2:
            parts.append(f"(?P={piece})" if piece in seen else f"(?P<{piece}>{FIELDS[piece]})")
            seen.add(piece)
        else:
            texts = {"**/": "(?:.*/)?", "*": "[^/]*"}
            parts += [texts.get(text) or re.escape(text) for text in GLOB_OR_TEXT.split(piece)]
    return "".join(parts)


def _named(folder: Path, subjects: Sequence[str], findings: Findings) -> Iterable[OwnMask]:
    """Find masks by their names: `mask` or `roi` is a word of it, and a subject of it or of a folder above."""
    elsewhere = []
    for place in PLACES:
        for path in sorted(
            path for path in (folder / place).glob("**/*.nii*") if path.name.endswith((".nii", ".nii.gz"))
        ):
            subject = next((s for s in subjects if f"sub-{s}" in _tokens(path.relative_to(folder).as_posix())), None)
            area, entities = area_of(path.name)
            if subject is None or not area:
                continue
            if entities.get("space", "").lower() not in T1W_SPACES:
                elsewhere.append(path.relative_to(folder).as_posix())
                continue
            yield OwnMask(subject, entities.get("ses", ""), area, path)
    if elsewhere:
        findings.know(
            f"{several(elsewhere, 3)} look like masks in another space than the T1w image's and are left out."
        )


def _tokens(path: str) -> list[str]:
    return re.split(r"[/_.]", path)


def area_of(name: str) -> tuple[str, dict[str, str]]:
    """Return the area that the name of a mask file speaks of, empty if it is no mask of an area, and its entities.

    The area is that of ``label-``, ``roi-`` or ``desc-``, else what is left without the subject, other entities,
    hemispheres, and the words ``mask`` and ``roi``.
    """
    words = [word for word in re.sub(r"\.nii(\.gz)?$", "", name).replace(".", "_").split("_") if word]
    entities = dict(word.split("-", 1) for word in words if "-" in word)
    plain = [word for word in words if "-" not in word]
    if not FILLERS & {word.lower() for word in plain} and "roi" not in entities:
        return "", entities
    named = next((entities[key] for key in ("label", "roi", "desc") if key in entities), "")
    left = [word for word in plain if word.lower() not in HEMISPHERES | FILLERS]
    area = clean_area(named or "".join(left))
    return ("" if area.lower() in NO_AREA else area), entities


def clean_area(name: str) -> str:
    """Return an area's name with letters and digits alone."""
    return re.sub("[^A-Za-z0-9]", "", name)


def _first_session(masks: list[OwnMask], findings: Findings) -> list[OwnMask]:
    """Take the masks of one session where an area has some in several: masks of all would be united."""
    sessions: dict[tuple[str, str], set[str]] = {}
    for mask in masks:
        sessions.setdefault((mask.subject, mask.area), set()).add(mask.session)
    several_sessions = {key: min(found) for key, found in sessions.items() if len(found) > 1}
    if several_sessions:
        (subject, area), session = next(iter(several_sessions.items()))
        findings.know(
            f"sub-{subject} has masks of {area} in several sessions; those of {session or 'no session'} are used, and so for "
            f"{len(several_sessions)} areas of subjects in all."
        )
    return [mask for mask in masks if mask.session == several_sessions.get((mask.subject, mask.area), mask.session)]


def check_masks(
    masks: Sequence[OwnMask], subjects: Sequence[str], t1w: Mapping[str, Path], findings: Findings
) -> dict[str, dict[str, int]]:
    """Check masks and return the voxels of every area, by subject.

    All masks of a subject must lie on one grid, hold two values or probabilities, and lie within the T1w image.

    Returns
    -------
    voxels : dict of str to dict of str to int
        From area to subject to number of voxels, hemispheres united; only areas that every subject has.
    """
    united: dict[tuple[str, str], np.ndarray] = {}
    grids: dict[str, tuple[Path, tuple, np.ndarray]] = {}
    for mask in masks:
        try:
            values, affine = read_image(mask.path)
        except DataError as error:
            findings.fix(str(error))
            continue
        first = grids.setdefault(mask.subject, (mask.path, values.shape, affine))
        if not same_grid(values.shape, affine, *first[1:]):
            findings.fix(
                f"{mask.path} {values.shape} lies on another grid than {first[0]} {first[1]}; bring all masks of sub-"
                f"{mask.subject} to one grid."
            )
            continue
        if len(np.unique(values[np.isfinite(values)])) > 2 and values.max() > 1.5:
            findings.fix(
                f"{mask.path} holds values up to {values.max():g} and looks like an atlas; write one mask of 0 and 1 per area."
            )
            continue
        inside = values > 0.5
        if not inside.any():
            findings.fix(f"{mask.path} covers no voxel; correct it, or take it out of the manifest.")
            continue
        if mask.subject in t1w:
            _check_place(mask, inside, affine, t1w[mask.subject], findings)
        key = mask.area, mask.subject
        united[key] = united[key] | inside if key in united else inside
    return _of_everybody(united, subjects, findings)


def _check_place(mask: OwnMask, inside: np.ndarray, affine: np.ndarray, t1w: Path, findings: Findings) -> None:
    try:
        image = open_image(t1w)
    except DataError:
        return  # said where the T1w image itself is checked
    to_t1w = np.linalg.inv(image.affine) @ affine
    at = np.argwhere(inside) @ to_t1w[:3, :3].T + to_t1w[:3, 3]
    within = np.all((at >= -0.5) & (at <= np.array(image.shape[:3]) - 0.5), axis=1).mean()
    if within < INSIDE:
        findings.fix(
            f"{mask.path}: only {within:.0%} of its voxels lie in the field of view of {t1w.name}; is the mask in the space of "
            "that image?"
        )


def _of_everybody(
    united: Mapping[tuple[str, str], np.ndarray], subjects: Sequence[str], findings: Findings
) -> dict[str, dict[str, int]]:
    voxels: dict[str, dict[str, int]] = {}
    for (area, subject), mask in united.items():
        voxels.setdefault(area, {})[subject] = int(mask.sum())
    partial = {area: sorted(set(subjects) - set(found)) for area, found in voxels.items() if set(found) < set(subjects)}
    for area, lacking in partial.items():
        findings.know(
            f"Area {area} has no usable mask for sub-{several(lacking)} and is left out of the configuration."
        )
    return {area: found for area, found in sorted(voxels.items()) if area not in partial}
