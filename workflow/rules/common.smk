# The only place where the configuration is read: everything else asks `study`.
import sys

from fmri2image.core.digest import code_digest, env_digest
from fmri2image.study.announce import on_error, on_start, study_or_exit
from fmri2image.study.paper_scores import PAPER_TABLES
from fmri2image.study.raw import CONFOUNDS, SERIES, SUMMARY

study = study_or_exit(config, sys.argv)


wildcard_constraints:
    dataset=study.dataset,
    subject="|".join(study.subjects),
    session="[A-Za-z0-9]+",
    run="[0-9]+",
    roi="|".join(study.rois),
    stimulus_set="|".join(study.stimulus_sets),
    test="|".join(study.tests),
    network="|".join(study.networks),
    decoder="|".join(study.decoders),
    method="|".join(study.methods),
    source="sub-[A-Za-z0-9]+_roi-[A-Za-z0-9]+|true-features",
    training="[a-z]+",
