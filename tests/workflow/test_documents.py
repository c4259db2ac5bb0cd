"""Documents: links lead somewhere, commands name targets and files that exist, and no configuration is forgotten."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md"), *ROOT.glob("results/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)
# Stand for the reader's own: written by `make new-study`, copied by hand, or invented.
OWN = {"mine", "my-study", "anna", "ds009999"}
# No study to choose: the default, which `make demo` runs.
DEFAULT = {"config"}


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them in addresses."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading).replace("`", "").lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_name_what_exists(page):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    written = re.findall(r"(?:^|`)make ([a-z-]+)(?=[ `\n])", text, re.MULTILINE)
    assert not set(written) - targets
    configs = {path.stem for path in ROOT.glob("config/*.yaml")} | OWN
    named = re.findall(r"(?:--configfile |CONFIG=)config/([\w-]+)\.yaml", text)
    assert not set(named) - configs


@pytest.mark.parametrize("page", ["README.md", "config/README.md"])
def test_every_configuration_is_described(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    names = {path.stem for path in ROOT.glob("config/*.yaml")} - (DEFAULT if page == "README.md" else set())
    if page == "README.md":
        names -= {"own-data"}  # an example; the page on own data has it
    assert not [name for name in names if f"{name}.yaml" not in text]
