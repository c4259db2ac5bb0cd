# make demo | real | plan | check-real | miyawaki | new-study | test | test-slow | lint | bench
# TORCH=cpu or TORCH=cuda chooses torch's build.
PYTHON ?= python3
TORCH ?=
DATA ?=
CONFIG ?= config/ds000255.yaml
RUN := .venv/bin/python -m snakemake
export PYTHONPATH := workflow

.PHONY: demo real plan check-real miyawaki new-study test test-slow lint format bench
demo: .venv/ready
	$(RUN) && $(RUN) --report results/report.zip --quiet && .venv/bin/python -m zipfile -e results/report.zip results/
	.venv/bin/python -m fmri2image.report.headline --dataset phantom --method icnn --roi VC --report results/report/report.html

# make real [CONFIG=config/ds000255.yaml]: any configuration, from its downloads to its report. make plan CONFIG=… says what it takes.
STUDY = $(notdir $(basename $(CONFIG)))
real: .venv/ready
	$(RUN) --configfile $(CONFIG) && $(RUN) --configfile $(CONFIG) --report results/report-$(STUDY).zip --quiet && .venv/bin/python -m zipfile -e results/report-$(STUDY).zip results/
	@echo "Report: results/report-$(STUDY)/report.html"

plan: .venv/ready
	$(RUN) plan --configfile $(CONFIG)

# Asks every address of the registry and opens small real files: needs internet.
check-real: .venv/ready
	$(RUN) check_real --force && cat results/check_real.md

miyawaki: .venv/ready
	$(RUN) --configfile config/miyawaki2008.yaml $(if $(DATA),--config 'acquire={data: "$(DATA)"}') && $(RUN) --configfile config/miyawaki2008.yaml $(if $(DATA),--config 'acquire={data: "$(DATA)"}') --report results/report-miyawaki2008.zip --quiet && .venv/bin/python -m zipfile -e results/report-miyawaki2008.zip results/
	.venv/bin/python -m fmri2image.report.headline --dataset miyawaki2008 --method pixels --roi V1 --report results/report-miyawaki2008/report.html

# make new-study BIDS=/data/my-study NAME=my-study [MASKS=pattern] [STIMULI=folder] [SETS=pattern=set,…] [FORCE=1]: docs/own-data.md
new-study: .venv/ready
	@.venv/bin/python -m fmri2image.study.new_study "$(BIDS)" "$(NAME)" $(if $(MASKS),--masks '$(MASKS)') $(if $(STIMULI),--stimuli '$(STIMULI)') $(if $(SETS),--sets '$(SETS)') $(if $(FORCE),--force)

test: .venv/ready
	.venv/bin/python -m pytest -q -n 2 --dist loadfile

test-slow: .venv/ready
	.venv/bin/python -m pytest -q -m slow -n 2 --dist loadfile

lint: .venv/ready
	.venv/bin/ruff check workflow tests envs && .venv/bin/ruff format --check workflow tests envs && .venv/bin/snakefmt --check Snakefile workflow && $(RUN) --lint

format: .venv/ready
	.venv/bin/ruff check --fix workflow tests envs; .venv/bin/ruff format workflow tests envs; .venv/bin/snakefmt Snakefile workflow

bench: .venv/ready
	.venv/bin/python -m pytest -q -m "" tests/benchmarks -s

.venv/ready: requirements.lock envs/bootstrap.py
	$(PYTHON) envs/bootstrap.py --torch "$(TORCH)"
