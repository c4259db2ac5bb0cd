"""The exceptions of fmri2image; their messages are written for the person who runs the pipeline."""


class Fmri2imageError(Exception):
    """Base of all errors with a message that names what is wrong and what to do."""


class ConfigError(Fmri2imageError):
    """The configuration asks for something that does not exist or contradicts itself."""


class DataError(Fmri2imageError):
    """A file is missing, truncated, or does not hold what its name promises."""


class LabelMismatchError(Fmri2imageError):
    """Two tables that must be joined by name do not hold the same names."""


class WriteError(Fmri2imageError):
    """A result cannot be written: the disk is full, or writing is not permitted there."""
