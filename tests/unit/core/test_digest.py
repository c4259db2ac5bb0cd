"""Digests: a rule reruns when its code changes, and only then."""

import shutil

import pytest

from fmri2image.core.digest import code_digest, env_digest
from fmri2image.core.errors import ConfigError

FILES = {
    "scripts/fit.py": '"""Fit."""\nimport numpy as np\nfrom fmri2image.stage.top import run\n\n\ndef main():\n    run(np)\n',
    "fmri2image/__init__.py": "",
    "fmri2image/stage/__init__.py": "",
    "fmri2image/stage/top.py": "from . import middle\n\n\ndef run(np):\n    return middle.middle(np)\n",
    "fmri2image/stage/middle.py": (
        "def middle(np):\n    from ..other.deep import CONSTANT\n\n    return np.sum(CONSTANT)\n"
    ),
    "fmri2image/other/__init__.py": "",
    "fmri2image/other/deep.py": (
        '"""Deep."""\nCONSTANT = 3\n\n\nclass Thing:\n    """A thing."""\n\n    def value(self):\n        """Give it."""\n'
        '        return {"a": [1, 2], "b": "text"}\n'
    ),
    "fmri2image/other/method.py": "import fmri2image.other.helper\n",
    "fmri2image/other/helper.py": "VALUE = 1\n",
    "fmri2image/other/unused.py": "VALUE = 1\n",
}
MODULES = {
    "fmri2image",
    "fmri2image.other",
    "fmri2image.other.deep",
    "fmri2image.stage",
    "fmri2image.stage.middle",
    "fmri2image.stage.top",
    "scripts/fit",
}


@pytest.fixture
def digest(tmp_path):
    """Digest of a small workflow with some files changed; each time in a new folder (a process reads a file once)."""
    count = iter(range(100))

    def of(changes=None, also=()):
        root = tmp_path / str(next(count))
        for name, text in {**FILES, **(changes or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return code_digest("fit", also, root)

    return of


def changed(first, second):
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


def test_all_imported_modules_are_found(digest):
    assert set(digest()) == MODULES  # absolute, relative and inside a function; no library from outside


def test_an_edit_far_down_changes_that_module_alone(digest):
    edited = FILES["fmri2image/other/deep.py"].replace("CONSTANT = 3", "CONSTANT = 4")
    assert changed(digest(), digest({"fmri2image/other/deep.py": edited})) == {"fmri2image.other.deep"}
    assert changed(digest(), digest({"fmri2image/other/unused.py": "VALUE = 2\n"})) == set()
    script = FILES["scripts/fit.py"].replace("run(np)", "run(np, 1)")
    assert changed(digest(), digest({"scripts/fit.py": script})) == {"scripts/fit"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CONSTANT = 3", "# Why three.\nCONSTANT  =  3  # three\n\n"),
        ('"""Deep."""', '"""Deeper,\n\nwith more words."""'),
        ('"""A thing."""', '"""Another text."""'),
        ('        """Give it."""\n', ""),
        ('{"a": [1, 2], "b": "text"}', "{\n            'a': [1, 2,],\n            'b': 'text',\n        }"),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(digest, old, new):
    text = FILES["fmri2image/other/deep.py"]
    assert old in text
    assert digest({"fmri2image/other/deep.py": text.replace(old, new)}) == digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"b": "text"', '"b": "texts"'),
        ("[1, 2]", "[2, 1]"),
        ("[1, 2]", "[1, 2.0]"),
        ("[1, 2]", "(1, 2)"),
        ("def value(self)", "def value(self, x=None)"),
        ("def value", "async def value"),
    ],
)
def test_small_changes_of_meaning_count(digest, old, new):
    text = FILES["fmri2image/other/deep.py"]
    edited = text.replace(old, new)
    assert edited != text
    assert changed(digest(), digest({"fmri2image/other/deep.py": edited})) == {"fmri2image.other.deep"}


def test_a_new_import_is_followed(digest):
    text = FILES["fmri2image/other/deep.py"].replace("CONSTANT = 3", "from .helper import VALUE as CONSTANT")
    found = digest({"fmri2image/other/deep.py": text})
    assert set(found) == MODULES | {"fmri2image.other.helper"}


def test_modules_found_by_a_setting(digest):
    found = digest(also=["fmri2image.other.method"])
    assert set(found) == MODULES | {"fmri2image.other.method", "fmri2image.other.helper"}
    with pytest.raises(ConfigError, match="no module 'fmri2image.other.absent' for script 'fit'"):
        digest(also=["fmri2image.other.absent"])


def test_unknown_script(tmp_path):
    with pytest.raises(ConfigError, match="no script"):
        code_digest("absent", (), tmp_path)


def test_environment_without_comments_and_order(tmp_path):
    folder = tmp_path / "envs"
    folder.mkdir()
    (tmp_path / "workflow").mkdir()
    first = "channels:\n  - conda-forge\ndependencies:\n  - python=3.11.9  # old\n  # a comment\n  - numpy=2.1.0\n"
    second = "# moved\nchannels:\n  - conda-forge\ndependencies:\n  - numpy=2.1.0\n  - python=3.11.9\n"
    (folder / "a.yaml").write_text(first)
    (folder / "b.yaml").write_text(second)
    (folder / "c.yaml").write_text(second.replace("2.1.0", "2.1.1"))
    assert env_digest("a", tmp_path / "workflow") == {"numpy": "=2.1.0", "python": "=3.11.9"}
    assert list(env_digest("a", tmp_path / "workflow").items()) == list(env_digest("b", tmp_path / "workflow").items())
    assert env_digest("c", tmp_path / "workflow") != env_digest("b", tmp_path / "workflow")
    shutil.rmtree(folder)
    with pytest.raises(ConfigError, match="environment file"):
        env_digest("a", tmp_path / "workflow")
