"""Families of object silhouettes, each a few parts given by fields that are positive inside.

A silhouette takes local coordinates ``u`` (right) and ``v`` (up), about [-1, 1], and the category's proportions, an
array of numbers in [0, 1]. It returns its parts in painting order: (field, role) with role ``main`` (carries the
texture), ``second`` (plain second colour) or ``accent``. A field is roughly a distance to the outline in local units.
"""

from collections.abc import Callable, Sequence

import numpy as np

Field = np.ndarray
Parts = list[tuple[Field, str]]

MAIN, SECOND, ACCENT = "main", "second", "accent"
N_PROPORTIONS = 5


def ellipse(u: Field, v: Field, x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Field:
    """Return the field of an ellipse with centre (x, y) and radii (rx, ry), turned by `angle` radians."""
    a, b = _turned(u - x, v - y, angle)
    return (1 - np.sqrt((a / rx) ** 2 + (b / ry) ** 2)) * min(rx, ry)


def box(u: Field, v: Field, x: float, y: float, hx: float, hy: float, corner: float = 0.0, angle: float = 0.0) -> Field:
    """Return the field of a rectangle with half sides (hx, hy) and rounded corners."""
    a, b = _turned(u - x, v - y, angle)
    a, b = np.abs(a) - hx + corner, np.abs(b) - hy + corner
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2)
    return corner - outside - np.minimum(np.maximum(a, b), 0)


def segment(u: Field, v: Field, start: Sequence[float], end: Sequence[float], r0: float, r1: float) -> Field:
    """Return the field of a rod from `start` to `end` whose radius runs from r0 to r1."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((u - start[0]) * dx + (v - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return r0 + (r1 - r0) * along - np.hypot(u - start[0] - along * dx, v - start[1] - along * dy)


def polygon(u: Field, v: Field, points: Sequence[Sequence[float]]) -> Field:
    """Return the field of a closed polygon: distance to the outline, positive inside (even-odd rule)."""
    nearest = np.full(u.shape, np.inf, dtype=u.dtype)
    inside = np.zeros(u.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        nearest = np.minimum(nearest, -segment(u, v, (x0, y0), (x1, y1), 0.0, 0.0))
        if y0 != y1:
            crosses = (v >= min(y0, y1)) & (v < max(y0, y1))
            inside ^= crosses & (u < x0 + (v - y0) * ((x1 - x0) / (y1 - y0)))
    return np.where(inside, nearest, -nearest)


def polyline(u: Field, v: Field, points: Sequence[Sequence[float]], radius: float) -> Field:
    """Return the field of a stroke of constant `radius` through `points`."""
    return union(*[segment(u, v, a, b, radius, radius) for a, b in zip(points[:-1], points[1:], strict=True)])


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float, n: int = 16) -> list[tuple[float, float]]:
    """Return `n` points of an elliptic arc; angles in degrees, anticlockwise from the right."""
    angles = np.deg2rad(np.linspace(start, stop, n))
    return [(float(x + rx * np.cos(a)), float(y + ry * np.sin(a))) for a in angles]


def union(*fields: Field) -> Field:
    """Return the field of the union."""
    return np.maximum.reduce(fields)


def _turned(u: Field, v: Field, angle: float) -> tuple[Field, Field]:
    if angle == 0:
        return u, v
    c, s = np.cos(angle), np.sin(angle)
    return c * u + s * v, -s * u + c * v


def _polar(u: Field, v: Field) -> tuple[Field, Field]:
    return np.hypot(u, v), np.arctan2(v, u)


def _mix(low: float, high: float, amount: float) -> float:
    return low + (high - low) * float(amount)


def _pebble(u: Field, v: Field, q: np.ndarray) -> Parts:
    power = _mix(2.0, 4.0, q[0])
    ratio = _mix(0.55, 1.0, q[1])
    radius = (np.abs(u) ** power + np.abs(v / ratio) ** power) ** (1 / power)
    return [((0.85 - radius) * ratio, MAIN)]


def _flower(u: Field, v: Field, q: np.ndarray) -> Parts:
    radius, angle = _polar(u, v)
    petals = 5 + int(q[0] * 3.99)
    outline = 0.68 + _mix(0.14, 0.26, q[1]) * np.cos(petals * angle)
    middle = _mix(0.2, 0.32, q[2])
    return [(outline - radius, MAIN), (middle - radius, ACCENT)]


def _star(u: Field, v: Field, q: np.ndarray) -> Parts:
    n = 5 + int(q[0] * 2.99)
    inner = _mix(0.38, 0.55, q[1])
    points = [
        (np.sin(np.pi * k / n) * (0.95, inner)[k % 2], np.cos(np.pi * k / n) * (0.95, inner)[k % 2])
        for k in range(2 * n)
    ]
    return [(polygon(u, v, points), MAIN)]


def _heart(u: Field, v: Field, q: np.ndarray) -> Parts:
    a = np.abs(u) / _mix(0.85, 1.0, q[0])
    return [((1 - np.sqrt((1.15 * a) ** 2 + (1.25 * v - 0.75 * np.sqrt(a + 1e-6) + 0.18) ** 2)) * 0.75, MAIN)]


def _leaf(u: Field, v: Field, q: np.ndarray) -> Parts:
    width = _mix(0.38, 0.6, q[0])
    t = np.clip((v + 0.75) / 1.65, 0, 1)
    blade = width * np.sin(np.pi * t ** _mix(0.75, 1.2, q[1])) - np.abs(u)
    vein = segment(u, v, (0, -0.98), (0, 0.7), 0.05, 0.02)
    return [(np.where((v > -0.75) & (v < 0.9), blade, -0.1), MAIN), (vein, SECOND)]


def _ring(u: Field, v: Field, q: np.ndarray) -> Parts:
    radius = np.hypot(u, v / _mix(0.75, 1.0, q[0]))
    thickness = _mix(0.17, 0.28, q[1])
    return [(thickness - np.abs(radius - 0.88 + thickness), MAIN)]


def _crescent(u: Field, v: Field, q: np.ndarray) -> Parts:
    shift = _mix(0.35, 0.55, q[0])
    return [(np.minimum(0.88 - np.hypot(u, v), np.hypot(u - shift, v) - _mix(0.62, 0.72, q[1])), MAIN)]


def _kite(u: Field, v: Field, q: np.ndarray) -> Parts:
    side, height = _mix(0.5, 0.7, q[0]), _mix(0.1, 0.45, q[1])
    tail = polyline(u, v, [(0, -0.6), (0.12, -0.75), (-0.08, -0.87), (0.06, -1.0)], 0.045)
    return [(tail, SECOND), (polygon(u, v, [(0, 0.95), (side, height), (0, -0.65), (-side, height)]), MAIN)]


def _gem(u: Field, v: Field, q: np.ndarray) -> Parts:
    top, girdle = _mix(0.4, 0.65, q[0]), _mix(0.1, 0.35, q[1])
    crown = polygon(u, v, [(-top, 0.7), (top, 0.7), (0.92, girdle), (-0.92, girdle)])
    return [(polygon(u, v, [(-0.92, girdle), (0.92, girdle), (0, -0.8)]), MAIN), (crown, SECOND)]


def _fish(u: Field, v: Field, q: np.ndarray) -> Parts:
    height = _mix(0.33, 0.58, q[0])
    tail = polygon(u, v, [(-0.45, 0), (-0.95, _mix(0.35, 0.6, q[1])), (-0.8, 0), (-0.95, -_mix(0.35, 0.6, q[1]))])
    fin = polygon(u, v, [(-0.25, height * 0.7), (0.0, height + _mix(0.12, 0.3, q[2])), (0.4, height * 0.7)])
    body = ellipse(u, v, 0.12, 0, 0.78, height)
    return [(tail, SECOND), (fin, SECOND), (body, MAIN), (ellipse(u, v, 0.62, 0.1, 0.09, 0.09), ACCENT)]


def _bird(u: Field, v: Field, q: np.ndarray) -> Parts:
    head = _mix(0.22, 0.3, q[0])
    legs = union(
        segment(u, v, (-0.08, -0.3), (-0.08, -0.95), 0.04, 0.04), segment(u, v, (0.15, -0.3), (0.15, -0.95), 0.04, 0.04)
    )
    tail = polygon(u, v, [(-0.4, 0.05), (-1.0, _mix(0.1, 0.5, q[1])), (-0.92, -0.15), (-0.3, -0.25)])
    beak = polygon(u, v, [(0.68, 0.62), (_mix(0.92, 1.05, q[2]), 0.5), (0.66, 0.42)])
    body = union(ellipse(u, v, 0.0, -0.05, 0.55, _mix(0.34, 0.44, q[3]), 0.25), ellipse(u, v, 0.48, 0.5, head, head))
    wing = ellipse(u, v, -0.12, -0.02, 0.38, 0.2, 0.35)
    return [(legs, ACCENT), (beak, ACCENT), (tail, SECOND), (body, MAIN), (wing, SECOND),
            (ellipse(u, v, 0.54, 0.56, 0.06, 0.06), ACCENT)]  # fmt: skip


def _quadruped(u: Field, v: Field, q: np.ndarray) -> Parts:
    leg, neck = _mix(0.45, 0.75, q[0]), _mix(0.25, 0.6, q[1])
    body = ellipse(u, v, -0.08, 0.0, 0.6, _mix(0.26, 0.36, q[2]))
    legs = union(*[segment(u, v, (x, -0.05), (x * 1.06, -0.15 - leg), 0.11, 0.08) for x in (-0.5, -0.3, 0.18, 0.38)])
    head = union(
        segment(u, v, (0.4, 0.1), (0.6, neck), 0.18, 0.15), segment(u, v, (0.6, neck), (0.85, neck - 0.05), 0.19, 0.13)
    )
    ear = segment(u, v, (0.55, neck + 0.1), (0.5, neck + _mix(0.25, 0.5, q[3])), 0.08, 0.05)
    tail = segment(u, v, (-0.6, 0.1), (-0.95, _mix(-0.3, 0.45, q[4])), 0.06, 0.04)
    return [(union(ear, tail), SECOND), (union(body, legs, head), MAIN),
            (ellipse(u, v, 0.68, neck + 0.06, 0.05, 0.05), ACCENT)]  # fmt: skip


def _cat_face(u: Field, v: Field, q: np.ndarray) -> Parts:
    ear = _mix(0.55, 0.95, q[0])
    a = np.abs(u)
    ears = polygon(a, v, [(0.15, 0.45), (0.62, ear), (0.7, 0.1)])
    head = ellipse(u, v, 0, -0.1, 0.75, _mix(0.58, 0.7, q[1]))
    muzzle = ellipse(u, v, 0, -0.38, 0.32, 0.2)
    eyes = ellipse(a, v, 0.3, 0.05, 0.11, _mix(0.08, 0.14, q[2]))
    return [(ears, MAIN), (head, MAIN), (muzzle, SECOND), (eyes, ACCENT), (ellipse(u, v, 0, -0.28, 0.1, 0.07), ACCENT)]


def _person(u: Field, v: Field, q: np.ndarray) -> Parts:
    a = np.abs(u)
    head = ellipse(u, v, 0, 0.62, 0.25, 0.28)
    hair = np.minimum(ellipse(u, v, 0, 0.68, 0.29, 0.29), v - _mix(0.5, 0.72, q[0]))
    dress = polygon(u, v, [(-0.2, 0.35), (0.2, 0.35), (_mix(0.25, 0.55, q[1]), -0.5), (-_mix(0.25, 0.55, q[1]), -0.5)])
    arms = segment(a, v, (0.17, 0.25), (_mix(0.4, 0.7, q[2]), _mix(-0.25, 0.35, q[3])), 0.08, 0.06)
    legs = segment(a, v, (0.13, -0.45), (0.15, -0.97), 0.09, 0.07)
    return [(legs, SECOND), (arms, SECOND), (dress, MAIN), (head, SECOND), (hair, ACCENT)]


def _face(u: Field, v: Field, q: np.ndarray) -> Parts:
    a = np.abs(u)
    hair = union(ellipse(u, v, 0, 0.2, 0.74, 0.76), box(a, v, 0.58, -0.1 - 0.4 * q[0], 0.14, 0.4, 0.1))
    head = ellipse(u, v, 0, -0.08, 0.58, _mix(0.7, 0.82, q[1]))
    eyes = ellipse(a, v, 0.24, 0.08, 0.1, 0.07)
    mouth = ellipse(u, v, 0, -0.45, _mix(0.15, 0.28, q[2]), _mix(0.05, 0.1, q[3]))
    nose = segment(u, v, (0, 0.02), (0, -0.2), 0.03, 0.06)
    return [(hair, MAIN), (head, SECOND), (eyes, ACCENT), (mouth, ACCENT), (nose * 0.6, MAIN)]


def _butterfly(u: Field, v: Field, q: np.ndarray) -> Parts:
    a = np.abs(u)
    upper = ellipse(a, v, 0.48, 0.32, 0.48, _mix(0.32, 0.44, q[0]), 0.5)
    lower = ellipse(a, v, 0.4, -0.38, _mix(0.32, 0.42, q[1]), 0.34, -0.5)
    body = segment(u, v, (0, 0.45), (0, -0.6), 0.08, 0.05)
    feelers = segment(a, v, (0.03, 0.5), (0.25, 0.92), 0.03, 0.03)
    return [
        (union(upper, lower), MAIN),
        (ellipse(a, v, 0.55, 0.35, 0.15, 0.12), SECOND),
        (union(body, feelers), ACCENT),
    ]


def _snail(u: Field, v: Field, q: np.ndarray) -> Parts:
    radius = _mix(0.48, 0.6, q[0])
    foot = union(
        segment(u, v, (-0.9, -0.62), (0.6, -0.6), 0.08, 0.16), segment(u, v, (0.6, -0.6), (0.78, 0.0), 0.16, 0.11)
    )
    horns = union(segment(u, v, (0.75, 0), (0.68, 0.38), 0.04, 0.05), segment(u, v, (0.8, 0), (0.97, 0.33), 0.04, 0.05))
    shell = ellipse(u, v, -0.12, 0.0, radius, radius)
    distance, angle = _polar(u + 0.12, v)
    spiral = 0.06 - np.abs((distance / radius - angle / (2 * np.pi)) % 0.5 - 0.25) * radius
    return [(foot, SECOND), (horns, SECOND), (shell, MAIN), (np.minimum(spiral, shell - 0.04), ACCENT)]


def _tree(u: Field, v: Field, q: np.ndarray) -> Parts:
    trunk = segment(u, v, (0, -1), (0, 0.1), _mix(0.1, 0.17, q[0]), 0.07)
    spread = _mix(0.3, 0.5, q[1])
    crown = union(
        ellipse(u, v, -spread, 0.2, 0.42, 0.36), ellipse(u, v, spread, 0.2, 0.42, 0.36),
        ellipse(u, v, 0, _mix(0.4, 0.55, q[2]), 0.5, 0.42), ellipse(u, v, 0, 0.05, 0.45, 0.3),
    )  # fmt: skip
    return [(trunk, SECOND), (crown, MAIN)]


def _conifer(u: Field, v: Field, q: np.ndarray) -> Parts:
    trunk = box(u, v, 0, -0.85, 0.1, 0.2)
    w = _mix(0.45, 0.65, q[0])
    tiers = [
        polygon(u, v, [(-w * k, y), (w * k, y), (0, y + _mix(0.7, 0.85, q[1]))])
        for k, y in ((1.0, -0.7), (0.78, -0.25), (0.55, 0.15))
    ]
    return [(trunk, SECOND), (union(*tiers), MAIN)]


def _palm(u: Field, v: Field, q: np.ndarray) -> Parts:
    bend = _mix(-0.25, 0.25, q[0])
    top = (bend, 0.35)
    trunk = union(
        segment(u, v, (0, -1), (bend * 0.4, -0.3), 0.11, 0.09), segment(u, v, (bend * 0.4, -0.3), top, 0.09, 0.07)
    )
    fronds = []
    for angle in np.linspace(-0.3, np.pi + 0.3, 5 + int(q[1] * 2.99)):
        tip = (top[0] + 0.75 * np.cos(angle), top[1] + 0.5 * np.sin(angle) - 0.05)
        knee = (top[0] + 0.45 * np.cos(angle), top[1] + 0.45 * np.sin(angle) + 0.1)
        fronds += [segment(u, v, top, knee, 0.07, 0.13), segment(u, v, knee, tip, 0.13, 0.03)]
    return [(trunk, SECOND), (union(*fronds), MAIN)]


def _mushroom(u: Field, v: Field, q: np.ndarray) -> Parts:
    stem = segment(u, v, (0, -0.85), (0, 0.1), _mix(0.18, 0.28, q[0]), 0.15)
    cap = np.minimum(ellipse(u, v, 0, 0.0, _mix(0.7, 0.92, q[1]), _mix(0.6, 0.85, q[2])), v)
    return [(stem, SECOND), (cap, MAIN)]


def _cactus(u: Field, v: Field, q: np.ndarray) -> Parts:
    left, right = _mix(-0.3, 0.1, q[0]), _mix(-0.4, 0.0, q[1])
    stem = segment(u, v, (0, -0.75), (0, 0.7), 0.22, 0.2)
    arms = union(
        polyline(u, v, [(0, left), (-0.55, left), (-0.55, left + 0.5)], 0.13),
        polyline(u, v, [(0, right), (0.55, right), (0.55, right + 0.6)], 0.13),
    )
    pot = polygon(u, v, [(-0.42, -0.55), (0.42, -0.55), (0.3, -1), (-0.3, -1)])
    return [(union(stem, arms), MAIN), (pot, SECOND), (ellipse(u, v, 0, 0.92, 0.12, 0.1), ACCENT)]


def _house(u: Field, v: Field, q: np.ndarray) -> Parts:
    eave, ridge = _mix(-0.05, 0.2, q[0]), _mix(0.6, 0.95, q[1])
    wall = polygon(u, v, [(-0.7, -0.85), (0.7, -0.85), (0.7, eave), (-0.7, eave)])
    chimney = box(u, v, 0.42, ridge * 0.65, 0.1, 0.32)
    roof = polygon(u, v, [(-0.92, eave), (0.92, eave), (_mix(0.02, 0.5, q[2]), ridge), (-_mix(0.02, 0.5, q[2]), ridge)])
    door = box(u, v, -0.05, -0.6, 0.15, 0.27)
    window = box(np.abs(u), v, 0.45, -0.3, 0.13, 0.13)
    return [(chimney, ACCENT), (wall, MAIN), (roof, SECOND), (door, ACCENT), (window, ACCENT)]


def _lighthouse(u: Field, v: Field, q: np.ndarray) -> Parts:
    foot, top = _mix(0.3, 0.45, q[0]), _mix(0.16, 0.26, q[1])
    tower = polygon(u, v, [(-foot, -0.95), (foot, -0.95), (top, 0.45), (-top, 0.45)])
    lamp = box(u, v, 0, 0.57, top * 0.8, 0.15)
    roof = polygon(u, v, [(-top * 1.3, 0.7), (top * 1.3, 0.7), (0, 0.98)])
    return [(tower, MAIN), (lamp, ACCENT), (roof, SECOND), (box(u, v, 0, 0.43, top * 1.35, 0.05), SECOND)]


def _car(u: Field, v: Field, q: np.ndarray) -> Parts:
    roof, front = _mix(0.35, 0.6, q[0]), _mix(0.3, 0.55, q[1])
    cabin = polygon(u, v, [(-0.6, 0.05), (front, 0.05), (front - 0.25, roof), (-0.4, roof)])
    glass = polygon(u, v, [(-0.46, 0.08), (front - 0.12, 0.08), (front - 0.29, roof - 0.1), (-0.35, roof - 0.1)])
    body = box(u, v, 0, -0.1, 0.95, _mix(0.2, 0.26, q[2]), 0.12)
    wheel = _mix(0.19, 0.26, q[3])
    wheels = ellipse(np.abs(u), v, 0.55, -0.35, wheel, wheel)
    return [(union(cabin, body), MAIN), (glass, SECOND), (wheels, ACCENT)]


def _truck(u: Field, v: Field, q: np.ndarray) -> Parts:
    height = _mix(0.35, 0.6, q[0])
    load = box(u, v, -0.3, height / 2 - 0.15, 0.65, height / 2 + 0.2, 0.03)
    cab = box(u, v, 0.68, -0.08, 0.27, _mix(0.28, 0.4, q[1]), 0.08)
    glass = box(u, v, 0.77, 0.08, 0.13, 0.1)
    wheels = union(*[ellipse(u, v, x, -0.45, 0.19, 0.19) for x in (-0.65, -0.2, 0.65)])
    return [(load, MAIN), (cab, SECOND), (glass, ACCENT), (wheels, ACCENT)]


def _boat(u: Field, v: Field, q: np.ndarray) -> Parts:
    mast = _mix(-0.15, 0.15, q[0])
    hull = polygon(u, v, [(-0.9, -0.4), (0.95, -0.4), (0.6, -0.85), (-0.65, -0.85)])
    sail = polygon(u, v, [(mast + 0.05, 0.95), (mast + 0.05, -0.3), (_mix(0.6, 0.9, q[1]), -0.3)])
    jib = polygon(u, v, [(mast - 0.06, 0.75), (mast - 0.06, -0.3), (-_mix(0.4, 0.75, q[2]), -0.3)])
    return [(box(u, v, mast, 0.25, 0.04, 0.7), ACCENT), (sail, MAIN), (jib, MAIN), (hull, SECOND)]


def _airplane(u: Field, v: Field, q: np.ndarray) -> Parts:
    span, sweep = _mix(0.75, 0.97, q[0]), _mix(0.1, 0.45, q[1])
    a = np.abs(v)
    wings = polygon(u, a, [(0.25, 0.0), (0.1 - sweep, span), (-0.1 - sweep, span), (-0.2, 0.0)])
    tail = polygon(u, a, [(-0.65, 0.0), (-0.85, 0.38), (-0.97, 0.38), (-0.9, 0.0)])
    body = segment(u, v, (-0.85, 0), (0.75, 0), 0.09, _mix(0.13, 0.2, q[2]))
    return [(union(wings, tail), SECOND), (body, MAIN), (ellipse(u, v, 0.72, 0, 0.1, 0.09), ACCENT)]


def _bottle(u: Field, v: Field, q: np.ndarray) -> Parts:
    width, neck = _mix(0.28, 0.45, q[0]), _mix(0.1, 0.17, q[1])
    shoulder = _mix(0.0, 0.35, q[2])
    body = box(u, v, 0, (shoulder - 0.95) / 2, width, (shoulder + 0.95) / 2, 0.08)
    taper = polygon(
        u, v, [(-width, shoulder - 0.1), (width, shoulder - 0.1), (neck, shoulder + 0.3), (-neck, shoulder + 0.3)]
    )
    glass = union(body, taper, box(u, v, 0, 0.6, neck, 0.3))
    cork = box(u, v, 0, 0.9, neck * 1.2, 0.08, 0.02)
    label = box(u, v, 0, (shoulder - 0.95) / 2, width, 0.2)
    return [(glass, MAIN), (cork, ACCENT), (label, SECOND)]


def _mug(u: Field, v: Field, q: np.ndarray) -> Parts:
    height = _mix(0.5, 0.8, q[0])
    loop = np.hypot((u - 0.5) / 0.9, v / _mix(0.8, 1.1, q[1]))
    handle = 0.09 - np.abs(loop - 0.36)
    body = box(u, v, -0.1, 0, 0.6, height, 0.1)
    return [(handle, SECOND), (body, MAIN), (ellipse(u, v, -0.1, height - 0.03, 0.58, 0.11), ACCENT)]


def _lamp(u: Field, v: Field, q: np.ndarray) -> Parts:
    top, bottom = _mix(0.2, 0.4, q[0]), _mix(0.55, 0.8, q[1])
    shade = polygon(u, v, [(-top, 0.9), (top, 0.9), (bottom, 0.15), (-bottom, 0.15)])
    stand = union(box(u, v, 0, -0.35, 0.07, 0.55), ellipse(u, v, 0, -0.35, _mix(0.1, 0.28, q[2]), 0.3))
    return [(union(stand, box(u, v, 0, -0.88, 0.4, 0.09, 0.04)), SECOND), (shade, MAIN)]


def _umbrella(u: Field, v: Field, q: np.ndarray) -> Parts:
    stick = union(
        segment(u, v, (0, 0), (0, -0.75), 0.05, 0.05), polyline(u, v, arc(0.14, -0.75, 0.14, 0.17, 180, 360), 0.05)
    )
    dome = ellipse(u, v, 0, 0.0, 0.95, _mix(0.65, 0.9, q[0]))
    n = 3 + int(q[1] * 2.99)
    edge = v - 0.1 * np.abs(np.sin(np.pi * n * (u + 0.95) / 1.9))
    return [(stick, ACCENT), (np.minimum(dome, edge), MAIN), (segment(u, v, (0, 0.7), (0, 0.95), 0.04, 0.03), ACCENT)]


def _chair(u: Field, v: Field, q: np.ndarray) -> Parts:
    seat = _mix(-0.25, 0.05, q[0])
    legs = box(np.abs(u - 0.05), v, 0.45, (seat - 0.95) / 2, 0.07, (seat + 0.95) / 2)
    back = box(u, v, -0.42, (0.95 + seat) / 2, _mix(0.1, 0.2, q[1]), (0.95 - seat) / 2, 0.06)
    return [(legs, SECOND), (back, MAIN), (box(u, v, 0.05, seat, 0.62, _mix(0.1, 0.18, q[2]), 0.06), MAIN)]


def _guitar(u: Field, v: Field, q: np.ndarray) -> Parts:
    lower, upper = _mix(0.42, 0.52, q[0]), _mix(0.28, 0.38, q[1])
    body = union(ellipse(u, v, 0, -0.52, lower, 0.42), ellipse(u, v, 0, -0.08, upper, 0.3))
    neck = union(box(u, v, 0, 0.5, 0.07, 0.45), box(u, v, 0, 0.9, 0.13, 0.1, 0.03))
    return [(body, MAIN), (neck, SECOND), (ellipse(u, v, 0, -0.25, 0.15, 0.15), ACCENT)]


def _balloon(u: Field, v: Field, q: np.ndarray) -> Parts:
    width = _mix(0.55, 0.7, q[0])
    ropes = segment(np.abs(u), v, (width * 0.7, -0.1), (0.15, -0.7), 0.025, 0.025)
    envelope = union(
        ellipse(u, v, 0, 0.28, width, 0.66),
        polygon(u, v, [(-width * 0.8, -0.05), (width * 0.8, -0.05), (0.14, -0.52), (-0.14, -0.52)]),
    )
    return [(ropes, ACCENT), (envelope, MAIN), (box(u, v, 0, -0.82, _mix(0.14, 0.22, q[1]), 0.15, 0.04), SECOND)]


SILHOUETTES: dict[str, Callable[[Field, Field, np.ndarray], Parts]] = {
    "pebble": _pebble, "flower": _flower, "star": _star, "heart": _heart, "leaf": _leaf, "ring": _ring,
    "crescent": _crescent, "kite": _kite, "gem": _gem, "fish": _fish, "bird": _bird, "quadruped": _quadruped,
    "catface": _cat_face, "person": _person, "face": _face, "butterfly": _butterfly, "snail": _snail, "tree": _tree,
    "conifer": _conifer, "palm": _palm, "mushroom": _mushroom, "cactus": _cactus, "house": _house,
    "lighthouse": _lighthouse, "car": _car, "truck": _truck, "boat": _boat, "airplane": _airplane, "bottle": _bottle,
    "mug": _mug, "lamp": _lamp, "umbrella": _umbrella, "chair": _chair, "guitar": _guitar, "balloon": _balloon,
}  # fmt: skip

ANY_ROTATION = ("pebble", "flower", "star", "leaf", "ring", "crescent", "gem", "butterfly", "airplane", "kite")
