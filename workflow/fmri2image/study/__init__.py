"""A study: its checked configuration and everything that rules ask of it."""

from fmri2image.study.study import Study, load_study

__all__ = ["Study", "load_study"]
