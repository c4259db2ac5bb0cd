"""Sparse linear regression as published, written a second time in plain numpy, one unit at a time; and awkward data.

``python tests/unit/decode/slr_reference.py`` writes data/slr_reference.npz, which the tests compare with.
"""

from pathlib import Path

import numpy as np

STORED = Path(__file__).parent / "data" / "slr_reference.npz"
SETTINGS = {"n_voxels": 500, "intercept": "ard", "units": "stimuli", "stopping": "published"}


def slr(x, y, iterations=200, stopping="published", threshold=1e-10, minimum=1e-15):
    """Weights, kept dimensions and number of iterations; numpy's pinv, and the n-by-n form where p exceeds n."""
    n, p = x.shape
    kept = np.arange(p)
    a = np.full(p, max(1 / np.mean((x - x.mean(0)) ** 2), minimum))
    variance = np.mean((y - y.mean()) ** 2)
    xy, yy, xx = x.T @ y, y @ y, None
    a_old, number_old = a, p
    for i in range(iterations):
        if n < len(a):
            middle = np.linalg.pinv((x * a) @ x.T + np.eye(n))
            w = a * (xy - x.T @ (middle @ (x @ (a * xy))))
            gain = a * np.einsum("ij,ij->j", x, middle @ x)
        else:
            xx = x.T @ x if xx is None else xx
            inverse = np.linalg.pinv(xx + np.diag(1 / a))
            w, gain = inverse @ xy, np.diag(xx @ inverse)
        noise = (yy - w @ xy) / n
        if noise / variance < minimum:
            noise = max((np.sum((y - x @ w) ** 2) + np.sum(w**2 / a)) / n, minimum)
        a = np.sqrt(a * (w**2 / noise) / np.maximum(gain, minimum))
        number = len(a)
        stay = a / a.max() > threshold
        if not stay.all():
            number_old = number
            kept, a, w, x, xy = kept[stay], a[stay], w[stay], x[:, stay], xy[stay]
            xx = None if xx is None else xx[stay][:, stay]
        if stopping == "corrected":
            number_old = number
        if i > 100 and len(a) == number_old and np.abs(a - a_old).max() < 1e-10:
            break
        a_old = a
    weights = np.zeros(p)
    weights[kept] = w
    return weights, kept, i + 1


def slr_extended(x, y, iterations=200, stopping="published", threshold=1e-10, minimum=1e-15):
    """The same update in the processor's extended precision, with a Gauss-Jordan inverse: shows what is rounding."""
    x, y = x.astype(np.longdouble), y.astype(np.longdouble)
    n, p = x.shape
    kept, a = np.arange(p), np.full(p, 1 / np.mean((x - x.mean(0)) ** 2))
    xx, xy, yy, variance = x.T @ x, x.T @ y, y @ y, np.mean((y - y.mean()) ** 2)
    assert stopping == "published"
    for _ in range(iterations):
        root = np.sqrt(a)
        scaled = xx * root * root[:, None]
        inverse = _gauss_jordan(scaled + np.eye(len(a)))
        w, gain = root * (inverse @ (root * xy)), np.einsum("ij,ji->i", scaled, inverse)
        noise = (yy - w @ xy) / n
        if noise / variance < minimum:
            noise = max((np.sum((y - x @ w) ** 2) + np.sum(w**2 / a)) / n, minimum)
        a = np.sqrt(a * (w**2 / noise) / np.maximum(gain, minimum))
        stay = a / a.max() > threshold
        kept, a, w, x, xy, xx = kept[stay], a[stay], w[stay], x[:, stay], xy[stay], xx[stay][:, stay]
    weights = np.zeros(p)
    weights[kept] = w
    return weights, kept, iterations


def _gauss_jordan(matrix):
    p = len(matrix)
    work = np.concatenate([matrix, np.eye(p, dtype=np.longdouble)], axis=1)
    for i in range(p):
        work[i] /= work[i, i]
        column = work[:, i].copy()
        column[i] = 0
        work -= column[:, None] * work[i]
    return work[:, p:]


def decode(responses, index, features, test, solve=slr, n_voxels=500, intercept="ard", units="stimuli", **rules):
    """Predictions (n_test, n_units), kept voxels (n_units, n_voxels) and iterations (n_units,), unit by unit."""
    varies = responses.std(0) > 0
    mean, sd = responses[:, varies].mean(0), responses[:, varies].std(0, ddof=1)
    z, z_test = (responses[:, varies] - mean) / sd, (test[:, varies] - mean) / sd
    predicted = np.empty((len(test), features.shape[1]))
    kept = np.zeros((features.shape[1], responses.shape[1]), dtype=bool)
    iterations = np.zeros(features.shape[1], dtype=int)
    for unit, feature in enumerate(features.T):
        seen = feature if units == "stimuli" else feature[index]
        if np.ptp(feature) == 0:
            predicted[:, unit] = feature[0]
            continue
        y = ((feature - seen.mean()) / seen.std(ddof=1))[index]
        correlation = np.abs([np.corrcoef(column, y)[0, 1] for column in z.T])
        # Copies of a voxel correlate equally; rounding must not choose among them.
        chosen = np.sort(np.argsort(-np.round(correlation, 11), kind="stable")[:n_voxels])
        x, x_test = z[:, chosen], z_test[:, chosen]
        if intercept == "ard":
            weights, left, iterations[unit] = solve(np.c_[x, np.ones(len(x))], y, **rules)
            decoded = x_test @ weights[:-1] + weights[-1]
        else:
            weights, left, iterations[unit] = solve(x - x.mean(0), y - y.mean(), **rules)
            decoded = (x_test - x.mean(0)) @ weights + y.mean()
        predicted[:, unit] = decoded * seen.std(ddof=1) + seen.mean()
        kept[unit, np.flatnonzero(varies)[chosen[left[left < len(chosen)]]]] = True
    return predicted, kept, iterations


def cases():
    """Awkward training sets: name to (responses, stimulus index, features, test responses, settings)."""
    rng = np.random.default_rng(20190114)

    def made(n_stimuli, repeats, width, n_units=5, uneven=False, **settings):
        index = np.repeat(np.arange(n_stimuli), repeats)
        if uneven:
            index = np.concatenate([index, rng.integers(0, n_stimuli, n_stimuli // 2), [3, 3, 3]])
        latent = rng.standard_normal((n_stimuli, 10))
        features = latent @ rng.standard_normal((10, n_units)) + rng.standard_normal((n_stimuli, n_units))
        responses = latent[index] @ rng.standard_normal((10, width))
        responses += 3 * rng.standard_normal((len(index), width))
        test = 3 * rng.standard_normal((12, width))
        responses, features, test = (np.round(x, 2) for x in (responses, features, test))
        return responses, features, test, index, {**SETTINGS, **settings}

    found = {}
    found["one trial per stimulus"] = made(60, 1, 40, n_voxels=30)
    found["more voxels than trials"] = made(24, 1, 150, n_voxels=80)
    found["fewer voxels than asked for"] = made(20, 2, 25, n_voxels=500)
    found["unequal repeats"] = made(40, 2, 50, uneven=True, n_voxels=35)
    found["unequal repeats, free intercept"] = made(40, 2, 50, uneven=True, n_voxels=35, intercept="free")
    found["units over trials"] = made(40, 1, 50, uneven=True, n_voxels=35, units="trials")

    responses, features, *rest = made(60, 1, 40, n_voxels=30)
    responses[:, [0, 7]], features[:, 2] = 1.25, -3.5
    features[:, 3] = 0
    features[11, 3] = 1.0
    found["constant voxels and units"] = responses, features, *rest

    responses, features, *rest = made(40, 2, 60, uneven=True, n_voxels=50)
    responses[:, 10:20] = responses[:, :10]
    responses[:, 20:30] = -2 * responses[:, 30:40]
    responses[:, 40:45] = responses[:, 45:50] + responses[:, 50:55]
    found["collinear voxels"] = responses, features, *rest

    responses, _, *rest = made(60, 1, 40, n_voxels=40)
    mixed = rng.standard_normal((40, 5)) * (rng.random((40, 5)) < 0.15)
    found["a unit without noise"] = responses, responses @ mixed, *rest
    return {name: (x, index, f, test, settings) for name, (x, f, test, index, settings) in found.items()}


def main():
    """Write the reference's outputs."""
    arrays = {}
    for name, (responses, index, features, test, settings) in cases().items():
        for kind, solve in (("published", slr), ("extended", slr_extended)):
            predicted, kept, iterations = decode(responses, index, features, test, solve, **settings)
            arrays |= {
                f"{name}/{kind}/predicted": predicted,
                f"{name}/{kind}/kept": kept,
                f"{name}/{kind}/iterations": iterations,
            }
        arrays |= {f"{name}/responses": responses, f"{name}/features": features}
        arrays |= {f"{name}/index": index, f"{name}/test": test}
    STORED.parent.mkdir(exist_ok=True)
    np.savez_compressed(STORED, **arrays)


if __name__ == "__main__":
    main()
