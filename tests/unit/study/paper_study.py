"""The study of the simulated subjects with every method, area and test that the figures of Shen et al. 2019 ask for."""

from studies import configuration

AREAS = ["V1", "V2", "V3", "V4", "HVC", "VC"]
SETS = {f"DNN1-{i}" if i > 1 else "DNN1": f"set{i}" for i in range(1, 8)} | {"DNN1-8": "icnn"}
SINGLE = {f"DNN{i}": f"layer{i}" for i in range(1, 9)}
PIXEL_STARTS = {"mean": "icnn", "uniform": "uniform", "zero": "zero"}
LATENT_STARTS = {"zero": "generator", "normal": "normal"}
PAPER = {
    "name": "shen2019",
    "area": "VC",
    "areas": AREAS,
    "early": "V1",
    "tests": {"natural": "test", "shapes": "shapes", "letters": "letters", "imagery": "imagery", "fixation": "rest"},
    "methods": {
        "pixels": "icnn", "generator": "generator", "layer_sets": SETS, "single_layers": SINGLE,
        "pixel_starts": PIXEL_STARTS, "latent_starts": LATENT_STARTS,
    },
}  # fmt: skip


def complete(changes: dict | None = None) -> dict:
    """Return a configuration that draws every figure but S3 and the movies; `changes` as in `configuration`."""
    config = configuration("config")
    methods = {"icnn": {key: value for key, value in config["reconstruct"]["methods"]["icnn"].items()}}
    others = [*SETS.values(), *SINGLE.values(), *PIXEL_STARTS.values(), *LATENT_STARTS.values()]
    methods |= {name: dict(methods["icnn"]) for name in others}
    for name in LATENT_STARTS.values():
        methods[name]["generator"] = next(iter(config["reconstruct"]["generators"]))
    return configuration(
        "config",
        {
            "reconstruct/methods": methods,
            "stimulus_sets": [*config["stimulus_sets"], "rest"],
            "tests": {**config["tests"], "rest": {"stimuli": "rest", "training": "train", "rows": "stimulus"}},
            "analyses": [
                *({"method": name, "rois": ["VC"], "tests": ["test"]} for name in dict.fromkeys(others)),
                {"method": "icnn", "rois": AREAS, "tests": ["shapes", "imagery", "rest"]},
                {"method": "icnn", "rois": ["VC"], "tests": ["letters"]},
            ],
            "report": {"primary": {"method": "icnn", "roi": "VC"}, "paper": PAPER},
            **(changes or {}),
        },
    )
