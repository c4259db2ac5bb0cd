# `snakemake plan`: budget before a run, for the configuration in force (docs/plan.md). It runs whenever it is asked for.
from fmri2image.study.announce import on_success
from fmri2image.study.plan_rule import plan_settings


rule plan:
    output:
        text=f"{study.root}/plan/plan.txt",
        downloads=f"{study.root}/plan/downloads.tsv",
        downloads_sidecar=f"{study.root}/plan/downloads.json",
        stages=f"{study.root}/plan/stages.tsv",
        stages_sidecar=f"{study.root}/plan/stages.json",
        rules=f"{study.root}/plan/rules.tsv",
        rules_sidecar=f"{study.root}/plan/rules.json",
    log:
        f"results/logs/plan/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/plan/{study.dataset}.tsv"
    localrule: True
    conda:
        "../../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=lambda wildcards: plan_settings(study, workflow),
        code=lambda wildcards: code_digest("plan", also=[study.network_module(name) for name in study.networks]),
        env=env_digest("features"),
    message:
        "plan"
    script:
        "../scripts/plan.py"


onsuccess:
    on_success(study, workflow)
