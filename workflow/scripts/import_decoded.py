"""Decoded features of one subject, area and layer that somebody has published, from their archives."""

import json
from pathlib import Path

from fmri2image.core.job import job, versions
from fmri2image.decode.published import PublishedTest, gather_reference, import_decoded
from fmri2image.features.published import describe_layer, stimulus_names

# What may be known about true features; which norm corrections are possible depends on it.
KNOWN = ("feature_std", "mean_features", "training_features", "reference_features")


def main(files: dict, keys: dict, output: str, settings: dict) -> None:
    """Write decoded features of all tests, uncorrected, with what is known for the norm correction."""
    layer = keys["layer"]
    shape, attributes, layers = describe_layer(settings["network"], layer)
    stimuli = {Path(path).stem: path for path in files["stimuli"]}
    true = {Path(path).parent.name: path for path in files["true"]}
    tests = {
        test: PublishedTest(
            [settings["archives"][test]],
            stimulus_names(stimuli[stimulus_set]),
            settings["names"].get(test),
            true.get(stimulus_set),
        )
        for test, stimulus_set in settings["tests"].items()
    }
    reference = gather_reference(layer, shape, **{name: files[name] for name in KNOWN})
    about = {"simulated": settings["simulated"], "transductive": "False", "versions": json.dumps(versions())}
    import_decoded(
        tests,
        layer,
        keys["subject"],
        keys["roi"],
        output,
        shape=shape,
        attributes={**attributes, **about, "settings": json.dumps(settings)},
        layers=layers,
        slope=json.loads(attributes["architecture"])["slope"],
        reference=reference,
    )


if __name__ == "__main__":
    with job(snakemake) as j:
        optional = {name: j.input.get(name) for name in KNOWN}
        true = j.input.get("true_features", [])
        files = {
            "stimuli": [j.input.stimuli] if isinstance(j.input.stimuli, str) else list(j.input.stimuli),
            "true": [true] if isinstance(true, str) else list(true),
            **optional,
        }
        keys = {name: j.wildcards[name] for name in ("layer", "subject", "roi")}
        main(files, keys, j.output.layer, j.params.settings)
