"""B-splines of degree 1 to 3 in three dimensions, for many volumes at once: prefilter as a matrix, values and gradients.

Unser, Aldroubi & Eden 1993, IEEE Trans. Signal Processing 41:821; the same splines as in `scipy.ndimage`, on torch tensors.
"""

import numpy as np
import torch

DEGREES = (1, 2, 3)
# Weights of the neighbours (0, ±1) in a spline read at its own nodes.
AT_NODES = {1: (1.0, 0.0), 2: (0.75, 0.125), 3: (2 / 3, 1 / 6)}


def prefilter_matrix(size: int, degree: int) -> np.ndarray:
    """Return the matrix (size, size) that turns values at the nodes into B-spline coefficients, mirrored at both ends."""
    middle, side = AT_NODES[degree]
    values = middle * np.eye(size)
    for node in range(size):
        for neighbour in (node - 1, node + 1):
            mirrored = abs(neighbour) if neighbour < size else 2 * (size - 1) - neighbour
            values[node, min(mirrored, size - 1)] += side
    return np.linalg.inv(values)


def inside(coordinates: torch.Tensor, limits: list[tuple[float, float]]) -> torch.Tensor:
    """Return 1 where points (A, 3, N), in voxels, lie between the limits (low, high) of each axis, else 0: (A, N)."""
    weight = torch.ones_like(coordinates[:, 0])
    for axis, (low, high) in enumerate(limits):
        along = coordinates[:, axis]
        weight *= (along >= low) & (along <= high)
    return weight


def sample(
    coefficients: torch.Tensor, which: torch.Tensor, coordinates: torch.Tensor, degree: int, gradient: bool = False
) -> torch.Tensor:
    """Evaluate splines, each at its own points.

    Parameters
    ----------
    coefficients : tensor of shape (T, X, Y, Z)
        Dense in memory, the three spatial axes in any order.
    which : int tensor of shape (A,)
        The spline to be read.
    coordinates : tensor of shape (A, 3, N)
        In voxels. Right where all (degree + 1)³ coefficients around a point exist; elsewhere finite but meaningless.
    degree : int
        1, 2 or 3.
    gradient : bool
        Return derivatives too.

    Returns
    -------
    values : tensor of shape (A, N), or (4, A, N)
        With `gradient` the value and its derivatives per voxel along the three axes.
    """
    strides = coefficients.stride()
    flat = torch.as_strided(coefficients, (coefficients.numel(),), (1,))
    base = which.to(torch.int64)[:, None] * strides[0]
    weights, slopes = [], []
    for axis in range(3):
        along = coordinates[:, axis]
        node = (along + 0.5).floor_() if degree == 2 else along.floor()
        first = 1 if degree > 1 else 0
        node = node.clamp_(first, coefficients.shape[axis + 1] - 1 - degree + first)
        offset = along - node
        base = base + (node.to(torch.int64) - first) * strides[axis + 1]
        weights.append(_weights(offset, degree))
        slopes.append(_slopes(offset, degree) if gradient else None)
    index = base.reshape(-1)
    parts = [weights]
    if gradient:
        parts += [[slopes[a] if a == axis else weights[a] for a in range(3)] for axis in range(3)]
    totals = [None] * len(parts)
    taps = range(degree + 1)
    for i in taps:
        planes = [None] * len(parts)
        for j in taps:
            lines = [None] * len(parts)
            for k in taps:
                offset = i * strides[1] + j * strides[2] + k * strides[3]
                read = flat[offset:].index_select(0, index).view_as(base)
                lines = [_add(line, read, part[2][k]) for line, part in zip(lines, parts, strict=True)]
            planes = [_add(plane, line, part[1][j]) for plane, line, part in zip(planes, lines, parts, strict=True)]
        totals = [_add(total, plane, part[0][i]) for total, plane, part in zip(totals, planes, parts, strict=True)]
    return torch.stack(totals) if gradient else totals[0]


def _add(total: torch.Tensor | None, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return values * weight if total is None else total.addcmul_(values, weight)


def _weights(t: torch.Tensor, degree: int) -> list[torch.Tensor]:
    """Return the weights of the coefficients around a point at distance `t` from its node."""
    if degree == 1:
        return [1 - t, t]
    if degree == 2:
        return [0.5 * (0.5 - t) ** 2, 0.75 - t * t, 0.5 * (0.5 + t) ** 2]
    left = 1 - t
    return [left**3 / 6, 2 / 3 - t * t * (1 - 0.5 * t), 2 / 3 - left * left * (1 - 0.5 * left), t**3 / 6]


def _slopes(t: torch.Tensor, degree: int) -> list[torch.Tensor]:
    """Return the derivatives of `_weights`."""
    if degree == 1:
        one = torch.ones_like(t)
        return [-one, one]
    if degree == 2:
        return [t - 0.5, -2 * t, t + 0.5]
    left = 1 - t
    return [-0.5 * left**2, t * (1.5 * t - 2), left * (2 - 1.5 * left), 0.5 * t**2]
