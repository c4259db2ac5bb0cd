"""Weights and features of others, from the formats they are published in to ours."""
