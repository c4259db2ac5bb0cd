"""Figures of the papers that the workflow reproduces, one module per kind of figure."""
