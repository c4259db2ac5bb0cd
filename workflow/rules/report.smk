# Tables, figures and the summary page.
rule gather_tables:
    input:
        scores=study.score_files("scores"),
        permutations=study.score_files("permutations"),
        accuracy=study.accuracy_files(),
        motion=study.motion_files(),
    output:
        scores=f"{study.root}/evaluate/scores.tsv",
        tables=report(
            study.tables(),
            caption="../report/table.rst",
            category="Tables",
        ),
        sidecars=[table.replace(".tsv", ".json") for table in study.tables()],
    log:
        f"results/logs/gather_tables/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/gather_tables/{study.dataset}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.report_settings(),
        code=code_digest("gather_tables"),
        env=env_digest("report"),
    message:
        "tables"
    script:
        "../scripts/gather_tables.py"


rule plot_sheet:
    input:
        images=study.sheet_images,
        stimuli=study.sheet_stimuli,
    output:
        figure=report(
            "results/{dataset}/figures/images_{method}_roi-{roi}_{test}.png",
            caption="../report/sheet.rst",
            category="Reconstructed images",
            labels={"method": "{method}", "area": "{roi}", "test": "{test}"},
        ),
    log:
        "results/logs/plot_sheet/{dataset}_{method}_{roi}_{test}.log",
    benchmark:
        "results/benchmarks/plot_sheet/{dataset}_{method}_{roi}_{test}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=study.report_settings(),
        code=code_digest("plot_sheet"),
        env=env_digest("report"),
    message:
        "image sheet: {wildcards.method}, {wildcards.roi}, {wildcards.test}"
    script:
        "../scripts/plot_sheet.py"


rule plot_identification:
    input:
        table=f"{study.root}/tables/identification.tsv",
    output:
        figure=report(
            f"{study.root}/figures/identification.svg",
            caption="../report/identification.rst",
            category="Scores",
            labels={"figure": "pairwise identification"},
        ),
        png=f"{study.root}/figures/identification.png",
    log:
        f"results/logs/plot_identification/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/plot_identification/{study.dataset}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.report_settings(),
        code=code_digest("plot_identification"),
        env=env_digest("report"),
    message:
        "figure: pairwise identification"
    script:
        "../scripts/plot_identification.py"


rule plot_decoding_accuracy:
    input:
        table=f"{study.root}/tables/decoding_accuracy.tsv",
    output:
        figure=report(
            f"{study.root}/figures/decoding_accuracy.svg",
            caption="../report/decoding_accuracy.rst",
            category="Scores",
            labels={"figure": "feature decoding by layer and area"},
        ),
        png=f"{study.root}/figures/decoding_accuracy.png",
    log:
        f"results/logs/plot_decoding_accuracy/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/plot_decoding_accuracy/{study.dataset}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.report_settings(),
        code=code_digest("plot_decoding_accuracy"),
        env=env_digest("report"),
    message:
        "figure: feature decoding accuracy"
    script:
        "../scripts/plot_decoding_accuracy.py"


rule write_summary:
    input:
        identification=f"{study.root}/tables/identification.tsv",
        motion=[table for table in study.tables() if "motion" in table],
        accuracy=[table for table in study.tables() if "decoding" in table],
        sheets=study.sheets(),
    output:
        page=report(
            f"{study.root}/summary.html",
            caption="../report/summary.rst",
            category="Summary",
            labels={"page": "what was found"},
        ),
    log:
        f"results/logs/write_summary/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/write_summary/{study.dataset}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=study.report_settings(),
        code=code_digest("write_summary"),
        env=env_digest("report"),
    message:
        "summary page"
    script:
        "../scripts/write_summary.py"
