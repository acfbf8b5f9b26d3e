# What is done by hand and often; CONTRIBUTING.md says more. `make check` is what `uv run pytest` does.

TESTS ?= tests
RECIPE ?= gemma-3-270m
FOLDER ?= bench_out

.PHONY: help check lint test snapshots screenshots bench bench-gpu torture hooks

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

check:  ## everything: format, lints, types, import contracts, tests
	uv run pytest

lint:  ## format, lints, types and import contracts alone: a minute
	uv run ruff format --check .
	uv run ruff check .
	uv run mypy
	uv run lint-imports

test:  ## the tests of one folder or file: make test TESTS=tests/recipe
	uv run pytest $(TESTS) --deselect tests/test_static.py

snapshots:  ## draw the pictures anew that tests/ui/screens compares with; look at the diff before you commit
	uv run pytest tests/ui/screens --snapshot-update

screenshots:  ## the README's pictures, from a recorded run
	uv run python -m screenshots

bench:  ## figures of the house, the app's smoothness, the demo before and after: 20 minutes on 2 cores
	uv run python -m tests.bench.house
	uv run python -m tests.bench.ui paint attach keys rates lag
	uv run python -m tests.bench.demo_figures --train

bench-gpu:  ## a shipped recipe from end to end, on the GPU that CUDA_VISIBLE_DEVICES names
	uv run python -m tests.bench.walkthroughs $(FOLDER) $(RECIPE)

torture:  ## damaged files, full disks, hostile folders and logs, as real processes meet them: an hour on 2 cores
	uv run python -m tests.torture.damage
	uv run python -m tests.torture.disks
	uv run python -m tests.torture.filled_disks
	uv run python -m tests.torture.kills
	uv run python -m tests.torture.engine_deaths
	uv run python -m tests.torture.terminals
	uv run python -m tests.torture.ranks
	uv run python -m tests.torture.states
	uv run python -m tests.torture.twice
	uv run python -m tests.torture.apps
	uv run python -m tests.torture.controls
	uv run python -m tests.torture.fuzz
	uv run python -m tests.torture.folders
	uv run python -m tests.torture.falls_back
	uv run python -m tests.torture.masks
	uv run python -m tests.torture.batched_replies

hooks:  ## run the cheap checks before each commit
	uvx pre-commit install
