# Clean each run, one response per stimulus block: trials × voxels in BData layout.
if study.runs:

    rule build_samples:
        input:
            unpack(study.samples_inputs),
        output:
            samples="results/{dataset}/samples/sub-{subject}.h5",
            trials="results/{dataset}/samples/sub-{subject}_trials.tsv",
            trials_sidecar="results/{dataset}/samples/sub-{subject}_trials.json",
            runs="results/{dataset}/samples/sub-{subject}_runs.tsv",
            runs_sidecar="results/{dataset}/samples/sub-{subject}_runs.json",
        log:
            "results/logs/build_samples/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/build_samples/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/samples.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.samples_settings,
            code=code_digest("build_samples"),
            env=env_digest("samples"),
        message:
            "sub-{wildcards.subject}: block responses"
        script:
            "../scripts/build_samples.py"

    if study.modulated_set:

        rule fit_modulators:
            input:
                unpack(study.modulator_inputs),
            output:
                samples="results/{dataset}/samples/sub-{subject}_modulators.h5",
            log:
                "results/logs/fit_modulators/{dataset}_sub-{subject}.log",
            benchmark:
                "results/benchmarks/fit_modulators/{dataset}_sub-{subject}.tsv"
            conda:
                "../../envs/samples.yaml"
            threads: 1
            resources:
                mem_mb=4000,
                runtime=60,
            params:
                settings=study.modulator_settings,
                code=code_digest("fit_modulators"),
                env=env_digest("samples"),
            message:
                "sub-{wildcards.subject}: betas of modulators"
            script:
                "../scripts/fit_modulators.py"

elif study.source == "published" and study.sampled:

    rule import_samples:
        input:
            unpack(study.published_samples),
        output:
            samples="results/{dataset}/samples/sub-{subject}.h5",
        log:
            "results/logs/import_samples/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/import_samples/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/samples.yaml"
        threads: 1
        resources:
            mem_mb=8000,
            runtime=60,
        params:
            settings=study.published_samples_settings,
            code=code_digest("import_samples"),
            env=env_digest("samples"),
        message:
            "sub-{wildcards.subject}: published responses"
        script:
            "../scripts/import_samples.py"

elif study.source in ("vim1", "brains"):

    rule import_restricted:
        input:
            study.restricted_files(),
        output:
            samples=expand("results/{{dataset}}/samples/sub-{subject}.h5", subject=study.subjects),
            images=expand("results/{{dataset}}/stimuli/{stimulus_set}.h5", stimulus_set=study.stimulus_sets),
            table="results/{dataset}/stimuli/stimuli.tsv",
        log:
            "results/logs/import_restricted/{dataset}.log",
        benchmark:
            "results/benchmarks/import_restricted/{dataset}.tsv"
        conda:
            "../../envs/samples.yaml"
        threads: 1
        resources:
            mem_mb=8000,
            runtime=60,
        params:
            settings=study.restricted_settings(),
            code=code_digest("import_restricted"),
            env=env_digest("samples"),
        message:
            f"samples and stimuli of {study.source}"
        script:
            "../scripts/import_restricted.py"

elif study.sampled:

    rule import_miyawaki:
        input:
            study.miyawaki_files(),
        output:
            samples="results/{dataset}/samples/sub-01.h5",
            images=expand("results/{{dataset}}/stimuli/{stimulus_set}.h5", stimulus_set=study.stimulus_sets),
        log:
            "results/logs/import_miyawaki/{dataset}.log",
        benchmark:
            "results/benchmarks/import_miyawaki/{dataset}.tsv"
        retries: 1
        conda:
            "../../envs/samples.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.miyawaki_settings(),
            code=code_digest("import_miyawaki"),
            env=env_digest("samples"),
        message:
            "Miyawaki et al. 2008: samples and stimuli"
        script:
            "../scripts/import_miyawaki.py"
