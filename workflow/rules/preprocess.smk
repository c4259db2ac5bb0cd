# Motion correction and coregistration; one interpolation takes every volume onto the mask grid of the subject.


if study.realigns:

    rule make_reference:
        input:
            unpack(study.reference_inputs),
        output:
            reference=f"{study.preprocessed}_boldref.nii.gz",
        log:
            "results/logs/make_reference/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/make_reference/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            settings=study.preprocess_settings("discard_seconds", "realign", "device"),
            code=code_digest("make_reference"),
            env=env_digest("preprocess"),
        message:
            "sub-{wildcards.subject}: reference volume of the motion correction"
        script:
            "../scripts/make_reference.py"

    if study.own_grid:

        rule make_grid:
            input:
                reference=rules.make_reference.output.reference,
                t1w=study.t1w_file,
            output:
                grid=f"{study.preprocessed}_space-T1w_desc-grid_mask.nii.gz",
            log:
                "results/logs/make_grid/{dataset}_sub-{subject}.log",
            benchmark:
                "results/benchmarks/make_grid/{dataset}_sub-{subject}.tsv"
            conda:
                "../../envs/preprocess.yaml"
            threads: 1
            resources:
                mem_mb=2000,
                runtime=10,
            params:
                settings=study.preprocess_settings("grid_voxel_size", "grid_margin"),
                code=code_digest("make_grid"),
                env=env_digest("preprocess"),
            message:
                "sub-{wildcards.subject}: grid in the space of the T1w image"
            script:
                "../scripts/make_grid.py"

    rule coregister:
        input:
            reference=rules.make_reference.output.reference,
            inplane=study.inplane_images,
            t1w=study.t1w_file,
            grid=study.grid_file,
        output:
            transform=f"{study.preprocessed}_from-T1w_to-boldref_mode-image_xfm.txt",
            checks=f"{study.preprocessed}_from-T1w_to-boldref_mode-image_xfm.json",
            reference_t1w=f"{study.preprocessed}_space-T1w_boldref.nii.gz",
            brain_mask=f"{study.preprocessed}_space-T1w_desc-brain_mask.nii.gz",
        log:
            "results/logs/coregister/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/coregister/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            settings=study.preprocess_settings("coregister"),
            code=code_digest("coregister"),
            env=env_digest("preprocess"),
        message:
            "sub-{wildcards.subject}: EPI to T1w"
        script:
            "../scripts/coregister.py"

    rule correct_motion:
        input:
            bold=study.bold_file,
            sidecar=study.run_sidecars,
            reference=rules.make_reference.output.reference,
            transform=rules.coregister.output.transform,
            brain_mask=rules.coregister.output.brain_mask,
            masks=study.given_masks,
            grid=study.given_grid,
        output:
            series=study.run_path(f"{SERIES}.h5"),
            confounds=study.run_path(f"{CONFOUNDS}.tsv"),
            confounds_sidecar=study.run_path(f"{CONFOUNDS}.json"),
            summary=study.run_path(f"{SUMMARY}.h5"),
            bold=study.kept_bold("nii.gz"),
            bold_sidecar=study.kept_bold("json"),
        log:
            "results/logs/correct_motion/{dataset}_sub-{subject}_ses-{session}_task-{task}_run-{run}.log",
        benchmark:
            "results/benchmarks/correct_motion/{dataset}_sub-{subject}_ses-{session}_task-{task}_run-{run}.tsv"
        wildcard_constraints:
            task="[A-Za-z0-9]+",
        conda:
            f"../../envs/{study.motion_environment}.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
            gpu=study.preprocess_gpu(),
        params:
            settings=study.run_motion_settings,
            code=code_digest("correct_motion", also=[f"fmri2image.preprocess.{study.engine}"]),
            env=env_digest(study.motion_environment),
        message:
            "sub-{wildcards.subject} ses-{wildcards.session} run-{wildcards.run}: motion"
        script:
            "../scripts/correct_motion.py"


if study.engine == "fmriprep":

    # fMRIPrep's output is no output of the rule, because Snakemake would delete it when fMRIPrep fails; the record is.
    rule run_fmriprep:
        input:
            bold=study.raw_bold,
            sidecars=study.raw_sidecars,
            t1w=study.t1w_file,
        output:
            record=f"{study.preprocessed}_fmriprep.json",
        log:
            "results/logs/run_fmriprep/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/run_fmriprep/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/preprocess.yaml"
        threads: study.fmriprep_threads()
        resources:
            mem_mb=study.fmriprep_memory(),
            runtime=2880,
        params:
            settings=study.fmriprep_settings,
            code=code_digest("run_fmriprep"),
            env=env_digest("preprocess"),
        message:
            "sub-{wildcards.subject}: fMRIPrep"
        script:
            "../scripts/run_fmriprep.py"


if not study.realigns:

    rule adopt_reference:
        input:
            study.adopted_reference,
            masks=study.given_masks,
        output:
            reference=f"{study.preprocessed}_space-T1w_boldref.nii.gz",
            brain=f"{study.preprocessed}_space-T1w_desc-brain_mask.nii.gz",
        log:
            "results/logs/adopt_reference/{dataset}_sub-{subject}.log",
        benchmark:
            "results/benchmarks/adopt_reference/{dataset}_sub-{subject}.tsv"
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            settings=study.adopt_reference_settings,
            code=code_digest("adopt_reference"),
            env=env_digest("preprocess"),
        message:
            "sub-{wildcards.subject}: reference and brain of another program"
        script:
            "../scripts/adopt_reference.py"

    rule adopt_run:
        input:
            study.adopted_run,
            raw=study.bold_file,
            sidecar=study.run_sidecars,
            brain=rules.adopt_reference.output.brain,
            masks=study.given_masks,
        output:
            series=study.run_path(f"{SERIES}.h5"),
            confounds=study.run_path(f"{CONFOUNDS}.tsv"),
            confounds_sidecar=study.run_path(f"{CONFOUNDS}.json"),
            summary=study.run_path(f"{SUMMARY}.h5"),
        log:
            "results/logs/adopt_run/{dataset}_sub-{subject}_ses-{session}_task-{task}_run-{run}.log",
        benchmark:
            "results/benchmarks/adopt_run/{dataset}_sub-{subject}_ses-{session}_task-{task}_run-{run}.tsv"
        wildcard_constraints:
            task="[A-Za-z0-9]+",
        conda:
            "../../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            settings=study.adopt_settings,
            code=code_digest("adopt_run"),
            env=env_digest("preprocess"),
        message:
            "sub-{wildcards.subject} ses-{wildcards.session} run-{wildcards.run}: signals of another program's run"
        script:
            "../scripts/adopt_run.py"


rule plot_preprocess:
    input:
        confounds=study.motion_tables,
        summaries=study.summary_files,
        epi=f"{study.preprocessed}_space-T1w_boldref.nii.gz",
        brain=f"{study.preprocessed}_space-T1w_desc-brain_mask.nii.gz",
        t1w=study.t1w_file,
        masks=study.given_masks,
        grid=study.given_grid,
        samples=study.drawn_samples(),
    output:
        motion=report(
            "results/{dataset}/figures/sub-{subject}_quality_motion.png",
            caption="../report/quality_motion.rst",
            category="Data quality",
            labels={"subject": "{subject}", "figure": "motion"},
        ),
        coregistration=report(
            "results/{dataset}/figures/sub-{subject}_quality_coregistration.png",
            caption="../report/quality_coregistration.rst",
            category="Data quality",
            labels={"subject": "{subject}", "figure": "coregistration"},
        ),
        rois=report(
            "results/{dataset}/figures/sub-{subject}_quality_rois.png",
            caption="../report/quality_rois.rst",
            category="Data quality",
            labels={"subject": "{subject}", "figure": "areas"},
        ),
        signal=report(
            "results/{dataset}/figures/sub-{subject}_quality_signal.png",
            caption="../report/quality_signal.rst",
            category="Data quality",
            labels={"subject": "{subject}", "figure": "signal to noise"},
        ),
        carpet=report(
            "results/{dataset}/figures/sub-{subject}_quality_carpet.png",
            caption="../report/quality_carpet.rst",
            category="Data quality",
            labels={"subject": "{subject}", "figure": "carpets"},
        ),
        signal_table="results/{dataset}/quality/sub-{subject}_signal.tsv",
        signal_sidecar="results/{dataset}/quality/sub-{subject}_signal.json",
    log:
        "results/logs/plot_preprocess/{dataset}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/plot_preprocess/{dataset}_sub-{subject}.tsv"
    conda:
        "../../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=study.quality_settings,
        code=code_digest("plot_preprocess"),
        env=env_digest("preprocess"),
    message:
        "sub-{wildcards.subject}: quality of preprocessing"
    script:
        "../scripts/plot_preprocess.py"
