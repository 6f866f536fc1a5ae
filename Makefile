# `make talk` and `make test` are all a newcomer needs; both set everything up the first time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.omniloom-setup
HARNESS := $(VENV)/.omniloom-harness
TORCH := 2.13.0
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip --disable-pip-version-check
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help setup clients talk train test test-all sanitize lint peers bench bench-serving fuzz fuzz-http docs wheel browser golden systems screenshots
help:
	@echo "make talk      set up, then serve the tiny model and print the address of the page"
	@echo "make test      set up, then run the tests (minutes, offline)"
	@echo "make train     remake the tiny model from nothing; more options in ARGS"
	@echo "make test-all  also the slow, compile and browser tests"
	@echo "make sanitize  the native operators' tests with every access watched"
	@echo "make lint | bench | bench-serving | fuzz | fuzz-http | peers | clients | golden | systems | screenshots | docs | wheel"

setup: $(STAMP)

# torch goes first and alone: a machine without an NVIDIA GPU must never download CUDA.
$(STAMP): pyproject.toml $(wildcard src/omniloom/kernels/CMakeLists.txt src/omniloom/kernels/*/*.cpp src/omniloom/kernels/*/*.h src/omniloom/kernels/*/*.inc)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else \
	  f"omniloom needs Python 3.11 or newer, $(PYTHON) is {v[0]}.{v[1]}; run: make PYTHON=/path/to/python3.11 setup")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then \
	  echo "omniloom: torch is there already"; \
	elif command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; then \
	  echo "omniloom: 1/3 torch $(TORCH) with CUDA (about 3 GB)"; \
	  $(PIP) install -q "torch==$(TORCH)" numpy; \
	elif [ "$$(uname)" = Darwin ]; then \
	  echo "omniloom: 1/3 torch $(TORCH) (about 100 MB)"; \
	  $(PIP) install -q "torch==$(TORCH)" numpy; \
	else \
	  echo "omniloom: 1/3 torch $(TORCH), CPU build (about 220 MB)"; \
	  $(PIP) install -q "torch==$(TORCH)+cpu" numpy 2>/dev/null || \
	  $(PIP) install -q "torch==$(TORCH)+cpu" numpy --extra-index-url $(TORCH_CPU_INDEX); \
	fi
	@echo "omniloom: 2/3 build tools (about 30 MB)"
	@$(PIP) install -q "scikit-build-core>=0.11" "cmake>=3.24" ninja
	@echo "omniloom: 3/3 the package and its libraries (about 265 MB), and the native operators"
	@$(PIP) install -q --no-build-isolation -e '.[train,serve,speech,dev]'
	@$(BIN)/python src/omniloom/kernels/build.py --optional
	@touch $(STAMP)
	@echo "omniloom: ready"

talk: setup
	$(BIN)/omniloom talk

# Broken off, it goes on where it stood.
train: setup
	GOMP_SPINCOUNT=20000 $(BIN)/omniloom train tiny $(if $(wildcard runs/tiny/*),--resume) $(ARGS)

# What tests compare with and nobody needs to use the package: evaluations must agree with its own to the item.
$(HARNESS): $(STAMP)
	@echo "omniloom: lm-evaluation-harness, for the tests (about 75 MB)"
	@$(PIP) install -q "lm-eval[api]>=0.4.13"
	@touch $(HARNESS)

test: setup $(HARNESS)
	$(TEST)

# torch.compile and the shape checks of the other tests do not go together, so compile tests run by themselves.
test-all: setup $(HARNESS) browser
	$(TEST) -m "not gpu and not compile"
	$(TEST) -o addopts="--import-mode=importlib --strict-markers" -m compile
	$(MAKE) sanitize
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then $(TEST) -m gpu; \
	  else echo "omniloom: no GPU here, so the tests marked gpu did not run"; fi

# The native operators once more, every access to memory and all arithmetic watched.
sanitize: setup
	$(BIN)/python -m omniloom.kernels --sanitize address,undefined --out build/sanitized.so
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 OMNILOOM_NATIVE=$(CURDIR)/build/sanitized.so \
	  LD_PRELOAD="$$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libstdc++.so.6)" $(TEST) tests/kernels

# The page's tests drive a real browser.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	  echo "omniloom: the browser tests need Chromium; installing it with apt-get (about 100 MB)"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -yq chromium; \
	  else sudo apt-get update -q && sudo apt-get install -yq chromium; fi || \
	  { echo "omniloom: could not install Chromium; install it yourself and run make test-all again"; exit 1; }

# The clients that the server is tried with beside the openai package of PyPI: npm's, and LiveKit's (tests marked service).
clients: setup
	@command -v npm >/dev/null 2>&1 || { echo "omniloom: npm is missing; install Node.js 18 or newer and run make clients again"; exit 1; }
	npm install --silent --prefix build/clients openai ws
	$(PIP) install -q livekit-agents livekit-plugins-openai

lint: setup
	$(BIN)/ruff check src tests benchmarks examples deploy
	$(BIN)/mypy
	$(BIN)/lint-imports

# What native operators are measured against, beside torch; without their own dependencies, which would replace torch.
peers: setup
	$(PIP) install -q --no-deps executorch ncnn torchao ruamel.yaml tabulate parameterized

# An hour and a half, of which mixed load is an hour: latency, cancels, load and memory of a real server, on two cores of their own.
# A bar that fails ends none of the others.
bench-serving: setup
	-$(BIN)/python benchmarks/serving/bench_latency.py --server-core 1 --client-core 0 --fresh
	-$(BIN)/python benchmarks/serving/bench_cancel.py --server-core 1 --client-core 0
	-$(BIN)/python benchmarks/serving/bench_idle.py --server-core 1 --client-core 0
	-$(BIN)/python benchmarks/serving/bench_load.py --sessions 4 8 12 --server-core 1 --client-core 0
	-$(BIN)/python benchmarks/serving/bench_load.py --mixed --minutes 60 --server-core 1 --client-core 0

# 110,000 events to sessions of the three dialects, valid, spoilt and made of nothing.
fuzz: setup
	$(TEST) tests/serving/realtime/test_fuzz.py tests/serving/beta/test_fuzz.py tests/serving/live/test_fuzz.py -m "slow or not slow"

# 126,000 requests: 12,600 made from the OpenAPI document, right and wrong, and nine spoilt ones for each; half an hour.
# Without the shape checks of the other tests, which would be half of the server's work.
fuzz-http: setup
	$(TEST) tests/serving/http/test_openapi.py -s -m "slow or not slow" -o addopts="--import-mode=importlib --strict-markers"

# All that need no server; those take real time, and end with 1 where a bar is missed.
bench: setup
	@for file in $$(find benchmarks -path benchmarks/serving -prune -o -name 'bench_*.py' -print | sort); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# Renews the golden files: every recipe's configuration, the page of the protocols and the table of limits. The change explains the difference.
golden: setup
	$(BIN)/python -m omniloom.serving.document docs/protocol.md
	OMNILOOM_RENEW_GOLDEN=1 $(TEST) -q tests/recipes/test_golden.py tests/serving/guard/test_limit_table.py

# The page of systems, written from the results that `omniloom reproduce NAME --out DIR` left in docs/results.
systems: setup
	$(BIN)/python -m omniloom.reproductions.page docs/results docs/systems.md

# The pictures of the page in the docs, taken anew.
screenshots: setup browser
	$(BIN)/python benchmarks/page/screenshots.py --chromium "$$(command -v chromium chromium-browser google-chrome | head -1)"

docs: setup
	$(BIN)/zensical build --clean

wheel: setup
	$(PIP) wheel -q --no-build-isolation --no-deps -w dist .
	@ls -l dist/*.whl
