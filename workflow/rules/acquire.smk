# Raw data of the simulated subjects, as from a scanner.
rule simulate_stimuli:
    output:
        images=expand("results/{{dataset}}/stimuli/{stimulus_set}.h5", stimulus_set=study.stimulus_sets),
        table="results/{dataset}/stimuli/stimuli.tsv",
    log:
        "results/logs/simulate_stimuli/{dataset}.log",
    benchmark:
        "results/benchmarks/simulate_stimuli/{dataset}.tsv"
    conda:
        "../../envs/acquire.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        settings=study.stimuli_settings(),
        code=code_digest("simulate_stimuli"),
        env=env_digest("acquire"),
    message:
        "stimuli of the simulated subjects"
    script:
        "../scripts/simulate_stimuli.py"


rule simulate_dataset:
    output:
        study.dataset_files(),
    log:
        f"results/logs/simulate_dataset/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/simulate_dataset/{study.dataset}.tsv"
    conda:
        "../../envs/acquire.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.dataset_settings(),
        code=code_digest("simulate_dataset"),
        env=env_digest("acquire"),
    message:
        "description of the simulated BIDS dataset"
    script:
        "../scripts/simulate_dataset.py"


# One rule per subject, because runs per session differ between subjects and the files are the outputs.
for subject in study.subjects:

    rule:
        name:
            f"simulate_subject_{subject}"
        input:
            images=expand(
                "results/{dataset}/stimuli/{stimulus_set}.h5", dataset=study.dataset, stimulus_set=study.scanned_sets()
            ),
            table=f"{study.root}/stimuli/stimuli.tsv",
        output:
            bids=study.raw_files(subject),
            truth=f"{study.root}/truth/sub-{subject}_truth.h5",
        log:
            f"results/logs/simulate_subject/{study.dataset}_sub-{subject}.log",
        benchmark:
            f"results/benchmarks/simulate_subject/{study.dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/acquire.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            settings=study.simulate_settings(subject),
            code=code_digest("simulate_subject"),
            env=env_digest("acquire"),
        message:
            f"sub-{subject}: simulated scanning"
        script:
            "../scripts/simulate_subject.py"
