# One rule per network, because its layers are the outputs.
for network in study.networks:

    rule:
        name:
            f"extract_features_{network}".replace("-", "_")
        input:
            images="results/{dataset}/stimuli/{stimulus_set}.h5",
            weights=study.networks[network]["weights"],
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
