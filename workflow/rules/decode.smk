# One rule per decoder, because the layers of its network are the outputs.
for decoder in study.decoders:

    rule:
        name:
            f"decode_features_{decoder}".replace("-", "_")
        input:
            samples="results/{dataset}/samples/sub-{subject}.h5",
            features=study.training_features(decoder),
        output:
            layers=expand(
                "results/{{dataset}}/decode/{decoder}/{network}/sub-{{subject}}_roi-{{roi}}/{layer}.h5",
                decoder=decoder,
                network=study.decoders[decoder]["network"],
                layer=study.layers(study.decoders[decoder]["network"]),
            ),
        log:
            f"results/logs/decode_features/{{dataset}}_{decoder}_sub-{{subject}}_roi-{{roi}}.log",
        benchmark:
            f"results/benchmarks/decode_features/{{dataset}}_{decoder}_sub-{{subject}}_roi-{{roi}}.tsv"
        conda:
            "../../envs/decode.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            settings=study.decode_settings(decoder),
            code=code_digest("decode_features"),
            env=env_digest("decode"),
        message:
            f"sub-{{wildcards.subject}}, {{wildcards.roi}}: features by {decoder}"
        script:
            "../scripts/decode_features.py"
