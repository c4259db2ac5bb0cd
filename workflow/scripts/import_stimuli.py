"""Read the pictures of one stimulus set of a real dataset, or say why there are none."""

import pandas as pd

from fmri2image.acquire.stimuli import StimulusSettings, import_set
from fmri2image.core.job import job
from fmri2image.samples.published_labels import read_names
from fmri2image.samples.stimuli import stimuli_of_events, stimuli_of_samples


def main(inputs: dict, output: str, settings: dict) -> None:
    """Write the file of the set; the names come from the events, the samples, a table, or the archive of the pictures."""
    stimulus_set, chapter = settings["stimulus_set"], settings["source"]
    if "events" in inputs:
        runs = {path: settings.get("run_sets", {}).get(path, stimulus_set) for path in inputs["events"]}
        wanted = stimuli_of_events(runs, settings["imagery_stimuli"], settings["apart"])
    elif "samples" in inputs:
        wanted = stimuli_of_samples(inputs["samples"])
    else:
        names = read_names(inputs["names"][0]) if "names" in inputs else []
        wanted = pd.DataFrame({"stimulus": names, "file": None, "pattern": None}).assign(stimulus_set=stimulus_set)
    wanted = wanted[(wanted["stimulus_set"] == stimulus_set) & ~wanted["stimulus"].isin(settings["leave_out"] or [])]
    known = {key: chapter[key] for key in ("folder", "show", "ask", "crop", "fit", "allow_missing") if key in chapter}
    if chapter.get("from") == "bids":
        known["folder"] = f"{settings['bids']}/stimuli"
    source = StimulusSettings(source=chapter.get("from", "missing"), reason=settings["reason"], **known)
    archive = next(iter(inputs.get("archive", [])), None)
    import_set(stimulus_set, wanted, source, settings["size"], output, archive=archive, others=inputs.get("sets", []))


if __name__ == "__main__":
    with job(snakemake) as j:
        inputs = {name: [paths] if isinstance(paths, str) else list(paths) for name, paths in j.input.items()}
        main(inputs, j.output.images, j.params.settings)
