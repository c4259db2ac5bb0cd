# One rule per decoder, because the layers of its network are the outputs.
for decoder in study.fitted_decoders():

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


# Decoded features that somebody has published, one layer per job.
for decoder in study.published_decoders():

    rule:
        name:
            f"import_decoded_{decoder}".replace("-", "_")
        input:
            unpack(study.published_decoded(decoder)),
        output:
            layer=f"results/{{dataset}}/decode/{decoder}/{study.decoders[decoder]['network']}/sub-{{subject}}_roi-{{roi}}/{{layer}}.h5",
        log:
            f"results/logs/import_decoded/{{dataset}}_{decoder}_sub-{{subject}}_roi-{{roi}}_{{layer}}.log",
        benchmark:
            f"results/benchmarks/import_decoded/{{dataset}}_{decoder}_sub-{{subject}}_roi-{{roi}}_{{layer}}.tsv"
        wildcard_constraints:
            layer="[a-z0-9_]+",
        conda:
            "../../envs/decode.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            settings=study.published_decoded_settings(decoder),
            code=code_digest("import_decoded"),
            env=env_digest("decode"),
        message:
            f"sub-{{wildcards.subject}}, {{wildcards.roi}}, {{wildcards.layer}}: features published as {decoder}"
        script:
            "../scripts/import_decoded.py"
