# One rule per decoder and group of layers, because the layers are the outputs.
for word, decoder, layers in study.decode_jobs():

    rule:
        name:
            f"decode_features_{word}"
        input:
            samples="results/{dataset}/samples/sub-{subject}.h5",
            features=study.decode_inputs(decoder, layers),
        output:
            layers=study.decode_outputs(decoder, layers),
            kept=study.kept_outputs(decoder, layers),
        log:
            f"results/logs/decode_features/{{dataset}}_{word}_sub-{{subject}}_roi-{{roi}}.log",
        benchmark:
            f"results/benchmarks/decode_features/{{dataset}}_{word}_sub-{{subject}}_roi-{{roi}}.tsv"
        conda:
            "../../envs/decode.yaml"
        threads: study.decode_workers()
        resources:
            mem_mb=study.decode_memory(),
            gpu_memory_percent=study.decode_gpu_memory(),
            runtime=240,
            gpu=study.gpu(),
        params:
            settings=study.decode_settings(decoder, layers),
            code=code_digest("decode_features", also=[study.decoder_module(decoder)]),
            env=env_digest("decode"),
        message:
            f"sub-{{wildcards.subject}}, {{wildcards.roi}}: features by {decoder}, {layers[0]} to {layers[-1]}"
        script:
            "../scripts/decode_features.py"


for decoder in study.mapped_decoders():

    rule:
        name:
            f"map_voxels_{decoder}".replace("-", "_")
        input:
            samples="results/{dataset}/samples/sub-{subject}.h5",
            decoded=lambda wildcards, decoder=decoder: study.mapped_files(decoder, wildcards.subject),
            grid=study.map_grid,
        output:
            maps=directory(f"{study.maps(decoder)}/sub-{{subject}}"),
            table=f"{study.maps(decoder)}/sub-{{subject}}_areas.tsv",
            sidecar=f"{study.maps(decoder)}/sub-{{subject}}_areas.json",
        log:
            f"results/logs/map_voxels/{{dataset}}_{decoder}_sub-{{subject}}.log",
        benchmark:
            f"results/benchmarks/map_voxels/{{dataset}}_{decoder}_sub-{{subject}}.tsv"
        conda:
            "../../envs/decode.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            settings=lambda wildcards, decoder=decoder: study.map_settings(decoder, wildcards.subject),
            code=code_digest("map_voxels"),
            env=env_digest("decode"),
        message:
            f"sub-{{wildcards.subject}}: voxels that {decoder} chose"
        script:
            "../scripts/map_voxels.py"


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
