"""Score a subject's one-back task from its events files."""

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.behaviour import TABLE_COLUMNS, behaviour_table
from fmri2image.evaluate.published import published_numbers
from fmri2image.samples.events import read_events
from fmri2image.samples.runs import file_of_run


def main(events: list[str], keys: dict, output: str, settings: dict) -> None:
    """Write sensitivity and specificity per stimulus set, beside the published numbers."""
    runs = []
    for plan in settings["runs"]:
        path = file_of_run(plan, events, "events")
        runs.append((plan["stimulus_set"], read_events(path, settings.get("imagery_stimuli"))))
    table = behaviour_table(
        runs, {**keys, "simulated": settings["simulated"]}, published_numbers(settings.get("paper"))
    )
    write_table(output, table, TABLE_COLUMNS, simulated=settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            list(j.input.events),
            {"dataset": j.wildcards.dataset, "subject": j.wildcards.subject},
            j.output.table,
            j.params.settings,
        )
