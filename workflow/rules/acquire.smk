# Raw data: as from a scanner for the simulated subjects, or downloaded; and what others have published.
#
# A download is defined by its checksum. How it came about cannot matter, so the rules that download have no digest of code
# and environment among their parameters, and address and mirror are resources: an edit never downloads anything again.
if study.simulated:

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
                    "results/{dataset}/stimuli/{stimulus_set}.h5",
                    dataset=study.dataset,
                    stimulus_set=study.scanned_sets(),
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


if study.collection:

    for name, paths in study.bundles().items():

        rule:
            name:
                f"fetch_bids_{name}".replace("-", "_")
            output:
                files=[f"{study.bids_root}/{path}" for path in paths],
            log:
                f"results/logs/fetch_bids/{study.collection}_{name}.log",
            benchmark:
                f"results/benchmarks/fetch_bids/{study.collection}_{name}.tsv"
            localrule: True
            conda:
                "../../envs/acquire.yaml"
            threads: 1
            resources:
                **study.bids_place(),
                mem_mb=500,
                runtime=60,
                downloads=1,
            params:
                settings=study.bids_settings(paths),
            message:
                f"{study.collection}: {len(paths)} small files of {name}"
            script:
                "../scripts/fetch_bids.py"

    for folder, paths in study.stimulus_folders().items():

        rule:
            name:
                f"fetch_bids_{study.folder_word(folder)}"
            output:
                folder=directory(f"{study.bids_root}/{folder}"),
            log:
                f"results/logs/fetch_bids/{study.collection}_{study.folder_word(folder)}.log",
            benchmark:
                f"results/benchmarks/fetch_bids/{study.collection}_{study.folder_word(folder)}.tsv"
            localrule: True
            conda:
                "../../envs/acquire.yaml"
            threads: 1
            resources:
                **study.bids_place(),
                mem_mb=500,
                runtime=240,
                downloads=1,
            params:
                settings=study.bids_settings(paths),
            message:
                f"{study.collection}: {len(paths)} stimulus pictures"
            script:
                "../scripts/fetch_bids.py"

    rule fetch_bids:
        output:
            files=f"{study.bids_root}/{{path}}",
        log:
            f"results/logs/fetch_bids/{study.collection}/{{path}}.log",
        benchmark:
            f"results/benchmarks/fetch_bids/{study.collection}/{{path}}.tsv"
        wildcard_constraints:
            path=r"(sub-|derivatives/).+\.nii(\.gz)?",
        localrule: True
        conda:
            "../../envs/acquire.yaml"
        threads: 1
        resources:
            **study.bids_place(),
            mem_mb=500,
            runtime=600,
            downloads=1,
        params:
            settings=study.image_settings,
        message:
            f"{study.collection}: {{wildcards.path}}"
        script:
            "../scripts/fetch_bids.py"


if study.external:

    rule fetch_registry:
        output:
            file="resources/downloaded/files/{entry}/{file}",
        log:
            "results/logs/fetch_registry/{entry}_{file}.log",
        benchmark:
            "results/benchmarks/fetch_registry/{entry}_{file}.tsv"
        wildcard_constraints:
            entry="[A-Za-z0-9_.-]+",
            file="[^/]+",
        localrule: True
        conda:
            "../../envs/acquire.yaml"
        threads: 1
        resources:
            **study.place(),
            mem_mb=500,
            runtime=600,
            downloads=1,
        params:
            settings=study.registry_settings,
        message:
            "registry: {wildcards.entry}"
        script:
            "../scripts/fetch_registry.py"

    rule import_stimuli:
        input:
            unpack(study.stimulus_inputs),
        output:
            images="results/{dataset}/stimuli/{stimulus_set}.h5",
        log:
            "results/logs/import_stimuli/{dataset}_{stimulus_set}.log",
        benchmark:
            "results/benchmarks/import_stimuli/{dataset}_{stimulus_set}.tsv"
        conda:
            "../../envs/acquire.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.import_stimuli_settings,
            code=code_digest("import_stimuli"),
            env=env_digest("acquire"),
        message:
            "stimulus set {wildcards.stimulus_set}"
        script:
            "../scripts/import_stimuli.py"

    rule list_stimuli:
        input:
            images=expand("results/{{dataset}}/stimuli/{stimulus_set}.h5", stimulus_set=study.stimulus_sets),
            kinds=study.stimulus_kinds(),
        output:
            table="results/{dataset}/stimuli/stimuli.tsv",
        log:
            "results/logs/list_stimuli/{dataset}.log",
        benchmark:
            "results/benchmarks/list_stimuli/{dataset}.tsv"
        conda:
            "../../envs/acquire.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=dict(),
            code=code_digest("list_stimuli"),
            env=env_digest("acquire"),
        message:
            "stimuli of all sets"
        script:
            "../scripts/list_stimuli.py"


# A target of its own: asks every address of the registry, fetches small files of each kind and checks them (docs/registry.md).
rule check_real:
    output:
        table="results/check_real.tsv",
        text="results/check_real.md",
    log:
        "results/logs/check_real/check_real.log",
    benchmark:
        "results/benchmarks/check_real/check_real.tsv"
    localrule: True
    conda:
        "../../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=dict(limit=50_000_000),
        code=code_digest("check_real"),
        env=env_digest("features"),
    message:
        "what the real files are like"
    script:
        "../scripts/check_real.py"
