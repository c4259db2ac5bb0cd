# Images from decoded features or from samples; the same method on true features is its ceiling.
rule fit_method:
    input:
        unpack(study.fit_inputs),
    output:
        state="results/{dataset}/reconstruct/{method}/sub-{subject}_roi-{roi}_fit-{training}.pt",
    log:
        "results/logs/fit_method/{dataset}_{method}_sub-{subject}_roi-{roi}_{training}.log",
    benchmark:
        "results/benchmarks/fit_method/{dataset}_{method}_sub-{subject}_roi-{roi}_{training}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=600,
        gpu=study.gpu(),
    params:
        settings=study.fit_settings,
        code=lambda wildcards: code_digest("fit_method", also=study.method_modules(wildcards.method)),
        env=env_digest("reconstruct"),
    message:
        "sub-{wildcards.subject}, {wildcards.roi}: {wildcards.method} learns"
    script:
        "../scripts/fit_method.py"


rule reconstruct_images:
    input:
        unpack(study.reconstruct_inputs),
    output:
        images="results/{dataset}/reconstruct/{method}/{source}_{test}.h5",
        png=directory("results/{dataset}/reconstruct/{method}/{source}_{test}"),
    log:
        "results/logs/reconstruct_images/{dataset}_{method}_{source}_{test}.log",
    benchmark:
        "results/benchmarks/reconstruct_images/{dataset}_{method}_{source}_{test}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=360,
        gpu=study.gpu(),
    params:
        settings=study.reconstruct_settings,
        code=lambda wildcards: code_digest("reconstruct_images", also=study.method_modules(wildcards.method)),
        env=env_digest("reconstruct"),
    message:
        "{wildcards.method}: {wildcards.source}, {wildcards.test}"
    script:
        "../scripts/reconstruct_images.py"
