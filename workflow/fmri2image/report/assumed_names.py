"""Which stimulus a published file of decoded features is of, where its number alone says so."""

from collections.abc import Sequence
from pathlib import Path

from fmri2image.core.arrays import read_attributes
from fmri2image.report.facts import Note, decimal, listing

LEVEL = 0.05


def assumed_names(paths: Sequence[str | Path], tests: Sequence[str]) -> list[Note]:
    """Return a note per order of names that was assumed, with how well decoded and true features agree under it.

    Parameters
    ----------
    paths : sequence of path
        Published decoded features, ``decode/<decoder>/<network>/sub-…_roi-…/<layer>.h5``; what was assumed, and the comparison,
        are attributes of the file (`fmri2image.decode.published`).
    tests : sequence of str
        Those that the study has.
    """
    orders: dict[tuple[str, str], dict[str, list[dict]]] = {}
    for path in paths:
        attributes = read_attributes(path)
        for test in tests:
            order = str(attributes.get(f"{test}_names", ""))
            if order.startswith("assumed: "):
                key = (Path(path).parts[-4], order.removeprefix("assumed: "))
                orders.setdefault(key, {}).setdefault(test, []).append(attributes)
    return [Note("Names assumed.", _sentence(*key, found)) for key, found in orders.items()]


def _sentence(decoder: str, order: str, found: dict[str, list[dict]]) -> str:
    compared = {
        test: [
            (float(file[f"{test}_names_correlation"]), float(file[f"{test}_names_p"]))
            for file in files
            if _known(file, test)
        ]
        for test, files in found.items()
    }
    parts = []
    for test, pairs in compared.items():
        if not pairs:
            parts.append(f"{test}: not to be checked, there are no true features")
            continue
        mean, better = sum(r for r, _ in pairs) / len(pairs), sum(p <= LEVEL for _, p in pairs)
        parts.append(f"{test}: r = {decimal(mean)}, better than names at random in {better} of {len(pairs)} files")
    return (
        f"The files of decoder {decoder} number their images and do not name them. For {listing(found)} this order was taken: "
        f"{order}. Decoded and true features under it, one file per layer, area and subject (p ≤ {LEVEL:g}): "
        f"{'; '.join(parts)}. With a wrong order every score of the test is wrong."
    )


def _known(attributes: dict, test: str) -> bool:
    return f"{test}_names_p" in attributes
