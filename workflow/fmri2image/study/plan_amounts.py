"""How much work a job has: the drivers of ``resources/rates.tsv``, from the configuration and the manifests."""

import csv
from collections.abc import Callable, Mapping
from functools import cached_property
from math import ceil
from pathlib import Path, PurePosixPath

from fmri2image.acquire.phantom import paradigm
from fmri2image.core.errors import ConfigError
from fmri2image.core.splits import training_name
from fmri2image.study.paths import TRUE_FEATURES
from fmri2image.study.plan_jobs import Job
from fmri2image.study.plan_known import (
    AREA_VOXELS,
    COLLECTIONS,
    FLOAT,
    SIMULATED_VOXEL,
    STIMULI,
    UNKNOWN_SET,
)
from fmri2image.study.study import Study

# Evaluations per iteration: a line search seldom needs a second one (measured: 1.03 to 1.08 of the simulated subjects).
EVALUATIONS = {"lbfgs": 1.1, "descent": 1.0}
# What reconstruct.batches makes of the rule's 8 GB: room beside Python and VGG19, what an image takes per byte of its
# features (VGG19: 447 MB for 59), and the largest batch on a CPU.
MATCHING_GB, MATCHING_FACTOR, MOST_MATCHED = 6.7, 7.5, 64
REPEATS = 5  # of training images in ds001506


class Amounts:
    """Amounts of every driver in a job.

    Parameters
    ----------
    study : Study
    downloads : mapping from file to GB
        Files that are to be fetched.

    Attributes
    ----------
    notes : dict
        What had to be assumed, in the order in which it was needed; the values mean nothing.
    """

    def __init__(self, study: Study, downloads: Mapping[str, float] | None = None) -> None:
        self.study, self.downloads = study, dict(downloads or {})
        self.notes: dict[str, None] = {}

    def amount(self, driver: str, job: Job) -> float:
        """Return the amount of a driver in a job, in the driver's unit."""
        return DRIVERS[driver](self, job)

    # Raw data ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _run_gb(self) -> dict[tuple[str, ...], float]:
        """GB of the BOLD file of every run, by subject, session, task and run."""
        study = self.study
        if study.simulated:
            settings = study.config["acquire"]["simulate"]
            voxels = 1.0
            for side in settings["slab"]:
                voxels *= side / settings["voxel_size"]
            return {
                (subject, row["session"], row["task"], row["run"]): row["n_volumes"] * voxels * SIMULATED_VOXEL
                for subject in study.subjects
                for row in paradigm.run_table(settings, subject).to_dict("records")
            }
        sizes = {file.path: file.size for file in study.manifest}
        return {
            (subject, run.session, run.task, run.run): sizes.get(run.bold, 0) / 1e9
            for subject, runs in study.raw_runs.items()
            for run in runs
        }

    def bold_gb(self, job: Job) -> float:
        """GB of raw BOLD: of a run, of the first run for the reference, or of a subject."""
        subject = job.wildcards.get("subject") or job.rule.rpartition("_")[2]
        mine = {key: gb for key, gb in self._run_gb.items() if key[0] == subject}
        if "run" in job.wildcards:
            keys = ("subject", "session", "task", "run")
            return mine.get(tuple(job.wildcards.get(key, "") for key in keys), 0.0)
        if job.rule == "make_reference":
            return next(iter(mine.values()), 0.0)
        return sum(mine.values())

    def kept_bold_gb(self, job: Job) -> float:
        """GB of raw BOLD of a run whose preprocessed volumes are kept; 0 where only signals are."""
        return self.bold_gb(job) if self.study.kept_bold("nii.gz") else 0.0

    def download_gb(self, job: Job) -> float:
        """GB to fetch, guessed where nobody has published a size."""
        folders = tuple(f"{output}/" for output in job.outputs)
        return sum(gb for file, gb in self.downloads.items() if file in job.outputs or file.startswith(folders))

    # Stimuli ----------------------------------------------------------------------------------------------------------

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Stimuli of the sets that somebody has listed or counted."""
        study = self.study
        known = dict(STIMULI.get(self._collection, {}))
        if study.simulated:
            known = _simulated_counts(study)
        table = Path(study.root) / "stimuli" / "stimuli.tsv"
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            names = [row.get("stimulus_set", "") for row in rows]
            known |= {name: names.count(name) for name in set(names)}
        return known

    @property
    def _collection(self) -> str:
        study = self.study
        named = [COLLECTIONS[one.collection] for one in study.entries() if one.collection in COLLECTIONS]
        return study.collection or next(iter(named), study.source)

    def count(self, stimulus_set: str) -> int:
        """Return the number of stimuli of a set."""
        if stimulus_set not in self._counts:
            self.notes[f"the number of stimuli in {stimulus_set} is not known yet; {UNKNOWN_SET} are assumed"] = None
        return self._counts.get(stimulus_set, UNKNOWN_SET)

    def _rows(self, test: str) -> int:
        return self.count(self.study.tests[test]["stimuli"])

    def stimuli(self, job: Job) -> float:
        """Stimuli of a job's set or test; of all sets where it names none."""
        if "stimulus_set" in job.wildcards:
            return self.count(job.wildcards["stimulus_set"])
        if "test" in job.wildcards:
            return self._rows(job.wildcards["test"])
        return sum(self.count(name) for name in self.study.stimulus_sets)

    def stimuli_gb(self, job: Job) -> float:
        """GB of the pictures of a job's set, three bytes a pixel; 0 for a set without."""
        size = self.study.config["acquire"].get("image_size", 224)
        return self.stimuli(job) * 3e-9 * size**2 * self.study.pictured(job.wildcards["stimulus_set"])

    # Networks ---------------------------------------------------------------------------------------------------------

    def _units(self, network: str, layers: list[str]) -> int:
        """Units of some layers of a network of the configuration, 0 for a network that cannot be built."""
        from fmri2image.study.plan_networks import layer_units

        try:
            units = layer_units(self.study.networks[network]["network"])
            return sum(units[layer] for layer in layers)
        except (ConfigError, KeyError) as error:
            self.notes[f"network {network} is left out of the estimate ({error})"] = None
            return 0

    def _tflop(self, network: str, layers: list[str]) -> float:
        from fmri2image.study.plan_networks import forward_tflop

        try:
            return forward_tflop(self.study.networks[network]["network"], layers)
        except ConfigError as error:
            self.notes[f"network {network} is left out of the estimate ({error})"] = None
            return 0.0

    def feature_gb(self, network: str, layers: list[str], stimulus_set: str) -> float:
        """GB of the true features of a stimulus set, float32."""
        return self._units(network, layers) * self.count(stimulus_set) * FLOAT

    def features_gb(self, job: Job) -> float:
        """GB of true features that a job writes, or reads for the ceiling; results/…/features/NETWORK/SET/LAYER.h5."""
        if job.wildcards.get("source") == TRUE_FEATURES:
            method = job.wildcards["method"]
            stimuli = self.study.tests[job.wildcards["test"]]["stimuli"]
            network = self.study.network_of(method)
            return self.feature_gb(network, self.study.method_layers(method), stimuli) if network else 0.0
        network, stimulus_set = _folders(job, "features")[:2]
        return self.feature_gb(network, _layers(job, "features"), stimulus_set) if network else 0.0

    def forward_tflop(self, job: Job) -> float:
        """10^12 operations of passing a stimulus set through a network."""
        network, stimulus_set = _folders(job, "features")[:2]
        return self._tflop(network, _layers(job, "features")) * self.count(stimulus_set)

    def judged_tflop(self, job: Job) -> float:
        """10^12 operations of judging all reconstructions of a test, and its stimuli."""
        study, judge = self.study, self.study.judges[job.wildcards["judge"]]
        from fmri2image.study.plan_networks import forward_tflop

        images = (len(study.sources(job.wildcards["method"], job.wildcards["test"])) + 1) * self._rows(
            job.wildcards["test"]
        )
        return forward_tflop(judge["network"], [judge["layer"]]) * images

    # Decoders ---------------------------------------------------------------------------------------------------------

    def _decoder(self, job: Job) -> str:
        return job.wildcards.get("decoder") or _folders(job, "decode")[0]

    def _decoded(self, job: Job) -> tuple[str, list[str]]:
        """Network and layers that a job decodes or scores."""
        decoder = self._decoder(job)
        return self.study.decoders[decoder]["network"], _layers(job, "decode") or self.study.decoder_layers(decoder)

    def decoded_units(self, job: Job) -> float:
        """Units times training sets; under cross-validation the number of folds is not known and counts 1."""
        tests = self.study.decoder_tests(self._decoder(job))
        return self._units(*self._decoded(job)) * len({training_name(tests, test) for test in tests})

    def gathered_gb(self, job: Job) -> float:
        """GB of the blocks of the Gram matrix that the decoders are solved from: the square of the selected voxels, float32."""
        return self._solved_gb(job, "ridge")

    def pruned_gb(self, job: Job) -> float:
        """Return the same of sparse linear regression, per 200 iterations."""
        entry = self.study.decoders[self._decoder(job)]
        return self._solved_gb(job, "slr") * entry.get("iterations", 200) / 200

    def _solved_gb(self, job: Job, kind: str) -> float:
        entry = self.study.decoders[self._decoder(job)]
        n_voxels = min(entry.get("n_voxels") or self._n_voxels, self._n_voxels)
        shared = kind == "ridge" and n_voxels == self._n_voxels  # decoders of all voxels share one decomposition
        return 0.0 if shared or entry["decoder"] != kind else self.decoded_units(job) * n_voxels**2 * FLOAT

    def decoded_gb(self, job: Job) -> float:
        """GB of decoded features of all tests, float32."""
        entry = self.study.decoders[self._decoder(job)]
        tests = entry.get("entries") or self.study.decoder_tests(self._decoder(job))
        return self._units(*self._decoded(job)) * sum(self._rows(test) for test in tests) * FLOAT

    # Reconstructions --------------------------------------------------------------------------------------------------

    def matching_tflop(self, job: Job) -> float:
        """10^12 operations of the forward passes of network and generator while images are matched; the rate has those back."""
        study, method = self.study, job.wildcards["method"]
        network = study.network_of(method)
        if network is None:
            return 0.0
        entry, size, rows = study.methods[method], self._batch(method, job), self._rows(job.wildcards["test"])
        per_iteration = EVALUATIONS.get(entry.get("optimiser", "lbfgs"), 1.0)
        # The last batch is filled up, and every evaluation is one of a whole batch.
        passes = entry.get("iterations", 0) * per_iteration * ceil(rows / size) * size
        refits = study.refits(method, job.wildcards["test"]) if job.rule == "refit_permuted" else 1
        once = self._tflop(network, study.method_layers(method)) + self._generator_tflop(method)
        return once * passes * refits

    def batch_gb(self, job: Job) -> float:
        """GB of the features of a batch, which bounds memory: of images that are extracted, or matched."""
        study = self.study
        if "method" in job.wildcards:
            method = job.wildcards["method"]
            network, layers = study.network_of(method), study.method_layers(method)
            return self._units(network, layers) * self._batch(method, job) * FLOAT if network else 0.0
        network, stimulus_set = _folders(job, "features")[:2]
        rows = min(study.networks[network]["batch"], self.count(stimulus_set))
        return self._units(network, _layers(job, "features")) * rows * FLOAT

    def trained_tflop(self, job: Job) -> float:
        """10^12 operations of the forward passes of training `end2end`; the rate has those back."""
        from fmri2image.study.plan_networks import end2end_tflop

        study, method = self.study, job.wildcards.get("method")
        if method is None or "architecture" not in study.methods[method]:
            return 0.0
        entry, comparator = study.methods[method], study.comparator_of(method)
        name = comparator and study.networks[comparator["network"]]["network"]
        layer = comparator["layer"] if comparator else ""
        once = end2end_tflop(entry["architecture"], self._n_voxels, name, layer, entry["adversarial_weight"] > 0)
        batch, steps = entry.get("batch", 64), entry.get("steps")
        if steps is None:
            training = job.wildcards.get("training") or training_name(study.tests, job.wildcards["test"])
            steps = ceil(entry["epochs"] * self._training_trials(training, entry.get("n_images")) / batch)
        refits = self.refits(job) if job.rule == "refit_permuted" else 1
        return once * batch * steps * refits

    def _training_trials(self, training: str, n_images: int | None) -> int:
        study = self.study
        stimuli = study.tests[training]["stimuli"] if training in study.tests else training
        repeats = REPEATS
        if study.simulated:
            repeats = study.config["acquire"]["simulate"]["stimulus_sets"][stimuli]["repeats"]
        else:
            self.notes[f"{REPEATS} trials of every image of {stimuli} are assumed to train"] = None
        return repeats * min(self.count(stimuli), n_images or self.count(stimuli))

    def _generator_tflop(self, method: str) -> float:
        from fmri2image.study.plan_networks import generator_tflop

        name = self.study.generator_of(method)
        return 0.0 if name is None else generator_tflop(self.study.generators[name]["generator"])

    def _batch(self, method: str, job: Job) -> int:
        """Images that are matched together: as configured, or equal parts of what memory holds."""
        size = self.study.methods[method].get("batch", "auto")
        if not isinstance(size, str):
            return size
        units = self._units(self.study.network_of(method), self.study.method_layers(method))
        most = max(1, min(MOST_MATCHED, int(MATCHING_GB / max(1e-9, MATCHING_FACTOR * units * FLOAT))))
        rows = self._rows(job.wildcards["test"]) if "test" in job.wildcards else most
        return ceil(rows / max(1, ceil(rows / most)))

    def gram_gb(self, job: Job) -> float:
        """GB of the Gram matrix of the largest area, which bounds the memory of decoding from below."""
        entry = self.study.decoders[self._decoder(job)]
        double = entry.get("precision", "float64" if entry["decoder"] == "slr" else "float32") == "float64"
        return self._n_voxels**2 * FLOAT * (2 if double else 1)

    @property
    def _n_voxels(self) -> int:
        """Voxels of the largest area."""
        responsive = self.study.config["samples"].get("responsive") or {}
        known = "simulated" if self.study.simulated else self._collection
        return responsive.get("n_voxels") or AREA_VOXELS.get(known, AREA_VOXELS["ds001506"])

    def refits(self, job: Job) -> float:
        """Refits with permuted pairs."""
        return self.study.refits(job.wildcards["method"], job.wildcards["test"])

    def network_refits(self, job: Job) -> float:
        """Refits with permuted pairs of a method that decodes a network's features."""
        return self.refits(job) if self.study.network_of(job.wildcards["method"]) else 0.0


def _folders(job: Job, stage: str) -> tuple[str, ...]:
    """Return the folders below results/DATASET/STAGE of a job's first output there."""
    for output in job.outputs:
        parts = PurePosixPath(output).parts
        if len(parts) > 4 and parts[0] == "results" and parts[2] == stage:
            return parts[3:-1]
    return ("", "", "")


def _layers(job: Job, stage: str) -> list[str]:
    mine = [PurePosixPath(output) for output in job.outputs]
    return [path.stem for path in mine if path.suffix == ".h5" and len(path.parts) > 4 and path.parts[2] == stage]


def _simulated_counts(study: Study) -> dict[str, int]:
    images = study.config["acquire"]["images"]
    shown = study.config["acquire"]["simulate"]["stimulus_sets"]
    counts = {name: paradigm.n_images(part) for name, part in shown.items()}
    return {"natural": images.get("natural_images", 0), **counts}


DRIVERS: dict[str, Callable[[Amounts, Job], float]] = {
    "jobs": lambda amounts, job: 1.0,
    "bold_gb": Amounts.bold_gb,
    "kept_bold_gb": Amounts.kept_bold_gb,
    "download_gb": Amounts.download_gb,
    "stimuli": Amounts.stimuli,
    "stimuli_gb": Amounts.stimuli_gb,
    "features_gb": Amounts.features_gb,
    "forward_tflop": Amounts.forward_tflop,
    "judged_tflop": Amounts.judged_tflop,
    "decoded_units": Amounts.decoded_units,
    "gathered_gb": Amounts.gathered_gb,
    "decoded_gb": Amounts.decoded_gb,
    "pruned_gb": Amounts.pruned_gb,
    "gram_gb": Amounts.gram_gb,
    "matching_tflop": Amounts.matching_tflop,
    "trained_tflop": Amounts.trained_tflop,
    "batch_gb": Amounts.batch_gb,
    "refits": Amounts.refits,
    "network_refits": Amounts.network_refits,
}
