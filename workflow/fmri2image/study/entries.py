"""Names of published files as a configuration writes them: entries of the registry, or paths, with places to fill in."""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from fmri2image.acquire.registry import PAGE, RESTRICTED, registry_entry
from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError

WEIGHTS = ("caffe-weights", "caffe-archive", "torch-weights", "torch-archive")
SAMPLES = ("samples",)
TABLES = ("stimulus-table",)
SUBJECT = re.compile(r"(?:^|-)sub-([A-Za-z0-9]+)(?:-|$)")


@dataclass(frozen=True)
class EntryPattern:
    """One name of a configuration that stands for one or more published files.

    Parameters
    ----------
    where : str
        Key of the configuration.
    text : str
        The name; with a slash it is a path of the user's own.
    kinds : tuple of str
        Kinds of the registry that are of use there; empty for any that can be downloaded.
    places : mapping from place to its values
        What may stand in braces, ``subject`` or ``layer``.
    """

    where: str
    text: str
    kinds: tuple[str, ...] = ()
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is a path of the user's own."""
        return "/" in self.text

    def names(self) -> list[str]:
        """Return the names with every combination of values filled in.

        Raises
        ------
        ConfigError
            If a place is misspelt.
        """
        used = self._used()
        chosen = [self.places[place] for place in used]
        return [self.text.format(**dict(zip(used, values, strict=True))) for values in product(*chosen)]

    def check(self) -> None:
        """Check that the names are entries of the registry which can be downloaded and are of the right kind.

        Raises
        ------
        ConfigError
        """
        names = self.names()
        if self.own:
            self._check_own()
            return
        self._check_told_apart()
        for name in names:
            try:
                entry = registry_entry(name)
            except DataError as error:
                raise ConfigError(f"config: {self.where}: {error}") from error
            if entry.kind in (PAGE, RESTRICTED):
                raise ConfigError(f"config: {self.where}: '{name}' cannot be downloaded; see {entry.source}.")
            if self.kinds and entry.kind not in self.kinds:
                raise ConfigError(
                    f"config: {self.where}: '{name}' is of kind {entry.kind}; {' or '.join(self.kinds)} is needed here."
                )

    def _used(self) -> list[str]:
        try:
            parts = [part for part in string.Formatter().parse(self.text) if part[1] is not None]
        except ValueError as error:
            raise ConfigError(
                f"config: {self.where}: '{self.text}' cannot be read ({error}); places to fill in look like {{subject}}."
            ) from error
        used = [name for _, name, _, _ in parts]
        wrong = [name + f"!{how}" * bool(how) + f":{kind}" * bool(kind) for _, name, kind, how in parts
                 if kind or how or name not in self.places]  # fmt: skip
        if wrong:
            known = " and ".join(f"{{{place}}}" for place in self.places)
            raise ConfigError(
                f"config: {self.where}: {{{wrong[0]}}} is nothing that can be filled in; "
                + (f"there {'are' if len(self.places) > 1 else 'is'} {known}." if known else "write the name in full.")
            )
        return list(dict.fromkeys(used))

    def _check_own(self) -> None:
        """Check that a path of the user's own can stand here."""
        if self.kinds == WEIGHTS:
            raise ConfigError(
                f"config: {self.where}: '{self.text}' is a path, and weights are converted from an entry of "
                "resources/registry.tsv; give the name of one, or take source 'shipped' for a safetensors file of yours."
            )
        if self.kinds == SAMPLES and not self.text.endswith(".h5"):
            raise ConfigError(f"config: {self.where}: '{self.text}' does not end in .h5; give samples in BData layout.")
        subjects = list(self.places.get("subject", ()))
        if self.kinds == SAMPLES and len(subjects) > 1 and "subject" not in self._used():
            raise ConfigError(
                f"config: {self.where}: '{self.text}' is one file, and the study has the subjects {shorten(subjects)}; write "
                "{subject} where the name tells the subject."
            )

    def missing_file(self) -> str:
        """Return the first path of the user's own that names no file; empty for none."""
        return next((name for name in self.names() if not Path(name).exists()), "") if self.own else ""

    def _check_told_apart(self) -> None:
        """Check that no name of one subject or layer stands for several."""
        subject = SUBJECT.search(self.text)
        subjects = list(self.places.get("subject", ()))
        if subject and subjects and [subject[1]] != subjects:
            raise ConfigError(
                f"config: {self.where}: '{self.text}' is of subject {subject[1]}, and the study has {shorten(subjects)}; "
                "write sub-{subject}."
            )
        layers = list(self.places.get("layer", ()))
        told = [layer for layer in layers if self.text.endswith(f"-{layer}")]
        if told and layers != told:
            raise ConfigError(
                f"config: {self.where}: '{self.text}' is of layer {told[0]}, and the network has {len(layers)}; "
                "write {layer}."
            )
