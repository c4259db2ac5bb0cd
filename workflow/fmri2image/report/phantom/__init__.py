"""Figures that explain the simulated subjects, drawn from the files of the workflow alone."""
