# A target of its own unless a generator's source is "train": an edit to it never starts a training unasked. One thread,
# because sums over more of them may differ in the last bit.
rule train_generator:
    input:
        unpack(study.generator_training_inputs),
    output:
        weights="results/{dataset}/reconstruct/generators/{generator}/weights.safetensors",
        bounds="results/{dataset}/reconstruct/generators/{generator}/bounds.txt",
    log:
        "results/logs/train_generator/{dataset}_{generator}.log",
    benchmark:
        "results/benchmarks/train_generator/{dataset}_{generator}.tsv"
    wildcard_constraints:
        generator="[A-Za-z0-9_.-]+",
    conda:
        "../../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=study.generator_training_settings,
        code=lambda wildcards: code_digest("train_generator", also=study.generator_training_modules(wildcards)),
        env=env_digest("reconstruct"),
    message:
        "training generator {wildcards.generator} on generated images"
    script:
        "../scripts/train_generator.py"


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
    # Two days: end2end at its published size. A training that is stopped goes on where it was.
    resources:
        mem_mb=8000,
        runtime=2880,
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
