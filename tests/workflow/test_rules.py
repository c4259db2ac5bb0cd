"""Every rule says what it needs, and its script bears its name."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fmri2image.core.digest import WORKFLOW, code_digest

RULE_FILES = sorted((WORKFLOW / "rules").glob("*.smk"))
SCRIPTS = sorted((WORKFLOW / "scripts").glob("*.py"))
DIRECTIVES = {"output", "log", "benchmark", "conda", "threads", "resources", "params", "message", "script"}
# A download is defined by the checksums among its settings: how it came about cannot matter, and must not repeat it.
DOWNLOADS = {"fetch_bids", "fetch_registry"}
# Functions that load a module which a setting names: the rule must name that module to its digest.
LOADERS = (
    "load_method(",
    "build_network(",
    "build_generator(",
    "fit_decoder(",
    "load_plot(",
    "load_paper(",
    "importlib.import_module(name)",
)


@dataclass(frozen=True)
class Rule:
    """A rule as it is written."""

    file: str
    name: str
    directives: dict[str, str]

    @property
    def family(self) -> str:
        """The name up to the part that a loop puts in: extract_features_{network} → extract_features."""
        return self.name.split("_{")[0]

    @property
    def script(self) -> str:
        return Path(self.directives["script"].strip().strip('"')).stem


def read_rules(path: Path) -> list[Rule]:
    """Read rules from text laid out by snakefmt: directives are four columns right of the rule's header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for start, line in enumerate(lines):
        header = re.match(r"( *)(?:rule|checkpoint)(?: +(\w+))?:\s*$", line)
        if not header:
            continue
        depth, directives, current = len(header[1]) + 4, {}, ""
        for inner in lines[start + 1 :]:
            if inner.strip() and len(inner) - len(inner.lstrip()) < depth:
                break
            directive = re.match(rf" {{{depth}}}(\w+):(.*)$", inner)
            if directive:
                current = directive[1]
                directives[current] = directive[2]
            elif current:
                directives[current] += "\n" + inner
        name = header[2] or re.search(r'f?"([^"]+)"', directives["name"])[1]
        found.append(Rule(path.stem, name, directives))
    return found


WRITTEN = [rule for path in RULE_FILES for rule in read_rules(path)]
# Figures of a paper by their numbers: names for files, which other rules make.
TARGETS = [rule for rule in WRITTEN if set(rule.directives) == {"name", "input"}]
TARGET_NAME = r"fig\d+|s\d+|movies"
RULES = [rule for rule in WRITTEN if rule not in TARGETS]
by_name = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def keys(text: str) -> set[str]:
    return set(re.findall(r"^ *(\w+)=", text, re.MULTILINE))


def digest_argument(rule: Rule, function: str) -> str:
    return re.search(rf'{function}\(\s*"(\w+)"', rule.directives["params"])[1]


@pytest.mark.parametrize("configfile", ["config/config.yaml", "config/miyawaki2008.yaml"])
def test_snakemake_sees_the_rules_that_were_read(repository, configfile):
    done = repository.snakemake("--list-rules", configfile=configfile)
    assert done.returncode == 0, done.stdout
    names = {line.strip() for line in done.stdout.splitlines() if re.fullmatch(r"\s*[a-z]\w+\s*", line)} - {
        "all",
        "default",
    }
    patterns = [re.sub(r"\{.*?\}", r"\\w+", rule.name) for rule in RULES]
    assert len(names) > 8
    names = {name for name in names if not re.fullmatch(TARGET_NAME, name)}
    assert not [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def test_only_the_figures_of_a_paper_are_mere_targets():
    assert [(rule.file, rule.name) for rule in TARGETS] == [("report", "{target}")]


def test_rules_are_in_the_rule_files_only():
    assert [rule.name for rule in read_rules(WORKFLOW / "Snakefile")] == ["all"]
    assert [rule.name for rule in read_rules(WORKFLOW.parent / "Snakefile")] == ["default"]


@by_name
def test_rule_has_every_directive(rule):
    assert set(rule.directives) >= DIRECTIVES
    assert keys(rule.directives["params"]) == (
        {"settings"} if rule.family in DOWNLOADS else {"settings", "code", "env"}
    )
    assert keys(rule.directives["resources"]) >= {"mem_mb", "runtime"}


@by_name
def test_rule_runs_a_script_and_nothing_else(rule):
    assert not set(rule.directives) & {"shell", "run", "notebook", "wrapper", "container", "handover"}


@by_name
def test_script_log_and_benchmark_bear_the_name_of_the_rule(rule):
    assert rule.script == rule.family
    assert rule.directives["script"].strip() == f'"../scripts/{rule.family}.py"'
    assert (WORKFLOW / "scripts" / f"{rule.family}.py").is_file()
    assert f'"results/logs/{rule.family}/' in rule.directives["log"]
    assert f'"results/benchmarks/{rule.family}/' in rule.directives["benchmark"]


@by_name
def test_digests_are_of_this_script_and_this_environment(rule):
    if rule.family in DOWNLOADS:
        assert rule.directives["conda"].strip() == '"../../envs/acquire.yaml"'
        return
    assert digest_argument(rule, "code_digest") == rule.script
    if rule.name == "correct_motion":  # its environment is that of the engine
        assert "env_digest(study.motion_environment)" in rule.directives["params"]
        assert rule.directives["conda"].strip() == 'f"../../envs/{study.motion_environment}.yaml"'
        return
    stage = digest_argument(rule, "env_digest")
    assert rule.directives["conda"].strip() == f'"../../envs/{stage}.yaml"'


@by_name
def test_modules_chosen_by_a_setting_are_named_to_the_digest(rule):
    texts = [(WORKFLOW / "scripts" / f"{rule.script}.py").read_text(encoding="utf-8")]
    imported = [name for name in code_digest(rule.script) if name.startswith("fmri2image")]
    for name in imported:
        path = WORKFLOW.joinpath(*name.split("."))
        text = (path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py").read_text(
            "utf-8"
        )
        texts.append(re.sub(r"def \w+\(", "", text))  # a definition is not a use
    uses = any(loader in text for text in texts for loader in LOADERS)
    assert ("also=" in rule.directives["params"]) == uses


def test_every_script_belongs_to_a_rule():
    assert {path.stem for path in SCRIPTS} == {rule.script for rule in RULES}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_small_and_reads_no_configuration(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert not re.search(r"snakemake\s*\.\s*config|\bj\s*\.\s*config", text)
    assert text.count("with job(snakemake)") == 1


def test_only_the_common_rules_read_the_configuration():
    for path in RULE_FILES:
        text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
        assert bool(re.search(r"\bconfig\b", text)) == (path.stem == "common"), path.name
