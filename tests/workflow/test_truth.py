"""What was simulated is read where results are scored, and nowhere else."""

import re

from fmri2image.core.digest import WORKFLOW


def inputs_by_rule(output):
    """Read the inputs of every rule's jobs from the text of a dry run."""
    found = {}
    for name, block in re.findall(r"^rule (\w+):\n((?: +\S.*\n)+)", output, re.MULTILINE):
        inputs = re.search(r"^ +input: (.*)$", block, re.MULTILINE)
        found.setdefault(name, set()).update(inputs[1].split(", ") if inputs else [])
    return found


def test_only_evaluation_reads_the_truth(repository):
    # A dry run shows a job's message in place of its inputs.
    for path in (repository / "workflow" / "rules").glob("*.smk"):
        path.write_text(re.sub(r"\n +message:\n.*", "", path.read_text(encoding="utf-8")), encoding="utf-8")
    done = repository.snakemake("-n", "--forceall")
    assert done.returncode == 0, done.stdout[-3000:]
    inputs = inputs_by_rule(done.stdout)
    assert any(file.endswith("events.tsv") for file in inputs["build_samples"])
    readers = {name for name, files in inputs.items() if any("/truth/" in file for file in files)}
    text = (WORKFLOW / "rules" / "evaluate.smk").read_text(encoding="utf-8")
    assert {"score_motion", "score_recovery"} <= readers
    assert readers <= set(re.findall(r"^ *rule (\w+):", text, re.MULTILINE))
