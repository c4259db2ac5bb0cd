# A target of its own unless a network's source is "train": an edit to a network never starts a training unasked.
rule train_network:
    output:
        weights="results/{dataset}/features/{network}/weights.safetensors",
    log:
        "results/logs/train_network/{dataset}_{network}.log",
    benchmark:
        "results/benchmarks/train_network/{dataset}_{network}.tsv"
    conda:
        "../../envs/features.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=study.training_settings,
        code=lambda wildcards: code_digest("train_network", also=[study.network_module(wildcards.network)]),
        env=env_digest("features"),
    message:
        "training {wildcards.network} on generated images"
    script:
        "../scripts/train_network.py"


if study.converts_weights:

    rule convert_weights:
        input:
            source=study.weights_source,
        output:
            weights="resources/downloaded/weights/{entry}.safetensors",
            about="resources/downloaded/weights/{entry}.json",
        log:
            "results/logs/convert_weights/{entry}.log",
        benchmark:
            "results/benchmarks/convert_weights/{entry}.tsv"
        wildcard_constraints:
            entry="[A-Za-z0-9_.-]+",
        conda:
            "../../envs/features.yaml"
        threads: 2
        resources:
            mem_mb=6000,
            runtime=60,
        params:
            settings=study.convert_settings,
            code=lambda wildcards: code_digest("convert_weights", also=[study.entry_module(wildcards.entry)]),
            env=env_digest("features"),
        message:
            "weights {wildcards.entry} as safetensors"
        script:
            "../scripts/convert_weights.py"


for network in study.networks:
    for stimulus_set in study.imported_features(network):

        # Features that somebody has published, one layer per job: the largest has 15 GB.
        rule:
            name:
                f"import_features_{network}_{stimulus_set}".replace("-", "_")
            input:
                unpack(study.imported_inputs(network, stimulus_set)),
            output:
                features=f"results/{{dataset}}/features/{network}/{stimulus_set}/{{layer}}.h5",
            log:
                f"results/logs/import_features/{{dataset}}_{network}_{stimulus_set}_{{layer}}.log",
            benchmark:
                f"results/benchmarks/import_features/{{dataset}}_{network}_{stimulus_set}_{{layer}}.tsv"
            wildcard_constraints:
                layer="[a-z0-9_]+",
            conda:
                "../../envs/features.yaml"
            threads: 1
            resources:
                mem_mb=1500,
                runtime=240,
            params:
                settings=study.imported_settings(network, stimulus_set),
                code=code_digest("import_features"),
                env=env_digest("features"),
            message:
                f"published features of stimulus set {stimulus_set} in {network}, {{wildcards.layer}}"
            script:
                "../scripts/import_features.py"


# One rule per network, because its layers are the outputs.
for network in study.networks:

    rule:
        name:
            f"extract_features_{network}".replace("-", "_")
        input:
            images="results/{dataset}/stimuli/{stimulus_set}.h5",
            weights=study.weights(network),
        output:
            layers=expand(
                "results/{{dataset}}/features/{network}/{{stimulus_set}}/{layer}.h5",
                network=network,
                layer=study.layers(network),
            ),
        log:
            f"results/logs/extract_features/{{dataset}}_{network}_{{stimulus_set}}.log",
        benchmark:
            f"results/benchmarks/extract_features/{{dataset}}_{network}_{{stimulus_set}}.tsv"
        wildcard_constraints:
            stimulus_set="|".join(study.computed_features(network)) or "none",
        conda:
            "../../envs/features.yaml"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.feature_settings(network),
            code=code_digest("extract_features", also=[study.network_module(network)]),
            env=env_digest("features"),
        message:
            f"features of stimulus set {{wildcards.stimulus_set}} in {network}"
        script:
            "../scripts/extract_features.py"


if study.judges:

    # On the machine that runs Snakemake, because computing nodes often have no internet.
    rule fetch_weights:
        output:
            weights="resources/downloaded/judges/{weights}.safetensors",
        log:
            "results/logs/fetch_weights/{weights}.log",
        benchmark:
            "results/benchmarks/fetch_weights/{weights}.tsv"
        wildcard_constraints:
            weights="|".join(judge["network"] for judge in study.judges.values()),
        localrule: True
        conda:
            "../../envs/features.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            settings=study.fetch_settings,
            code=lambda wildcards: code_digest("fetch_weights", also=[study.fetch_module(wildcards.weights)]),
            env=env_digest("features"),
        message:
            "published weights of {wildcards.weights}"
        script:
            "../scripts/fetch_weights.py"
