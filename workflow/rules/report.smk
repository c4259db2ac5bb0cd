# Tables, figures and pages.

# Templates are digested with the code of the rule that fills them in.
TEMPLATES = {
    "write_summary": ["report/templates/base.html.j2", "report/templates/summary.html.j2"],
    "write_quality_page": ["report/templates/base.html.j2", "report/templates/quality_page.html.j2"],
    "write_subject_page": ["report/templates/base.html.j2", "report/templates/subject_page.html.j2"],
}


rule gather_tables:
    input:
        scores=study.score_files("scores"),
        permutations=study.score_files("permutations"),
        accuracy=study.accuracy_files(),
        motion=study.motion_files(),
        recovery=study.recovery_files(),
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
        pdf="results/{dataset}/figures/images_{method}_roi-{roi}_{test}.pdf",
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
        settings=study.sheet_settings(),
        code=code_digest("plot_sheet"),
        env=env_digest("report"),
    message:
        "image sheet: {wildcards.method}, {wildcards.roi}, {wildcards.test}"
    script:
        "../scripts/plot_sheet.py"


rule plot_examples:
    input:
        images=study.primary_images(),
        stimuli=study.stimulus_files(study.primary_tests()),
    output:
        figure=report(
            f"{study.root}/figures/examples.png",
            caption="../report/examples.rst",
            category="Reconstructed images",
            labels={"method": "primary", "area": "primary", "test": "all, some images"},
        ),
        pdf=f"{study.root}/figures/examples.pdf",
    log:
        f"results/logs/plot_examples/{study.dataset}.log",
    benchmark:
        f"results/benchmarks/plot_examples/{study.dataset}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=study.example_settings(),
        code=code_digest("plot_examples"),
        env=env_digest("report"),
    message:
        "main figure"
    script:
        "../scripts/plot_examples.py"


rule plot_identification:
    input:
        table=f"{study.root}/tables/identification.tsv",
    output:
        figure=report(
            f"{study.root}/figures/identification.svg",
            caption="../report/identification.rst",
            category="Scores",
            labels={"figure": "identification by area"},
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
        settings=study.figure_settings(),
        code=code_digest("plot_identification"),
        env=env_digest("report"),
    message:
        "figure: identification by area"
    script:
        "../scripts/plot_identification.py"


if len(study.compared_methods()) > 1:

    rule plot_methods:
        input:
            table=f"{study.root}/tables/identification.tsv",
        output:
            figure=report(
                f"{study.root}/figures/methods.svg",
                caption="../report/methods.rst",
                category="Scores",
                labels={"figure": "identification by method"},
            ),
            png=f"{study.root}/figures/methods.png",
        log:
            f"results/logs/plot_methods/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/plot_methods/{study.dataset}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=study.figure_settings(),
            code=code_digest("plot_methods"),
            env=env_digest("report"),
        message:
            "figure: identification by method"
        script:
            "../scripts/plot_methods.py"


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
        settings=study.figure_settings(),
        code=code_digest("plot_decoding_accuracy"),
        env=env_digest("report"),
    message:
        "figure: feature decoding accuracy"
    script:
        "../scripts/plot_decoding_accuracy.py"


if study.score_figures()["voxel_selection"]:

    rule plot_voxel_selection:
        input:
            tables=study.selection_files(),
        output:
            figure=report(
                f"{study.root}/figures/voxel_selection.svg",
                caption="../report/voxel_selection.rst",
                category="Scores",
                labels={"figure": "voxels chosen by layer and area"},
            ),
            png=f"{study.root}/figures/voxel_selection.png",
        log:
            f"results/logs/plot_voxel_selection/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/plot_voxel_selection/{study.dataset}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=study.selection_settings(),
            code=code_digest("plot_voxel_selection"),
            env=env_digest("report"),
        message:
            "figure: voxels chosen by layer and area"
        script:
            "../scripts/plot_voxel_selection.py"


if study.score_figures()["raw_absolute"]:

    rule plot_raw_absolute:
        input:
            **study.raw_absolute_inputs(),
        output:
            table=f"{study.root}/tables/raw_absolute.tsv",
            sidecar=f"{study.root}/tables/raw_absolute.json",
            figure=report(
                f"{study.root}/figures/raw_absolute.svg",
                caption="../report/raw_absolute.rst",
                category="Scores",
                labels={"figure": "raw and absolute features"},
            ),
            png=f"{study.root}/figures/raw_absolute.png",
        log:
            f"results/logs/plot_raw_absolute/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/plot_raw_absolute/{study.dataset}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=study.raw_absolute_settings(),
            code=code_digest("plot_raw_absolute"),
            env=env_digest("report"),
        message:
            "figure: decoding of raw and absolute features"
        script:
            "../scripts/plot_raw_absolute.py"


if study.norm_variants():

    rule plot_norm_correction:
        input:
            unpack(study.norm_inputs),
        output:
            figure=report(
                f"{study.root}/figures/norm_correction.svg",
                caption="../report/norm_correction.rst",
                category="Reconstructed images",
                labels={"figure": "norm corrections"},
            ),
            png=f"{study.root}/figures/norm_correction.png",
        log:
            f"results/logs/plot_norm_correction/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/plot_norm_correction/{study.dataset}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            settings=study.norm_settings(),
            code=code_digest("plot_norm_correction"),
            env=env_digest("report"),
        message:
            "figure: norm corrections"
        script:
            "../scripts/plot_norm_correction.py"


if study.training_sources():

    # In the environment of the methods: what they learned is read with torch, and the names of the losses are theirs.
    rule plot_training:
        input:
            states=study.training_states,
        output:
            figure=report(
                "results/{dataset}/figures/training_{method}_sub-{subject}_roi-{roi}.png",
                caption="../report/training.rst",
                category="Trainings",
                labels={"method": "{method}", "subject": "{subject}", "area": "{roi}"},
            ),
            svg="results/{dataset}/figures/training_{method}_sub-{subject}_roi-{roi}.svg",
            table="results/{dataset}/figures/training_{method}_sub-{subject}_roi-{roi}.tsv",
            sidecar="results/{dataset}/figures/training_{method}_sub-{subject}_roi-{roi}.json",
        log:
            "results/logs/plot_training/{dataset}_{method}_sub-{subject}_roi-{roi}.log",
        benchmark:
            "results/benchmarks/plot_training/{dataset}_{method}_sub-{subject}_roi-{roi}.tsv"
        conda:
            "../../envs/reconstruct.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=10,
        params:
            settings=study.training_figure_settings,
            code=lambda wildcards: code_digest("plot_training", also=study.method_modules(wildcards.method)),
            env=env_digest("reconstruct"),
        message:
            "sub-{wildcards.subject}, {wildcards.roi}: figure of the training of {wildcards.method}"
        script:
            "../scripts/plot_training.py"


if study.image_figures():

    rule plot_paper_images:
        input:
            unpack(study.image_figure_inputs),
        output:
            figure=report(
                f"{study.paper_root}/{{figure}}.png",
                caption="../report/paper_images.rst",
                category=study.paper_category,
                labels={"figure": "{figure}"},
            ),
            svg=f"{study.paper_root}/{{figure}}.svg",
            table=f"{study.paper_root}/{{figure}}.tsv",
            sidecar=f"{study.paper_root}/{{figure}}.json",
        log:
            f"results/logs/plot_paper_images/{study.dataset}_{{figure}}.log",
        benchmark:
            f"results/benchmarks/plot_paper_images/{study.dataset}_{{figure}}.tsv"
        wildcard_constraints:
            figure="|".join(study.image_figures()),
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=20,
        params:
            settings=study.image_figure_settings,
            code=code_digest("plot_paper_images"),
            env=env_digest("report"),
        message:
            "{wildcards.figure} of the paper: images"
        script:
            "../scripts/plot_paper_images.py"


if study.movies():

    rule make_paper_movie:
        input:
            unpack(study.movie_inputs),
        output:
            movie=report(
                f"{study.paper_root}/{{movie}}.gif",
                caption="../report/paper_images.rst",
                category=study.paper_category,
                labels={"figure": "{movie}"},
            ),
            table=f"{study.paper_root}/{{movie}}.tsv",
            sidecar=f"{study.paper_root}/{{movie}}.json",
        log:
            f"results/logs/make_paper_movie/{study.dataset}_{{movie}}.log",
        benchmark:
            f"results/benchmarks/make_paper_movie/{study.dataset}_{{movie}}.tsv"
        wildcard_constraints:
            movie="|".join(study.movies()),
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=20,
        params:
            settings=study.movie_settings,
            code=code_digest("make_paper_movie"),
            env=env_digest("report"),
        message:
            "{wildcards.movie} of the paper"
        script:
            "../scripts/make_paper_movie.py"


if study.plot_figures():

    rule plot_paper_plot:
        input:
            unpack(study.plot_inputs),
        output:
            figure=report(
                f"{study.paper_root}/{{figure}}.svg",
                caption="../report/paper_plot.rst",
                category=study.paper_category,
                labels={"figure": "{figure}"},
            ),
            png=f"{study.paper_root}/{{figure}}.png",
            table=f"{study.paper_root}/{{figure}}.tsv",
            sidecar=f"{study.paper_root}/{{figure}}.json",
        log:
            f"results/logs/plot_paper_plot/{study.dataset}_{{figure}}.log",
        benchmark:
            f"results/benchmarks/plot_paper_plot/{study.dataset}_{{figure}}.tsv"
        wildcard_constraints:
            figure="|".join(study.plot_figures()),
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=study.plot_settings,
            code=lambda wildcards: code_digest("plot_paper_plot", also=[study.plot_module(wildcards.figure)]),
            env=env_digest("report"),
        message:
            "{wildcards.figure} of the paper"
        script:
            "../scripts/plot_paper_plot.py"


# Targets: `snakemake fig3` draws all parts of Fig. 3, `snakemake movies` all movies (docs/figures.md).
for target, parts in study.paper_targets().items():

    rule:
        name:
            f"{target}"
        input:
            parts,


if study.simulated:

    # Not a part of the whole run: docs/phantom.md asks for these figures by name.
    rule plot_phantom:
        input:
            **study.phantom_inputs(),
        output:
            stimuli=f"{study.root}/figures/phantom_stimuli.png",
            heads=f"{study.root}/figures/phantom_heads.png",
            fields=f"{study.root}/figures/phantom_fields.png",
            runs=f"{study.root}/figures/phantom_runs.png",
            budget=f"{study.root}/figures/phantom_budget.png",
        log:
            f"results/logs/plot_phantom/{study.dataset}.log",
        benchmark:
            f"results/benchmarks/plot_phantom/{study.dataset}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            settings=study.phantom_settings(),
            code=code_digest("plot_phantom"),
            env=env_digest("report"),
        message:
            "figures of the simulated subjects"
        script:
            "../scripts/plot_phantom.py"


if study.runs:

    rule write_quality_page:
        input:
            figures=lambda wildcards: study.quality_figures(wildcards.subject),
            runs="results/{dataset}/samples/sub-{subject}_runs.tsv",
            trials="results/{dataset}/samples/sub-{subject}_trials.tsv",
            signal="results/{dataset}/quality/sub-{subject}_signal.tsv",
            checks=study.coregistration_checks(),
            behaviour="results/{dataset}/evaluate/behaviour/sub-{subject}_behaviour.tsv",
        output:
            page=report(
                "results/{dataset}/quality/sub-{subject}.html",
                caption="../report/quality_page.rst",
                category="Data quality",
                labels={"subject": "{subject}", "figure": "page"},
            ),
        log:
            "results/logs/write_quality_page/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/write_quality_page/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/report.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=20,
        params:
            settings=study.quality_page_settings(),
            code=code_digest("write_quality_page", templates=TEMPLATES["write_quality_page"]),
            env=env_digest("report"),
        message:
            "sub-{wildcards.subject}: page of data quality"
        script:
            "../scripts/write_quality_page.py"


rule write_subject_page:
    input:
        identification=f"{study.root}/tables/identification.tsv",
        scores=f"{study.root}/evaluate/scores.tsv",
        accuracy=[table for table in study.tables() if "decoding" in table],
        motion=[table for table in study.tables() if "motion" in table],
        quality=lambda wildcards: study.quality_figures(wildcards.subject, ["motion"]),
        images=lambda wildcards: study.subject_images(wildcards.subject),
        trainings=lambda wildcards: study.training_figures(wildcards.subject),
        stimuli=study.stimulus_files(sorted(study.tests)),
        samples=study.page_samples(),
    output:
        page=report(
            "results/{dataset}/subjects/sub-{subject}.html",
            caption="../report/subject.rst",
            category="Subjects",
            labels={"subject": "{subject}"},
        ),
        responses="results/{dataset}/subjects/sub-{subject}_responses.tsv",
        sidecar="results/{dataset}/subjects/sub-{subject}_responses.json",
    log:
        "results/logs/write_subject_page/{dataset}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/write_subject_page/{dataset}_sub-{subject}.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=study.subject_page_settings(),
        code=code_digest("write_subject_page", templates=TEMPLATES["write_subject_page"]),
        env=env_digest("report"),
    message:
        "sub-{wildcards.subject}: page"
    script:
        "../scripts/write_subject_page.py"


rule write_summary:
    input:
        identification=f"{study.root}/tables/identification.tsv",
        scores=f"{study.root}/evaluate/scores.tsv",
        accuracy=[table for table in study.tables() if "decoding" in table],
        motion=[table for table in study.tables() if "motion" in table],
        recovery=[table for table in study.tables() if "recovery" in table],
        responses=[f"{study.root}/subjects/sub-{subject}_responses.tsv" for subject in study.subjects],
        examples=f"{study.root}/figures/examples.png",
        identification_figure=f"{study.root}/figures/identification.png",
        methods_figure=study.score_figures()["methods"],
        decoding_figure=study.score_figures()["decoding_accuracy"],
        selection_figure=study.score_figures()["voxel_selection"],
        raw_absolute_figure=study.score_figures()["raw_absolute"],
        norm_figure=study.score_figures()["norm_correction"],
        quality=[path for subject in study.subjects for path in study.quality_figures(subject, ["motion"])],
        sheets=study.sheets(),
        images=study.primary_images(),
        stimuli=study.stimulus_files(study.primary_tests()),
        decoded=study.published_layers(),
        ledger=[table for table in study.paper_tables() if "ledger" in table],
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
        mem_mb=2000,
        runtime=10,
    params:
        settings=study.page_settings(),
        code=code_digest("write_summary", templates=TEMPLATES["write_summary"]),
        env=env_digest("report"),
    message:
        "summary page"
    script:
        "../scripts/write_summary.py"
