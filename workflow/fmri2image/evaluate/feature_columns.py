"""Columns of the tables of feature decoding, and what they mean."""

from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS

KEY_COLUMNS = {
    "dataset": "Study",
    "decoder": "Named setting of a decoder",
    "subject": "Subject label",
    "roi": "Visual area that was decoded",
    "layer": "Layer of the network, before rectification",
    "test": "Test of the configuration",
    "stimulus_set": "Image set of the test",
}
FLAG_COLUMNS = {key: SCORE_COLUMNS[key] for key in ("transductive", "simulated")}
LAYER_COLUMNS = {
    **KEY_COLUMNS,
    "metric": "unit_correlation: mean over units of r over stimuli; pattern_correlation: mean over stimuli of r over units "
    "(z-scored by training statistics); pattern_identification: pairwise identification by that r; "
    "pattern_correlation_raw: r over units of features as they are; zero_shot_pairwise and zero_shot_top<k>: share of all "
    "training stimuli that the own stimulus beats, and share of stimuli among the best k, by r of z-scored patterns",
    "n_units": "Units of the layer",
    "n_counted": "Units that enter the value",
    "n_left_out": "Units that do not: not finite, or constant over the stimuli (z-scored patterns: over the training stimuli)",
    "value": "Mean over rows or units, as a fraction",
    "n_rows": PERMUTATION_COLUMNS["n_rows"].replace("Reconstructions", "Decoded patterns"),
    "n_comparisons": "Stimuli that the own one competes with, n/a where none does",
    **{key: PERMUTATION_COLUMNS[key] for key in ("chance", "chance_p01", "chance_p95", "chance_p99", "p_value")},
    "n_permutations": "Permutations of the stimuli's labels",
    "noise_ceiling": "Correlation expected between what is decoded from these trials and from endless ones, from the mean "
    "split-half reliability over units (or stimuli); n/a where that is unknown or not clearly positive",
    "normalised": "Mean accuracy over the noise ceiling: the accuracy expected after endless repeats of the test",
    "n_reliable": "Units whose own split-half reliability is clearly positive (one-sided p < 0.01)",
    "normalised_reliable": "The same ratio of means over those units alone; too low where few units are reliable",
    **FLAG_COLUMNS,
}
STIMULUS_COLUMNS = {
    **KEY_COLUMNS,
    "stimulus": SCORE_COLUMNS["stimulus"],
    "pattern_correlation": "r over units of decoded and true pattern, z-scored by training mean and SD",
    "pattern_correlation_raw": "The same r of features as they are",
    "pattern_reliability": "r over units of the patterns decoded from odd and from even trials, z-scored; n/a if unknown",
    "identification": "Share of the other stimuli of the set whose z-scored pattern is less like the decoded one",
    "n_comparisons": "Other stimuli of the set",
    "zero_shot_rank": "Place of the own stimulus among itself and all training stimuli, 1 is best; n/a where training saw it",
    "zero_shot_pairwise": "Share of the training stimuli that are less like the decoded pattern than the own stimulus is",
    "n_training": "Training stimuli that compete",
    **FLAG_COLUMNS,
}
