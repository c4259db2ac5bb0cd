"""Settings of simulated experiments that the tests share."""

import copy

DEMO = {
    "subjects": ["01", "02", "03"],
    "repetition_time": 2.0,
    "slice_timing": {"multiband": 4, "order": "interleaved"},
    "initial_rest": 32,
    "final_rest": 6,
    "voxel_size": 3.0,
    "slab": [144, 90, 66],
    "slab_tilt": -8.0,
    "t1w_voxel_size": 2.0,
    "warp": 3.5,
    "signal_to_noise": 1.0,
    "response": {"mean": 1.5, "deviation": 0.5, "trial_deviation": 0.5, "spread": 3.9},
    "noise": {
        "temporal_snr": 80,
        "physiological_fraction": 0.5,
        "cardiac": 0.2,
        "respiratory": 0.2,
        "autocorrelation": 0.4,
        "smoothness": 10.0,
        "drift": 0.7,
    },
    "motion": {
        "between_sessions": [[2.0, 4.0], [2.0, 3.0]],
        "between_runs": [0.5, 0.4],
        "within_run": [0.3, 0.2],
        "jumps": 1.5,
    },
    "stimulus_sets": {
        "train": {
            "session": "perceptionNaturalImageTraining", "runs": [4, 4], "images": 400, "repeats": 1, "one_back": 5,
            "block": 8, "rest": 0,
        },
        "test": {
            "session": "perceptionNaturalImageTest", "runs": [3], "images": 24, "repeats": 6, "one_back": 5,
            "block": 8, "rest": 0,
        },
        "shapes": {
            "session": "perceptionArtificialImage", "runs": [3], "images": 40, "repeats": 3, "one_back": 4,
            "block": 8, "rest": 0,
        },
        "letters": {
            "session": "perceptionLetterImage", "runs": [4], "images": 10, "repeats": 4, "one_back": 1,
            "block": 12, "rest": 12,
        },
    },
}  # fmt: skip


def tiny() -> dict:
    """Return settings of a scan of seconds: 5 mm voxels, two sessions, three runs."""
    settings = copy.deepcopy(DEMO)
    settings |= {"subjects": ["01"], "voxel_size": 5.0, "slab": [150, 95, 70], "t1w_voxel_size": 4.0}
    training, letters = settings["stimulus_sets"]["train"], settings["stimulus_sets"]["letters"]
    settings["stimulus_sets"] = {
        "train": training | {"images": 12, "runs": [2], "one_back": 1},
        "letters": letters | {"images": 3, "repeats": 1, "runs": [1]},
    }
    return settings


def with_imagery(settings: dict) -> dict:
    """Add an imagery session: two of the letters, twice each, in one run."""
    part = {"kind": "imagery", "session": "imagery", "runs": [1], "repeats": 2, "from": {"letters": 2}}
    sets = settings["stimulus_sets"] | {"imagery": part}
    return settings | {"stimulus_sets": sets, "imagery_amplitude": {"LVC": 0.2, "HVC": 0.5, "cue": 0.2}}
