"""The patch patterns of ds000255 (Miyawaki et al. 2008): names, stimulus sets and pictures.

An event holds its stimulus as 144 digits, row by row: 12 × 12 patches of 1.15°, 1 a flickering checkerboard, 0 grey (README
of the dataset). The two subjects saw 20 different figures, five in each of four sets, and 440 random patterns each. All
figures lie within the inner 8 × 8 patches. Random patterns use all 12 × 12; the paper reconstructs the inner 10 × 10.
"""

import hashlib

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.core.images import resize, to_bytes

SIDE = 12
INNER = 10  # patches along a side that the paper reconstructs
RANDOM = "random"
# What a trial shows by its type: words of the events files, and the stimulus set.
SETS = {
    "stimulus_random": RANDOM,
    "stimulus_shape": "shapes",
    "stimulus_alphabet": "letters",
    "stimulus_alphabet_thin": "lettersthin",
    "stimulus_alphabet_long": "letterslong",
}
STEMS = {"shapes": "shape", "letters": "letter", "lettersthin": "letter_thin", "letterslong": "letter_long"}

# The figures as the README and the paper call them: what is inside their bounding box, which lies in the centre, or half
# a patch above it.
_DRAWN = {
    "shapes": {
        "square": "#### #### #### ####",
        "smallframe": "#### #..# #..# ####",
        "largeframe": "######## ######## ##....## ##....## ##....## ##....## ######## ########",
        "plus": "...##... ...##... ...##... ######## ######## ...##... ...##... ...##...",
        "X": "##....## ###..### .######. ..####.. ..####.. .######. ###..### ##....##",
    },
    "letters": {
        "n": "###### ###### ##..## ##..## ##..## ##..##",
        "e": "###### ##..## ##..## ###### ##.... ######",
        "u": "##..## ##..## ##..## ##..## ###### ######",
        "r": "###### ###### ##.... ##.... ##.... ##....",
        "o": "###### ###### ##..## ##..## ###### ######",
    },
    "lettersthin": {
        "n_thin": "#### #..# #..# #..# #..#",
        "e_thin": "#### #..# #### #... ####",
        "u_thin": "#..# #..# #..# #..# ####",
        "r_thin": "#### #... #... #... #...",
        "o_thin": "#### #..# #..# #..# ####",
    },
    "letterslong": {
        "n_long": "###### ###### ##..## ##..## ##..## ##..## ##..## ##..##",
        "e_long": "###### ###### ##..## ##..## ###### ##.... ##.... ######",
        "u_long": "##..## ##..## ##..## ##..## ##..## ##..## ###### ######",
        "r_long": "###### ###### ##.... ##.... ##.... ##.... ##.... ##....",
        "o_long": "###### ###### ##..## ##..## ##..## ##..## ###### ######",
    },
}


def _digits(drawn: str) -> str:
    """Return the 144 digits of a figure from the rows of its bounding box."""
    rows = drawn.split()
    grid = np.full((SIDE, SIDE), "0")
    top, left = (SIDE - len(rows)) // 2, (SIDE - len(rows[0])) // 2
    for number, row in enumerate(rows):
        grid[top + number, left : left + len(row)] = list(row.replace("#", "1").replace(".", "0"))
    return "".join(grid.ravel())


FIGURES = {_digits(drawn): (name, of) for of, names in _DRAWN.items() for name, drawn in names.items()}


def is_pattern(cell: str) -> bool:
    """Return whether a cell holds 144 digits that are 0 or 1."""
    return len(cell) == SIDE * SIDE and set(cell) <= {"0", "1"}


def pattern_name(pattern: str, trial_type: str) -> tuple[str, str]:
    """Return the name and the stimulus set of a pattern.

    A random pattern is called ``random_`` and the start of its SHA-1. A figure that both subjects' files hold has the
    README's name and its own set, whatever the type says: sub-02's thin letters have the type of the others there. Any
    other figure is called after its type and its SHA-1.

    Parameters
    ----------
    pattern : str
        144 digits.
    trial_type : str
        One of `SETS`.
    """
    short = hashlib.sha1(pattern.encode(), usedforsecurity=False).hexdigest()[:10]
    stimulus_set = SETS[trial_type]
    if stimulus_set == RANDOM:
        return f"{RANDOM}_{short}", RANDOM
    if pattern in FIGURES:
        return FIGURES[pattern]
    return f"{STEMS[stimulus_set]}_{short}", stimulus_set


def pattern_image(pattern: str, size: int, crop: int = INNER) -> np.ndarray:
    """Return the picture of a pattern: patches of a checkerboard white, grey ones black.

    It is no frame of the flicker; it shows where there was contrast, which is what the paper reconstructs.

    Parameters
    ----------
    pattern : str
        144 digits.
    size : int
        Pixels along a side; where it is no multiple of `crop`, the sides of patches differ by a pixel.
    crop : int
        Patches along a side that are kept, in the centre.

    Returns
    -------
    image : uint8 array (size, size, 3)

    Raises
    ------
    DataError
        If the digits are no pattern or `crop` does not lie in its centre.
    """
    if not is_pattern(pattern):
        raise DataError(f"A pattern has {SIDE * SIDE} digits that are 0 or 1; this one is '{pattern[:20]}…'.")
    if not (0 < crop <= SIDE and (SIDE - crop) % 2 == 0):
        raise DataError(f"crop is {crop}; the centre of {SIDE} × {SIDE} patches has 2, 4, … or {SIDE} along a side.")
    edge = (SIDE - crop) // 2
    grid = np.array(list(pattern), dtype=np.float32).reshape(SIDE, SIDE)[edge : SIDE - edge, edge : SIDE - edge]
    return to_bytes(np.repeat(resize(grid[None, None], size), 3, axis=1))[0]
