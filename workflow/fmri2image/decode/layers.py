"""Decoding the layers of a network, streamed over units so that no layer has to fit in memory."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from fmri2image.core.job import versions
from fmri2image.core.samples import Samples
from fmri2image.decode.chosen import voxel_names
from fmri2image.decode.decoders import READS_TEST
from fmri2image.decode.feature_rows import Chunk, FeatureRows, plan_chunks
from fmri2image.decode.kept import kept_path
from fmri2image.decode.layer_chunks import decode_chunk, observe
from fmri2image.decode.layer_file import Layer, chunk_name, write_kept, write_layer
from fmri2image.decode.memory import Allowance, Limits, allow
from fmri2image.decode.standardise import Scale
from fmri2image.decode.training_sets import Fitted, fit, gather, group, need
from fmri2image.decode.unfinished import Unfinished

log = logging.getLogger(__name__)

REPORT_SECONDS = 30


class LayerDecoding:
    """Decoders of one subject and area for all tests; layers are decoded one after the other.

    Parameters
    ----------
    samples : Samples
        Trials of training and test sets, voxels of the area.
    tests : mapping from test name to its settings
        See `fmri2image.core.splits.folds`; ``rows`` is "stimulus" or "trial".
    settings : mapping
        A decoder's entry of the configuration: ``decoder`` and what that takes, ``norm_reference`` (the stimulus set whose
        true features say how large features are, or ``training``), ``transform`` ("raw", or "absolute" for absolute values
        of true features before everything), ``keep`` (whether decoders are kept beside the decoded features).
    device : torch.device
    limits : Limits, optional
    workers : int
    code : mapping, optional
        What `core.digest.code_digest` says of the code that is used; chunks of an interrupted run by other code are not
        continued.

    Attributes
    ----------
    trainings : list of training_sets.TrainingSet
    allowance : memory.Allowance
        Units of a chunk, and bytes for the decoder's own work.

    Raises
    ------
    ConfigError
        If the limit of memory is too small for what does not depend on the layer; the sentence says how much is needed.

    Notes
    -----
    Held-out tests that share their training trials share one decoder. Training sets that do not fit in memory together are
    used one group after the other, and features are then read once per group.
    """

    def __init__(
        self,
        samples: Samples,
        tests: Mapping[str, Mapping],
        settings: Mapping,
        device: torch.device,
        *,
        limits: Limits | None = None,
        workers: int = 1,
        code: Mapping | None = None,
    ) -> None:
        limits = limits or Limits()
        self._samples, self._settings, self._device, self._workers = samples, dict(settings), device, workers
        self._tests = {test: dict(entry) for test, entry in tests.items()}
        self._code = dict(code or {})
        self._reads_test = settings["decoder"] in READS_TEST
        self.reference: str = settings["norm_reference"]
        self.trainings, self.rows = gather(samples, tests, ceilings=not self._reads_test)
        on_gpu = device.type == "cuda"
        self._groups = group(self.trainings, samples, settings, workers, limits.memory_gb * 1e9, on_gpu)
        found = [allow(need(sets, samples, settings, workers, device), limits, device) for sets in self._groups]
        self.allowance = Allowance(min(one.units for one in found), min(one.block for one in found))
        self._untidy: list[Unfinished] = []
        self._held: tuple[int, list[Fitted]] | None = None
        self._scales: dict[int, list[Scale]] = {}
        self._voxels = voxel_names(samples.voxels)
        self._content = _digest(samples)

    def decode(
        self, features: Mapping[str, str | Path], output: str | Path, attributes: Mapping, *, tidy: bool = True
    ) -> None:
        """Decode one layer for all tests and write it, uncorrected, with what every norm correction needs.

        A run that was killed is continued where it was; see `unfinished`.

        Parameters
        ----------
        features : mapping from stimulus set to feature file of this layer
            Files that together hold the true features (array ``features``) of all training stimuli and of the stimulus
            set that is the reference of the norm correction, and of the test stimuli for decoders that read these.
        output : path
            HDF5 file; per test an array (n_rows, ...) named as the test, and beside it

            - ``<test>_sizes`` (n_rows, 5) and ``<test>_reference`` (n_rows, 2), columns as `norm.SIZES` and
              `norm.REFERENCES`,
            - ``<test>_training`` (n_rows,), the row of ``training_mean`` (n_trainings, ...) that holds the training means
              of its units,
            - for held-out tests with rows of stimuli shown twice or more, ``<test>_unit_reliability`` (...) and
              ``<test>_pattern_reliability`` (n_rows,), the correlations of features decoded from odd and from even trials.

            ``voxels_chosen``, ``voxels_kept`` and ``voxels_weight_sum`` (n_trainings, n_voxels) count units that chose a
            voxel and those that kept it, and add their absolute weights; ``voxels`` names the columns. Units that are
            constant or damaged (not finite) are left out; attributes tell their numbers, and those of such voxels.
        attributes : mapping
            Attributes of the file.
        tidy : bool
            Whether to remove the chunks. A job with several layers keeps them until `tidy` is called at its end: when it
            is killed, Snakemake deletes the finished layers, too, and they are put together again from their chunks.
        """
        transform = self._settings.get("transform", "raw")
        with FeatureRows(features, transform) as source:
            self._check(source)
            attributes = {**source.attributes, **attributes, "transform": transform}
            if self._reads_test:
                attributes["transductive"] = "True"
            fingerprint = self._fingerprint(source, attributes)
            with Unfinished(output, fingerprint, self.allowance.units) as unfinished:
                chunks = plan_chunks(source.shape, unfinished.most_units)
                for number in range(len(self._groups)):
                    self._decode_group(source, number, chunks, unfinished)
                scales = [scale for number in range(len(self._groups)) for scale in self._scales_of(number)]
                layer = Layer(source.shape, chunks, self._groups, self.rows, self._voxels, scales, self._images(source))
                if self._settings.get("keep"):
                    write_kept(kept_path(output), layer, unfinished, attributes)
                write_layer(output, layer, unfinished, attributes)
                if tidy:
                    unfinished.remove()
                else:
                    self._untidy.append(unfinished)

    def tidy(self) -> None:
        """Remove the chunks of all layers that were decoded with ``tidy=False``."""
        while self._untidy:
            self._untidy.pop().remove()

    def _decode_group(self, source: FeatureRows, number: int, chunks: Sequence[Chunk], unfinished: Unfinished) -> None:
        missing = [chunk for chunk in chunks if not unfinished.done(chunk_name(number, chunk))]
        if not missing:
            return
        together = self._fitted(number)
        if any(getattr(fitted.decoder, "passes", 1) > 1 for fitted in together):
            for fitted in together:
                fitted.decoder.start()
            for chunk in chunks:
                observe(source, chunk, together)
        progress = _Progress(sum(chunk.n_units for chunk in missing))
        independent = self._images(source)
        if independent is not None and number > 0:
            independent = []
        for chunk in missing:
            arrays = decode_chunk(source, chunk, together, self._settings, independent)
            unfinished.save(chunk_name(number, chunk), arrays)
            progress.add(chunk.n_units)

    def _fitted(self, number: int) -> list[Fitted]:
        if self._held is None or self._held[0] != number:
            self._held = None  # first, or two groups would be in memory
            samples, settings = self._samples, self._settings
            fitted = [
                fit(one, samples, settings, self._device, self._workers, self.allowance.block)
                for one in self._groups[number]
            ]
            self._held = number, fitted
            self._scales[number] = [one.training.voxel_scale for one in fitted]
        return self._held[1]

    def _scales_of(self, number: int) -> list[Scale]:
        if number not in self._scales:
            self._fitted(number)
        return self._scales[number]

    def _images(self, source: FeatureRows) -> list[str] | None:
        return None if self.reference == "training" else source.names(self.reference)

    def _check(self, source: FeatureRows) -> None:
        for training in self.trainings:
            source.check(training.stimuli)
            for target in training.targets if self._reads_test else ():
                source.check(target.stimuli)

    def _fingerprint(self, source: FeatureRows, attributes: Mapping) -> dict:
        """Return everything that decoded features depend on, as far as it could change between two runs."""
        return {
            "samples": self._content,
            "features": source.identity(),
            "tests": self._tests,
            "settings": self._settings,
            "device": self._device.type,
            "code": self._code,
            "versions": versions(),
            "attributes": {key: str(value) for key, value in attributes.items()},
        }


class _Progress:
    """Says every half minute how fast units are decoded and how long the rest will take."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._started = self._told = time.monotonic()

    def add(self, n_units: int) -> None:
        """Count units that are done."""
        self._done += n_units
        now = time.monotonic()
        if now - self._told >= REPORT_SECONDS:
            self._told = now
            speed = self._done / (now - self._started)
            left = (self._total - self._done) / speed / 60
            log.info("%d of %d units, %.3g per second, %.3g minutes left", self._done, self._total, speed, left)


def _digest(samples: Samples) -> str:
    """Return a digest of responses, trials and voxels."""
    found = hashlib.sha256()
    for start in range(0, len(samples.data), 256):
        found.update(samples.data[start : start + 256].tobytes())
    for table in (samples.trials, samples.voxels):
        found.update(table.to_csv().encode())
    return found.hexdigest()
