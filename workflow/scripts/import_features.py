"""True features of one layer and stimulus set that somebody has published, from their archive."""

import json

from fmri2image.core.job import job, versions
from fmri2image.features.feature_std import feature_sd
from fmri2image.features.published import describe_layer, import_features, stimulus_names


def main(archives: list[str], stimuli: str, layer: str, output: str, settings: dict, feature_std: str | None) -> None:
    """Write the features of every stimulus of the set, before rectification."""
    shape, attributes, layers = describe_layer(settings["network"], layer)
    import_features(
        archives,
        layer,
        stimulus_names(stimuli),
        output,
        shape=shape,
        attributes=attributes,
        layers=layers,
        about={
            "simulated": settings["simulated"],
            "entry": settings.get("entry", ""),
            "versions": json.dumps(versions()),
        },
        subset=settings.get("subset", False),
        expected_sd=feature_sd(feature_std, layer, shape) if feature_std else None,
    )


if __name__ == "__main__":
    with job(snakemake) as j:
        archives = j.input.archive
        main(
            [archives] if isinstance(archives, str) else list(archives),
            j.input.stimuli,
            j.wildcards.layer,
            j.output.features,
            j.params.settings,
            j.input.get("feature_std"),
        )
