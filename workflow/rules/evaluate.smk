# One long score table; every score beside the permutation distribution of the same split.
rule score_features:
    input:
        unpack(study.score_features_inputs),
    output:
        accuracy="results/{dataset}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_accuracy.tsv",
        stimuli="results/{dataset}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_stimuli.tsv",
        stimuli_sidecar="results/{dataset}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_stimuli.json",
        units="results/{dataset}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_units.h5",
    log:
        "results/logs/score_features/{dataset}_{decoder}_sub-{subject}_roi-{roi}.log",
    benchmark:
        "results/benchmarks/score_features/{dataset}_{decoder}_sub-{subject}_roi-{roi}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=study.score_features_settings,
        code=code_digest("score_features"),
        env=env_digest("evaluate"),
    message:
        "sub-{wildcards.subject}, {wildcards.roi}: accuracy of {wildcards.decoder}"
    script:
        "../scripts/score_features.py"


rule score_images:
    input:
        unpack(study.score_images_inputs),
    output:
        scores="results/{dataset}/evaluate/images/{method}/{source}_{test}_scores.tsv",
        permutations="results/{dataset}/evaluate/images/{method}/{source}_{test}_permutations.tsv",
    log:
        "results/logs/score_images/{dataset}_{method}_{source}_{test}.log",
    benchmark:
        "results/benchmarks/score_images/{dataset}_{method}_{source}_{test}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=study.score_images_settings,
        code=code_digest("score_images"),
        env=env_digest("evaluate"),
    message:
        "{wildcards.method}: scores of {wildcards.source}, {wildcards.test}"
    script:
        "../scripts/score_images.py"


# Under cross-validation the permutation distribution is not centred on 0.5, so training is repeated with exchanged pairs.
rule refit_permuted:
    input:
        unpack(study.refit_inputs),
    output:
        scores="results/{dataset}/evaluate/images/{method}/sub-{subject}_roi-{roi}_{test}_refitted.tsv",
    log:
        "results/logs/refit_permuted/{dataset}_{method}_sub-{subject}_roi-{roi}_{test}.log",
    benchmark:
        "results/benchmarks/refit_permuted/{dataset}_{method}_sub-{subject}_roi-{roi}_{test}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=study.gpu(),
    params:
        settings=study.refit_settings,
        code=lambda wildcards: code_digest("refit_permuted", also=study.refit_modules(wildcards.method)),
        env=env_digest("reconstruct"),
    message:
        "{wildcards.method}: refit with permuted pairs, {wildcards.test}"
    script:
        "../scripts/refit_permuted.py"


if study.judges:

    # One job for all subjects, areas and the ceiling: loading the network takes longer than judging a few images.
    rule judge_images:
        input:
            unpack(study.judge_inputs),
        output:
            scores="results/{dataset}/evaluate/judges/{judge}/{method}_{test}_scores.tsv",
            permutations="results/{dataset}/evaluate/judges/{judge}/{method}_{test}_permutations.tsv",
        log:
            "results/logs/judge_images/{dataset}_{judge}_{method}_{test}.log",
        benchmark:
            "results/benchmarks/judge_images/{dataset}_{judge}_{method}_{test}.tsv"
        wildcard_constraints:
            judge="|".join(study.judges),
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            settings=study.judge_settings,
            code=lambda wildcards: code_digest("judge_images", also=[study.judge_module(wildcards.judge)]),
            env=env_digest("evaluate"),
        message:
            "{wildcards.judge} judges {wildcards.method}, {wildcards.test}"
        script:
            "../scripts/judge_images.py"


if study.runs:

    rule score_behaviour:
        input:
            events=study.events_files,
            published="resources/published_numbers.tsv",
        output:
            table="results/{dataset}/evaluate/behaviour/sub-{subject}_behaviour.tsv",
            sidecar="results/{dataset}/evaluate/behaviour/sub-{subject}_behaviour.json",
        log:
            "results/logs/score_behaviour/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/score_behaviour/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=study.behaviour_settings,
            code=code_digest("score_behaviour"),
            env=env_digest("evaluate"),
        message:
            "sub-{wildcards.subject}: one-back task"
        script:
            "../scripts/score_behaviour.py"


if study.scored_against_truth:

    rule score_motion:
        input:
            motion=study.motion_tables,
            reference=f"{study.preprocessed}_boldref.nii.gz",
            truth="results/{dataset}/truth/sub-{subject}_truth.h5",
        output:
            scores="results/{dataset}/evaluate/motion/sub-{subject}_motion.tsv",
        log:
            "results/logs/score_motion/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/score_motion/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            settings={},
            code=code_digest("score_motion"),
            env=env_digest("evaluate"),
        message:
            "sub-{wildcards.subject}: estimated against simulated motion"
        script:
            "../scripts/score_motion.py"

    rule score_recovery:
        input:
            unpack(study.recovery_inputs),
            truth="results/{dataset}/truth/sub-{subject}_truth.h5",
            samples="results/{dataset}/samples/sub-{subject}.h5",
            motion="results/{dataset}/evaluate/motion/sub-{subject}_motion.tsv",
            transform=f"{study.preprocessed}_from-T1w_to-boldref_mode-image_xfm.txt",
        output:
            table="results/{dataset}/evaluate/recovery/sub-{subject}_recovery.tsv",
        log:
            "results/logs/score_recovery/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/score_recovery/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.recovery_settings(),
            code=code_digest("score_recovery", also=study.recovery_modules()),
            env=env_digest("evaluate"),
        message:
            "sub-{wildcards.subject}: every stage against what was simulated"
        script:
            "../scripts/score_recovery.py"


if study.paper.get("ratings"):

    # Human judgments become scores like those of other metrics.
    rule score_ratings:
        input:
            **study.ratings_inputs(),
        output:
            scores=f"{study.root}/evaluate/ratings/scores.tsv",
            permutations=f"{study.root}/evaluate/ratings/permutations.tsv",
            rated=f"{study.root}/evaluate/ratings/rated.tsv",
        log:
            f"results/logs/score_ratings/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/score_ratings/{study.dataset}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            settings=study.ratings_settings(),
            code=code_digest("score_ratings"),
            env=env_digest("evaluate"),
        message:
            "human ratings"
        script:
            "../scripts/score_ratings.py"


if study.paper:

    # Statistics, winning percentages and the ledger in one job: each takes a second or two.
    rule compare_paper:
        input:
            **study.compare_paper_inputs(),
        output:
            **{
                name: report(
                    path,
                    caption="../report/table.rst",
                    category="Tables",
                    labels={"table": name},
                )
                for name, path in zip(PAPER_TABLES, study.paper_tables())
            },
            sidecars=[path.replace(".tsv", ".json") for path in study.paper_tables()],
        log:
            f"results/logs/compare_paper/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/compare_paper/{study.dataset}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            settings=study.paper_settings(),
            code=code_digest("compare_paper", also=[study.paper_module()]),
            env=env_digest("evaluate"),
        message:
            "statistics of the paper, and its numbers beside ours"
        script:
            "../scripts/compare_paper.py"


if study.rv_tables():

    # A job of its own, because it alone of what compares a study with its paper reads images.
    rule score_rv:
        input:
            **study.rv_inputs(),
        output:
            table=report(
                study.rv_tables()[0],
                caption="../report/table.rst",
                category="Tables",
                labels={"table": "rv"},
            ),
            sidecar=study.rv_tables()[0].replace(".tsv", ".json"),
        log:
            f"results/logs/score_rv/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/score_rv/{study.dataset}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            settings=study.rv_settings(),
            code=code_digest("score_rv"),
            env=env_digest("evaluate"),
        message:
            "modified RV coefficient of reconstructions and true images"
        script:
            "../scripts/score_rv.py"
