"""Modified RV coefficient against hoggorm, a direct sum and enumeration of all orders, and at its limits."""

from itertools import permutations

import numpy as np
import pytest

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.evaluate.rv import RV_COLUMNS, modified_rv, permute_order, score_relations

# Rows, columns of both matrices, and RV2coeff of hoggorm 0.13.3 for the matrices of `golden`, centred.
HOGGORM = [
    (6, 4, 9, 0.415485596326917),
    (10, 40, 25, 0.3529450088259791),
    (5, 3, 3, 0.48937751690270787),
    (24, 12, 300, 0.3059875560860785),
]
KEYS = {
    "dataset": "d", "method": "m", "subject": "01", "roi": "VC", "stimulus_set": "test", "test": "natural",
    "condition": "natural", "transductive": False, "simulated": True,
}  # fmt: skip


def waves(n_rows, n_columns, frequency):
    """Return a matrix without random numbers, the same on every version of NumPy."""
    i, j = np.indices((n_rows, n_columns))
    return np.round(np.sin(frequency * (i + 1) * (j + 2)) + 0.3 * np.cos((i + 1) ** 2 * frequency + j), 3)


def golden(n_rows, p, q):
    a, b = waves(n_rows, p, 1.3), waves(n_rows, q, 0.7)
    both = min(p, q)
    b[:, :both] += 0.8 * a[:, :both]
    return a, b


def by_loops(a, b):
    """Sum the products of centred rows pair by pair; without the pairs of a row with itself."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    sums = np.zeros(3)
    for i in range(len(a)):
        for j in range(len(a)):
            if i != j:
                x, y = sum(a[i] * a[j]), sum(b[i] * b[j])
                sums += [x * y, x * x, y * y]
    return sums[0] / np.sqrt(sums[1] * sums[2])


def ordinary_rv(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    x, y = a @ a.T, b @ b.T
    return np.vdot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y))


@pytest.mark.parametrize("n_rows, p, q, expected", HOGGORM)
def test_coefficient_of_hoggorm(n_rows, p, q, expected):
    assert modified_rv(*golden(n_rows, p, q)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n_rows, p, q", [(3, 1, 1), (4, 7, 2), (12, 5, 30)])
def test_coefficient_by_loops(n_rows, p, q):
    rng = np.random.default_rng(n_rows)
    a, b = rng.standard_normal((n_rows, p)), rng.standard_normal((n_rows, q))
    assert modified_rv(a, b) == pytest.approx(by_loops(a, b), rel=1e-10)
    # Neither an offset nor the scale of a matrix matters, nor the order of its columns.
    assert modified_rv(3 * a[:, ::-1] + 5, b) == pytest.approx(by_loops(a, b), rel=1e-9)


def test_limits():
    rng = np.random.default_rng(0)
    images = rng.random((8, 20))
    assert modified_rv(images, images) == pytest.approx(1)
    assert modified_rv(images, 0.2 * images + 0.4) == pytest.approx(1)
    # Unrelated matrices of few rows: near 0, where the coefficient with the diagonal is far above it.
    pairs = [(rng.standard_normal((10, 6)), rng.standard_normal((10, 6))) for _ in range(300)]
    assert abs(np.mean([modified_rv(*pair) for pair in pairs])) < 0.09
    assert np.mean([ordinary_rv(*pair) for pair in pairs]) > 0.3
    # One pattern in different strengths and many pixels, as of images: still near 0.
    smooth = [
        tuple(rng.standard_normal((12, 2)) @ rng.standard_normal((2, 3000)) for _ in range(2)) for _ in range(300)
    ]
    assert abs(np.mean([modified_rv(*pair) for pair in smooth])) < 0.05


def test_what_does_not_exist_is_no_number():
    images = np.random.default_rng(0).random((5, 4))
    assert np.isnan(modified_rv(np.ones((5, 4)), images))
    assert np.isnan(modified_rv(images[:2], images[:2]))
    with pytest.raises(DataError, match="equal numbers of rows; there are 5 and 4"):
        modified_rv(images, images[:4])


def test_orders_are_those_of_the_reconstructions():
    """All orders of five images: p is their share, and their mean the closed form."""
    rng = np.random.default_rng(3)
    shown = rng.random((5, 6))
    made = shown + 0.5 * rng.random((5, 6))
    every = np.array([by_loops(made[list(order)], shown) for order in permutations(range(5))])
    test = permute_order(made, shown, 6000, np.random.default_rng(1))
    assert test.value == pytest.approx(by_loops(made, shown))
    assert test.null.mean() == pytest.approx(every.mean(), abs=0.02)
    assert test.p_value == pytest.approx(np.mean(every >= test.value - 1e-12), abs=0.01)
    assert {round(value, 9) for value in test.null} == {round(value, 9) for value in every}
    centred = [x - x.mean(axis=0) for x in (made, shown)]
    gram = [x @ x.T for x in centred]
    norms = np.prod([np.linalg.norm(g - np.diag(np.diag(g))) for g in gram])
    assert every.mean() == pytest.approx(np.trace(gram[0]) * np.trace(gram[1]) / 20 / norms)


def images_of(names, seed=0, size=6):
    return LabelledArray(
        np.random.default_rng(seed).random((len(names), 3, size, size)).astype(np.float32), list(names)
    )


def test_table_joins_by_name_and_averages_trials():
    shown = images_of("hgfedcba")
    made = images_of("abcdef", 1)
    noise = 0.1 * np.random.default_rng(2).random((6, 3, 6, 6)).astype(np.float32)
    trials = LabelledArray(
        np.concatenate([made.values + noise, made.values - noise]),
        [*(f"{row}|one" for row in made.rows), *(f"{row}|two" for row in made.rows)],
    )
    table = score_relations(
        [(made, KEYS), (trials.take(trials.rows[::-1]), KEYS), (images_of("abcd", 1, 12), {**KEYS, "condition": "small"})],
        {"test": shown}, 99, 7,
    )  # fmt: skip
    assert list(table) == list(RV_COLUMNS)
    true = shown.take(made.rows).values.reshape(6, -1)
    assert table["value"][0] == pytest.approx(by_loops(made.values.reshape(6, -1).astype(float), true.astype(float)))
    assert table["value"][1] == pytest.approx(table["value"][0], abs=1e-6)
    assert table["p_value"][1] == table["p_value"][0]
    assert table[["n_images", "n_pixels", "n_permutations"]].to_numpy().tolist() == [[6, 108, 99]] * 2 + [[4, 108, 99]]
    with pytest.raises(LabelMismatchError, match="A reconstruction names z"):
        score_relations([(images_of("abz"), KEYS)], {"test": shown}, 9, 7)


def test_a_generator_that_shows_one_picture_has_no_coefficient_and_stops_nothing():
    shown = images_of("abcd")
    same = LabelledArray(np.repeat(shown.values[:1], 4, axis=0), shown.rows)
    row = score_relations([(same, KEYS)], {"test": shown}, 99, 7).iloc[0]
    assert row[["value", "chance", "p_value"]].isna().all() and row["n_images"] == 4


def test_good_and_random_reconstructions_are_told_apart():
    shown = images_of([f"s{i:02d}" for i in range(20)], size=8)
    good = LabelledArray(shown.values + 0.3 * images_of(shown.rows, 5, 8).values, shown.rows)
    row = score_relations([(good, KEYS)], {"test": shown}, 999, 3).iloc[0]
    assert row["p_value"] == pytest.approx(0.001) and row["value"] > row["chance_p99"]
    rng = np.random.default_rng(11)
    unrelated = [permute_order(rng.random((20, 90)), rng.random((20, 90)), 99, rng).p_value for _ in range(200)]
    for level in (0.05, 0.5):
        share = np.mean(np.array(unrelated) <= level)
        assert share == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 200))
