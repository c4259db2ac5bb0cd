"""What a rule's result depends on besides its inputs: the code it runs and the environment it runs in.

Snakemake sees neither the modules that a script imports nor, reliably, the script itself (its time, not its content).
Every rule therefore carries ``code=code_digest(...)`` and ``env=env_digest(...)`` as parameters. The digest is taken
from syntax trees, so that comments, formatting and docstrings do not count, and is serialised here rather than by
``ast.dump``, whose text differs between Python versions. Standard library only: this runs wherever Snakemake does.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from fmri2image.core.errors import ConfigError

WORKFLOW = Path(__file__).resolve().parents[2]
PACKAGE = "fmri2image"


def code_digest(
    script: str, also: Iterable[str] = (), workflow: Path = WORKFLOW, templates: Iterable[str] = ()
) -> dict[str, str]:
    """Return ``{module: hash}`` for a script and every project module that it imports, directly or not.

    Parameters
    ----------
    script : str
        File name in ``workflow/scripts``, without ``.py``.
    also : iterable of str
        Dotted names of modules that the script finds through a setting (a method, a network).
    workflow : Path
        The folder that holds ``scripts`` and the library.
    templates : iterable of str
        Jinja templates that the script fills in, below the library, for example ``report/templates/base.html.j2``. Their
        comments do not count.

    Raises
    ------
    ConfigError
        If a named module or template does not exist.
    """
    path = workflow / "scripts" / f"{script}.py"
    if not path.is_file():
        raise ConfigError(f"There is no script {path}.")
    found = {f"scripts/{script}": _hash_file(path)}
    waiting = list(_imports(path, None, workflow))
    for module in also:
        if _module_path(module, workflow) is None:
            raise ConfigError(f"There is no module '{module}' for script '{script}' to use.")
        waiting.append(module)
    while waiting:
        module = waiting.pop()
        for name in _with_parents(module):
            source = _module_path(name, workflow)
            if source is None or name in found:
                continue
            found[name] = _hash_file(source)
            waiting.extend(_imports(source, name, workflow))
    for template in templates:
        source = workflow / PACKAGE / template
        if not source.is_file():
            raise ConfigError(f"There is no template {source}.")
        text = re.sub(r"\{#.*?#\}\s*", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        found[f"{PACKAGE}/{template}"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return dict(sorted(found.items()))


def env_digest(stage: str, workflow: Path = WORKFLOW) -> dict[str, str]:
    """Return the pins of a stage's environment, ``{package: pin}``, without comments and in sorted order."""
    path = workflow.parent / "envs" / f"{stage}.yaml"
    if not path.is_file():
        raise ConfigError(f"There is no environment file {path}.")
    return dict(sorted(read_pins(path)))


def read_pins(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (package, pin) of a conda file's dependencies; only the ``- name=version`` lines of this project's files."""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].rstrip()
        if re.match(r"\S", text):
            inside = text.startswith("dependencies:")
        elif inside and (match := re.match(r"\s*-\s*([A-Za-z0-9._-]+)\s*(.*)$", text)):
            yield match.group(1), match.group(2).strip()


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


@cache
def _module_path(module: str, workflow: Path) -> Path | None:
    base = workflow.joinpath(*module.split("."))
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _hash_file(path: Path) -> str:
    return hashlib.sha256("".join(_serialise(_tree(path))).encode()).hexdigest()[:12]


@cache
def _imports(path: Path, module: str | None, workflow: Path) -> tuple[str, ...]:
    """Return the project modules that a file imports anywhere, also inside functions."""
    found: list[str] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, path)
            found.append(base)
            found += [f"{base}.{alias.name}" for alias in node.names]
    return tuple(name for name in found if name.split(".")[0] == PACKAGE and _module_path(name, workflow))


def _absolute(node: ast.ImportFrom, module: str | None, path: Path) -> str:
    if not node.level or module is None:
        return node.module or ""
    parts = module.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *([node.module] if node.module else [])])


def _serialise(node: object) -> Iterator[str]:
    """Yield the text of a syntax tree without positions, docstrings and empty fields."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if name in ("type_comment", "kind") or value is None or value == []:
                continue
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = _without_docstring(value)
            yield f" {name}="
            yield from _serialise(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _serialise(item)
            yield ","
        yield "]"
    else:
        yield repr(node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body
