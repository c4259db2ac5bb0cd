"""What a look at somebody's own data found: sentences about what must be fixed, and about what is worth knowing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 12  # sentences of a kind on the terminal


@dataclass
class Findings:
    """Sentences for the person whose data they are about.

    Parameters
    ----------
    must_fix : list of str
        Without this the workflow would stop.
    worth_knowing : list of str
        What was chosen, left out, or is unusual.
    """

    must_fix: list[str] = field(default_factory=list)
    worth_knowing: list[str] = field(default_factory=list)

    def fix(self, sentence: str) -> None:
        """Add what must be fixed, once."""
        if sentence not in self.must_fix:
            self.must_fix.append(sentence)

    def know(self, sentence: str) -> None:
        """Add what is worth knowing, once."""
        if sentence not in self.worth_knowing:
            self.worth_knowing.append(sentence)

    def lines(self, shown: int | None = SHOWN) -> list[str]:
        """Return both lists as lines of text; `shown` bounds the sentences of each, None gives all."""
        return [*_listed("must be fixed", self.must_fix, shown), *_listed("worth knowing", self.worth_knowing, shown)]


def _listed(heading: str, sentences: list[str], shown: int | None) -> list[str]:
    if not sentences:
        return []
    cut = sentences[:shown]
    more = [f"  … and {len(sentences) - len(cut)} more, in report.txt"] if len(cut) < len(sentences) else []
    return [f"{heading} ({len(sentences)})", *(f"  - {sentence}" for sentence in cut), *more, ""]


def several(names: Iterable[str], most: int = 5) -> str:
    """Return the first few of some names for a sentence, and how many more there are."""
    names = list(names)
    text = ", ".join(names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
