"""Stimulus images of the simulated subjects, all generated from a seed.

A natural-like image shows one object, sometimes two, before a background. A *category* is a silhouette family with its
proportions, a texture family and a palette; its images differ in position, scale, rotation, light and background. Which
combinations may be test categories is fixed by a rule over the three tables (`is_test_combination`), so that no seed,
and no image used for training a network, ever shows a test category.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmri2image.acquire.phantom.silhouettes import (
    ANY_ROTATION,
    N_PROPORTIONS,
    SILHOUETTES,
    arc,
    box,
    polyline,
    union,
)
from fmri2image.acquire.phantom.surfaces import (
    GROUNDLESS,
    PALETTES,
    SCENES,
    TEXTURES,
    coloured_noise,
    paint_scene,
    soft_step,
)
from fmri2image.core.arrays import LabelledArray, shorten
from fmri2image.core.errors import ConfigError
from fmri2image.core.seeds import generator_for

SHAPES = ("square", "smallring", "largering", "+", "X")
COLOURS = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "magenta": (1, 0, 1),
    "cyan": (0, 1, 1), "white": (1, 1, 1), "black": (0, 0, 0),
}  # fmt: skip
# Number and letter of the stimuli of ds001506.
LETTERS = {"A": 11, "C": 13, "E": 15, "I": 19, "N": 24, "O": 25, "R": 28, "S": 29, "T": 30, "U": 31}
TABLE_COLUMNS = ("stimulus", "stimulus_set", "category", "category_index", "image_index")
GREY = 0.5
# Mean intensity a camera aims at, and how far it goes there in brightness and in colour (0 to 1).
MID_GREY, EXPOSURE, WHITE_BALANCE = 0.46, 0.25, 0.1
# Most that the light changes from the middle of an image to its edge.
LIGHT_FALL = 0.4
OVERSAMPLING = 2


@dataclass(frozen=True)
class Category:
    """What the images of one category share."""

    silhouette: str
    texture: str
    palette: str
    proportions: tuple[float, ...]
    period: float
    angle: float
    contrast: float

    @property
    def name(self) -> str:
        """Name of the category, for example ``spotted-rust-fish``."""
        return f"{self.texture}-{self.palette}-{self.silhouette}"


def is_test_combination(silhouette: str, texture: str, palette: str) -> bool:
    """Say whether a combination is kept for test categories: every fourth one, by position in the three tables."""
    position = list(SILHOUETTES).index(silhouette) + 3 * list(TEXTURES).index(texture) + list(PALETTES).index(palette)
    return position % 4 == 0


def draw_category(rng: np.random.Generator, split: str, silhouette: str | None = None) -> Category:
    """Draw a category of a split, ``train`` or ``test``; the silhouette may be given."""
    if split not in ("train", "test"):
        raise ConfigError(f"split: '{split}' is unknown; use 'train' or 'test'.")
    while True:
        names = (silhouette or rng.choice(list(SILHOUETTES)), rng.choice(list(TEXTURES)), rng.choice(list(PALETTES)))
        names = tuple(str(name) for name in names)
        if is_test_combination(*names) == (split == "test"):
            break
    return Category(
        *names,
        proportions=tuple(float(p) for p in rng.uniform(0, 1, N_PROPORTIONS)),
        period=float(rng.uniform(0.32, 0.6)),
        angle=float(rng.uniform(0, np.pi)),
        contrast=float(rng.uniform(0.6, 0.95)),
    )


def natural_images(
    n_categories: int, n_per_category: int, seed: int, split: str, size: int = 64
) -> tuple[LabelledArray, pd.DataFrame]:
    """Generate the natural-like images of a stimulus set.

    Parameters
    ----------
    n_categories, n_per_category : int
    seed : int
    split : str
        ``train`` or ``test``; the two never share a combination of silhouette, texture and palette.
    size : int
        Pixels per side.

    Returns
    -------
    images : LabelledArray, uint8 (n, size, size, 3), RGB; rows are stimulus names
    table : DataFrame, one row per image with `TABLE_COLUMNS`; indices count from 1 within the set
    """
    rng = generator_for(seed, "categories", split)
    silhouettes: list[str] = []
    while len(silhouettes) < n_categories:
        silhouettes += [str(name) for name in rng.permutation(list(SILHOUETTES))]
    categories: dict[str, Category] = {}
    for silhouette in silhouettes[:n_categories]:
        category = draw_category(rng, split, silhouette)
        while category.name in categories:
            category = draw_category(rng, split, silhouette)
        categories[category.name] = category
    images, rows = [], []
    for category_index, category in enumerate(categories.values(), start=1):
        for number in range(1, n_per_category + 1):
            image, _ = render(generator_for(seed, "image", split, category.name, number), category, size)
            images.append(image)
            rows.append((f"{category.name}_{number:02d}", split, category.name, category_index, len(rows) + 1))
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    return _labelled(images, table, seed, size), table


def render(rng: np.random.Generator, category: Category, size: int) -> tuple[np.ndarray, dict]:
    """Render one image of a category.

    Returns
    -------
    image : array of shape (size, size, 3), uint8 RGB
    view : dict
        Background name and the object's ``x``, ``y`` (centre, [-1, 1], right and down), ``scale`` and ``rotation``.
    """
    x, y = _grid(size * OVERSAMPLING)
    colours = np.clip(np.array(PALETTES[category.palette]) + rng.normal(0, 0.03, (3, 3)), 0, 1)
    scene_name = _contrasting_scene(rng, colours[0])
    image, horizon = paint_scene(rng, SCENES[scene_name], x, y)
    light = rng.uniform(0.25 * np.pi, 0.75 * np.pi)
    view = {
        "scene": scene_name,
        "x": float(rng.uniform(-0.4, 0.4)),
        "y": float(rng.uniform(-0.25, 0.3)),
        "scale": float(rng.uniform(0.5, 0.9)),
        "rotation": float(rng.uniform(-np.pi, np.pi) if category.silhouette in ANY_ROTATION else rng.normal(0, 0.14)),
    }
    mirror = bool(rng.random() < 0.5)
    if rng.random() < 0.2:
        side = -1 if view["x"] > 0 else 1
        scale = view["scale"] * rng.uniform(0.35, 0.5)
        companion = dict(view, x=side * rng.uniform(0.55, 0.8), y=view["y"] + 0.6 * view["scale"] - scale, scale=scale)
        image = _paint_object(rng, image, x, y, category, companion, colours, light, not mirror)
    if scene_name not in GROUNDLESS:
        foot = view["y"] + 0.9 * view["scale"]
        reach = ((x - view["x"] - 0.25 * np.cos(light)) / (0.8 * view["scale"])) ** 2 + ((y - foot) / 0.12) ** 2
        image = image * (1 - 0.45 * np.exp(-reach) * (y > horizon))[..., None]
    image = _paint_object(rng, image, x, y, category, view, colours, light, mirror)
    return _to_bytes(_expose(rng, image, x, y)), view


def _expose(rng: np.random.Generator, image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Light the picture unevenly, then set exposure and white balance as a camera does, part of the way to mid-grey.

    Without this the mean colour of an image carries .52 of the pixel variance over images, in photographs .39 (473
    photographs of flowers); every feature could then be guessed from three numbers.
    """
    direction, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, LIGHT_FALL)
    image = np.clip(image, 0.01, 1) * (1 + strength * (x * np.cos(direction) + y * np.sin(direction)))[..., None]
    mean = image.mean((0, 1))
    gain = (MID_GREY / mean.mean()) ** EXPOSURE * (mean.mean() / mean) ** WHITE_BALANCE
    return image * gain * rng.normal(1, 0.04, 3) * rng.uniform(0.9, 1.1)


def _paint_object(
    rng: np.random.Generator, image: np.ndarray, x: np.ndarray, y: np.ndarray, category: Category, view: Mapping,
    colours: np.ndarray, light: float, mirror: bool,
) -> np.ndarray:  # fmt: skip
    c, s = np.cos(view["rotation"]), np.sin(view["rotation"])
    a, b = (x - view["x"]) / view["scale"], (view["y"] - y) / view["scale"]
    u, v = c * a + s * b, c * b - s * a
    if mirror:
        u = -u
    parts = SILHOUETTES[category.silhouette](u, v, np.asarray(category.proportions))
    pixel = 2 / len(x) / view["scale"]
    pattern = TEXTURES[category.texture](u, v, category.period, category.angle, coloured_noise(rng, len(x), 1.6))
    mix = category.contrast * soft_step(pattern, 8 * pixel / category.period)[..., None]
    surface = {"main": colours[0] * (1 - mix) + colours[1] * mix, "second": colours[1], "accent": colours[2]}
    if category.texture == "plain":
        surface["main"] = colours[0]
    for field, role in parts:
        shade = _shading(field, light, view["scale"]) if role != "accent" else 1.0
        alpha = soft_step(field, 1.5 * pixel)[..., None]
        image = image * (1 - alpha) + np.clip(surface[role] * shade, 0, 1) * alpha
    return image


def _shading(field: np.ndarray, light: float, scale: float) -> np.ndarray:
    """Shade a part as if it bulged towards the viewer: brighter where its rim faces the light."""
    rim = np.clip(field / 0.3, 0, 1)
    height = np.sqrt(1 - (1 - rim) ** 2) * 0.3 * scale * len(field) / 2
    dy, dx = np.gradient(height)
    facing = -dx * np.cos(light) + dy * np.sin(light)
    return (0.92 + 0.33 * facing / np.sqrt(1 + dx**2 + dy**2))[..., None]


def _contrasting_scene(rng: np.random.Generator, colour: np.ndarray) -> str:
    """Draw a background whose middle differs clearly from the object's main colour."""
    names = [str(name) for name in rng.permutation(list(SCENES))]
    distances = {name: float(np.linalg.norm(SCENES[name].middle - colour)) for name in names}
    return next((name for name in names if distances[name] > 0.4), max(distances, key=distances.get))


def shape_images(seed: int, size: int = 64) -> tuple[LabelledArray, pd.DataFrame]:
    """Draw 5 shapes × 8 colours on grey (Shen et al. 2019, artificial shapes); `seed` only goes to the attributes."""
    images, rows = [], []
    x, y = _grid(size * OVERSAMPLING)
    fields = {
        "square": box(x, y, 0, 0, 0.55, 0.55),
        "smallring": 0.11 - np.abs(np.hypot(x, y) - 0.33),
        "largering": 0.11 - np.abs(np.hypot(x, y) - 0.62),
        "+": union(box(x, y, 0, 0, 0.65, 0.16), box(x, y, 0, 0, 0.16, 0.65)),
        "X": union(box(x, y, 0, 0, 0.72, 0.16, angle=np.pi / 4), box(x, y, 0, 0, 0.72, 0.16, angle=-np.pi / 4)),
    }
    for colour, rgb in COLOURS.items():
        for shape in SHAPES:
            images.append(_on_grey(fields[shape], rgb))
            name = f"colorExpStim{len(rows) + 1:02d}_{colour}_{shape}"
            rows.append((name, "shapes", f"{colour}_{shape}", len(rows) + 1, len(rows) + 1))
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    return _labelled(images, table, seed, size), table


def letter_images(seed: int, size: int = 64) -> tuple[LabelledArray, pd.DataFrame]:
    """Draw ten black letters on grey (Shen et al. 2019, alphabetical letters); `seed` only goes to the attributes."""
    x, y = _grid(size * OVERSAMPLING)
    images, rows = [], []
    for letter, number in LETTERS.items():
        field = union(*[polyline(x, -y, stroke, 0.11) for stroke in _letter_strokes()[letter]])
        images.append(_on_grey(field, (0, 0, 0)))
        rows.append((f"letter_black_img{number:03d}_{letter}", "letters", letter, len(rows) + 1, len(rows) + 1))
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    return _labelled(images, table, seed, size), table


def _letter_strokes() -> dict[str, list[list[tuple[float, float]]]]:
    left, right, top, bottom = -0.4, 0.4, 0.6, -0.6
    return {
        "A": [[(-0.48, bottom), (0, top), (0.48, bottom)], [(-0.3, -0.15), (0.3, -0.15)]],
        "C": [arc(0.03, 0, 0.48, 0.6, 45, 315, 24)],
        "E": [[(right, top), (left, top), (left, bottom), (right, bottom)], [(left, 0), (0.3, 0)]],
        "I": [[(0, top), (0, bottom)]],
        "N": [[(left, bottom), (left, top), (right, bottom), (right, top)]],
        "O": [arc(0, 0, 0.5, 0.6, 0, 360, 32)],
        "R": [[(left, bottom), (left, top), (0.05, top), *arc(0.05, 0.3, 0.32, 0.3, 90, -90), (left, 0)],
              [(0, 0), (0.42, bottom)]],
        "S": [[*arc(0, 0.3, 0.38, 0.3, 30, 270), *arc(0, -0.3, 0.38, 0.3, 90, -150)]],
        "T": [[(-0.48, top), (0.48, top)], [(0, top), (0, bottom)]],
        "U": [[(left, top), (left, -0.2), *arc(0, -0.2, 0.4, 0.4, 180, 360), (right, -0.2), (right, top)]],
    }  # fmt: skip


def independent_images(n: int, seed: int, size: int = 64) -> tuple[LabelledArray, pd.DataFrame]:
    """Generate the stimulus set ``natural``: natural-like images that nobody is shown, each of a category drawn anew.

    They are the independent images over which a norm correction takes its statistics (10,000 in Shen et al. 2019), drawn
    from the training combinations by a stream of their own: never a test category, never an image of another set.

    Returns
    -------
    images : LabelledArray, uint8 (n, size, size, 3), RGB; rows are stimulus names
    table : DataFrame, one row per image with `TABLE_COLUMNS`; indices count from 1 within the set
    """
    images, rows, indices = [], [], {}
    for number in range(1, n + 1):
        rng = generator_for(seed, "independent natural images", number)
        category = draw_category(rng, "train")
        images.append(render(rng, category, size)[0])
        index = indices.setdefault(category.name, len(indices) + 1)
        rows.append((f"natural{number:05d}_{category.name}", "natural", category.name, index, number))
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    return _labelled(images, table, seed, size), table


def stimulus_sets(settings: Mapping, seed: int) -> tuple[dict[str, LabelledArray], pd.DataFrame]:
    """Generate all stimulus sets of the simulated subjects.

    Parameters
    ----------
    settings : mapping
        ``size`` (pixels), ``train_categories``, ``train_images_per_category``, ``test_categories``,
        ``test_images_per_category`` and, for the set ``natural``, ``natural_images``.
    seed : int

    Returns
    -------
    images : dict from ``train``, ``test``, ``shapes``, ``letters``, ``natural`` to LabelledArray,
        uint8 (n, size, size, 3)
    table : DataFrame with `TABLE_COLUMNS`, all sets
    """
    size = settings["size"]
    made = {
        split: natural_images(
            settings[f"{split}_categories"], settings[f"{split}_images_per_category"], seed, split, size
        )
        for split in ("train", "test")
    }
    made["shapes"] = shape_images(seed, size)
    made["letters"] = letter_images(seed, size)
    if settings.get("natural_images"):
        made["natural"] = independent_images(settings["natural_images"], seed, size)
    tables = pd.concat([table for _, table in made.values()], ignore_index=True)
    return {name: images for name, (images, _) in made.items()}, tables


def imagery_images(
    sets: Mapping[str, LabelledArray], parts: Mapping[str, int | Sequence[str]], name: str
) -> LabelledArray:
    """Choose the images that are imagined: some of each set under their names, so many at equal distances in its order.

    Parameters
    ----------
    sets : dict from stimulus set to LabelledArray
    parts : dict from stimulus set to the number of its images, or to their names
    name : str
        The set that is made, for the message.

    Raises
    ------
    ConfigError
        If a set is unknown or lacks images.
    """
    chosen = []
    for part, wanted in parts.items():
        rows = sets[part].rows if part in sets else []
        if not isinstance(wanted, int):
            unknown = [row for row in wanted if row not in rows]
            if unknown:
                raise ConfigError(
                    f"simulate: stimulus_sets: {name}: from: '{part}' has no image {shorten(unknown)}; name images of it."
                )
            chosen.append(sets[part].take(list(wanted)))
            continue
        count = wanted
        if count > len(rows):
            raise ConfigError(
                f"simulate: stimulus_sets: {name}: from: {count} images of '{part}' are asked for, but it has {len(rows)}."
            )
        chosen.append(sets[part].take([rows[int((number + 0.5) * len(rows) / count)] for number in range(count)]))
    values = np.concatenate([images.values for images in chosen])
    return LabelledArray(values, [row for images in chosen for row in images.rows], dict(chosen[0].attributes))


def training_images(seed: int, start: int, count: int, size: int = 64) -> tuple[np.ndarray, pd.DataFrame]:
    """Generate images `start` … `start + count - 1` of the endless stream on which networks are trained.

    Each image is of a category of its own, drawn from the training combinations; it depends on `seed` and its number
    only, so that a stopped training can go on where it was.

    Returns
    -------
    images : array of shape (count, size, size, 3), uint8 RGB
    labels : DataFrame
        ``silhouette``, ``texture``, ``palette``, ``scene`` (names) and ``x``, ``y``, ``scale`` (numbers).
    """
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = []
    for offset in range(count):
        rng = generator_for(seed, "training stream", start + offset)
        category = draw_category(rng, "train")
        images[offset], view = render(rng, category, size)
        factors = {"silhouette": category.silhouette, "texture": category.texture, "palette": category.palette}
        labels.append(factors | {key: view[key] for key in ("scene", "x", "y", "scale")})
    return images, pd.DataFrame(labels)


def training_stream(
    seed: int, n: int | None, size: int = 64, batch: int = 64
) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """Yield batches of `training_images`, `n` images in all or, with ``n=None``, without end."""
    start = 0
    while n is None or start < n:
        count = batch if n is None else min(batch, n - start)
        yield training_images(seed, start, count, size)
        start += count


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(size, dtype=np.float32) + 0.5) / size) * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def _on_grey(field: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    alpha = soft_step(field, 2 / len(field))[..., None]
    return _to_bytes(GREY * (1 - alpha) + np.array(rgb) * alpha)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    """Average OVERSAMPLING × OVERSAMPLING pixels and round to 8 bits."""
    size = len(image) // OVERSAMPLING
    mean = np.clip(image, 0, 1).reshape(size, OVERSAMPLING, size, OVERSAMPLING, 3).mean(axis=(1, 3))
    return np.round(mean * 255).astype(np.uint8)


def _labelled(images: list[np.ndarray], table: pd.DataFrame, seed: int, size: int) -> LabelledArray:
    attributes = {"simulated": True, "seed": seed, "size": size, "colour": "RGB", "units": "8-bit intensity"}
    return LabelledArray(np.stack(images), list(table["stimulus"]), attributes)
