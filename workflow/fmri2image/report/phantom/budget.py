"""Where the variance of a voxel comes from, and how far its responses can be measured."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from fmri2image.report.phantom.files import AREA_COLOURS, Truth, area_label, axes_at, save_figure, write_at, write_note
from fmri2image.report.style import COLOURS, MARKERS, MM, PAGE_WIDTH

PARTS = {
    "images": ("#0072B2", "image"), "trial": ("#56B4E9", "trial to trial"), "thermal": ("#bdbdbd", "thermal"),
    "physiological": ("#D55E00", "physiological"), "smooth": ("#D55E00", "smooth"),
    "respiratory": ("#E69F00", "breathing"), "cardiac": ("#CC79A7", "heart"), "drift": ("#666666", "drift"),
}  # fmt: skip


def image_variance(truth: Truth) -> np.ndarray:
    """Return the variance (n_voxels,), per cent squared, of noise-free responses to the training images; 0 in a null subject."""
    spread = truth.array("response_train").values.std(axis=1)
    return (truth.level["response_deviation"] * spread) ** 2


def volume_budget(truth: Truth) -> dict[str, np.ndarray]:
    """Return the variances (n_voxels,), per cent squared, of single volumes late in blocks, by cause.

    Those of the body's noise are split by the settings' shares, which hold for average grey matter.
    """
    noise, level = truth.settings["noise"], truth.level
    body = level["volume_physiological"] ** 2
    shares = {"respiratory": noise["respiratory"], "cardiac": noise["cardiac"]}
    shares = {"smooth": 1 - sum(shares.values()), **shares}
    return {
        "images": image_variance(truth),
        "trial": level["trial_deviation"] ** 2,
        "thermal": level["volume_thermal"] ** 2,
        **{name: share * body for name, share in shares.items()},
        "drift": np.full(len(body), float(noise["drift"]) ** 2),
    }


def block_budget(truth: Truth) -> dict[str, np.ndarray]:
    """Return the variances (n_voxels,), per cent squared, of the mean of a training block, by cause; drift left out."""
    level = truth.level
    thermal = level["volume_thermal"] ** 2 / truth.volumes_per_block
    return {
        "images": image_variance(truth),
        "trial": level["trial_deviation"] ** 2,
        "thermal": thermal,
        "physiological": np.maximum(level["block_noise"] ** 2 - level["trial_deviation"] ** 2 - thermal, 0),
    }


def draw_budget(truths: Sequence[Truth], sets: Sequence[str], outputs: Sequence[str]) -> dict[str, dict[str, float]]:
    """Draw the shares of variance of every voxel, in a volume and in a block, and noise ceilings by area and set.

    Parameters
    ----------
    truths : sequence of Truth
        The shares are drawn of the first, the ceilings of all together.
    sets : sequence of str
        Stimulus sets, in the order of their points.
    outputs : sequence of path

    Returns
    -------
    median : dict from set to dict from area to the median noise ceiling
    """
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, 122.0 * MM))
    n = truths[0].volumes_per_block
    _shares(axes_at(figure, 12, 6, 56, 40), volume_budget(truths[0]), "Variance of one volume")
    title = f"Variance of a block's mean ({n} volumes)"
    _shares(axes_at(figure, 102, 6, 52, 40), block_budget(truths[0]), title)
    median = _ceilings(axes_at(figure, 12, 61, 165, 42), truths, sets)
    for letter, x, y in (("a", 1, 4), ("b", 92, 4), ("c", 1, 58.5)):
        write_at(figure, x, y, letter, size=9, weight="bold")
    write_note(
        figure,
        f"a, b: subject {truths[0].subject}; numbers are means over voxels; blocks without end, drift removed in b.",
        "Motion and preprocessing are in neither. c: median and middle half of the voxels of all subjects; × presentations.",
    )
    save_figure(figure, outputs, palette=None)
    return median


def _shares(axes: Axes, budget: Mapping[str, np.ndarray], title: str) -> None:
    variance = np.stack(list(budget.values()))
    shares = 100 * variance / variance.sum(axis=0)
    order = np.argsort(-shares[0])
    voxels = np.arange(1, len(order) + 1)
    axes.stackplot(voxels, shares[:, order], colors=[PARTS[name][0] for name in budget], lw=0)
    edges = np.concatenate([[0.0], np.cumsum(shares[:, order[-1]])])
    means = shares.mean(axis=1)
    # Words beside the bands at the right edge, kept apart.
    places = np.maximum.accumulate((edges[:-1] + edges[1:]) / 2)
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + 9.0)
    places -= np.maximum(places[-1] - 97.0, 0) * np.linspace(0, 1, len(places))
    for number in range(len(places) - 2, -1, -1):
        places[number] = min(places[number], places[number + 1] - 9.0)
    for place, mean, name in zip(places, means, budget, strict=True):
        colour, words = PARTS[name]
        axes.text(1.02 * len(order), place, f"{words} {mean:.0f} %", size=6.5, va="center")
        axes.plot([1.005 * len(order)], [place], marker="s", color=colour, ms=3, clip_on=False)
    axes.set_xlim(1, len(order))
    axes.set_ylim(0, 100)
    axes.set_title(title, loc="left")
    axes.set_xlabel("voxels, sorted", size=6.5, labelpad=1)
    axes.set_ylabel("share of variance (%)", size=6.5, labelpad=2)


def _ceilings(axes: Axes, truths: Sequence[Truth], sets: Sequence[str]) -> dict[str, dict[str, float]]:
    area = np.concatenate([truth.area for truth in truths])
    step, median = 0.8 / len(sets), {}
    for number, name in enumerate(sets):
        values = np.concatenate([truth.ceilings[name] for truth in truths])
        quartiles = np.array([np.percentile(values[area == key], [25, 50, 75]) for key in AREA_COLOURS])
        x = np.arange(len(quartiles)) + (number - (len(sets) - 1) / 2) * step
        colour, words = COLOURS[number % len(COLOURS)], f"{name}, seen" if name != "imagery" else f"{name}, imagined"
        axes.vlines(x, quartiles[:, 0], quartiles[:, 2], color=colour, lw=2.2, alpha=0.55)
        axes.plot(x, quartiles[:, 1], MARKERS[number % len(MARKERS)], ms=3.5, color=colour,
                  label=f"{words} × {truths[0].repeats[name]}")  # fmt: skip
        median[name] = dict(zip(AREA_COLOURS, quartiles[:, 1], strict=True))
    axes.set_xticks(range(len(AREA_COLOURS)), [area_label(name) for name in AREA_COLOURS])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(AREA_COLOURS) - 0.5)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", lw=0.4, color="0.9", zorder=0)
    axes.set_title(
        "Noise ceiling: correlation of measured with noise-free responses to the images of a set", loc="left"
    )
    axes.set_ylabel("correlation", size=6.5, labelpad=2)
    axes.legend(ncols=len(sets), fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.11), handletextpad=0.2)
    return median
