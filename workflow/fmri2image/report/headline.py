"""What `make demo` and `make miyawaki` say at their end: where the report is, and three numbers beside chance."""

import argparse
from pathlib import Path

from fmri2image.core.tables import read_table
from fmri2image.report.style import NOT_SCORED, is_true

WORDS = {
    "pixel_identification": "pairwise identification by pixel correlation",
    "ssim_identification": "pairwise identification by SSIM",
    "pixel_top1": "top-1 identification by pixel correlation",
    "ssim_top1": "top-1 identification by SSIM",
}


def headline(identification: str | Path, method: str, roi: str) -> list[str]:
    """Return three lines for the primary setting: the first three tests or similarities, averaged over subjects.

    Parameters
    ----------
    identification : path
        ``identification.tsv``.
    method, roi : str
    """
    table = read_table(identification, subject=str)
    if table.empty:
        return [f"  {NOT_SCORED}"]
    mine = table[(table["method"] == method) & (table["roi"] == roi)]
    if mine.empty:
        mine = table.dropna(subset=["subject"])
    order = mine.drop_duplicates(["metric", "test"])[["metric", "test"]]
    order = order.sort_values("metric", key=lambda names: names != "pixel_identification", kind="stable")
    simulated = ", simulated data" if table["simulated"].astype(str).eq("True").all() else ""
    transductive = ", transductive" if is_true(table["transductive"]) else ""
    lines = []
    for metric, test in order.itertuples(index=False):
        rows = mine[(mine["metric"] == metric) & (mine["test"] == test)]
        low, high = 100 * rows["value"].min(), 100 * rows["value"].max()
        spread = f" (subjects {low:.1f} to {high:.1f})" if len(rows) > 1 else ""
        lines.append(
            f"  {WORDS.get(metric, metric)}, {test}: {100 * rows['value'].mean():.1f} %{spread}; "
            f"chance {100 * rows['chance'].mean():.1f} %, "
            f"99th percentile {100 * rows['chance_p99'].max():.1f} %{simulated}{transductive}"
        )
    return lines[:3]


def main() -> None:
    """Print the headline of a study."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--roi", required=True)
    parser.add_argument("--report", required=True)
    arguments = parser.parse_args()
    print(f"\n{arguments.dataset}: {arguments.method}, {arguments.roi}")
    print(
        "\n".join(headline(f"results/{arguments.dataset}/tables/identification.tsv", arguments.method, arguments.roi))
    )
    print(f"Report: {Path(arguments.report).resolve()}")


if __name__ == "__main__":
    main()
