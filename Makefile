# The front door. `make` builds, `make demo` shows everything at work, `make test`
# checks it; the rest is for people who change it. Meson does the building.
BUILD ?= build
MESON ?= meson
NINJA ?= ninja
PYTHON = .venv/bin/python
PREFIX ?= /usr/local

.PHONY: all deps python install demo test check system asan tsan fuzz soak bench \
	lint format clean

all: $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD)
	@$(MAKE) -s python

# Into .venv, by way of build-python; again only when something it is made of
# has changed.
python: .venv/crawlingathome.installed

PYTHON_PARTS = pyproject.toml meson.build meson_options.txt \
	$(wildcard python/* python/*/* include/cah/* \
	src/base/* src/fetch/* src/client/*)

.venv/crawlingathome.installed: $(PYTHON_PARTS) | deps
	@echo "installing the Python package into .venv"
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/pip install --quiet \
		--disable-pip-version-check --no-build-isolation --no-deps \
		--force-reinstall --config-settings build-dir=build-python .
	@touch $@

deps:
	@tools/install-deps

$(BUILD)/build.ninja: | deps
	@$(MESON) setup $(BUILD) --prefix $(PREFIX) $(if $(CI),--werror) >/dev/null

# A PREFIX that is given holds for what has been built before, too.
install: $(BUILD)/build.ninja
	@$(if $(filter file,$(origin PREFIX)),,$(MESON) configure $(BUILD) \
		-Dprefix=$(PREFIX))
	@$(MAKE) -s all
	$(MESON) install -C $(BUILD)

# The dataset stays in $(BUILD)/demo, to be looked at.
demo: all
	@rm -rf $(BUILD)/demo
	@$(BUILD)/cah demo --out $(BUILD)/demo

# The unit tests and the fuzz targets' corpora, then what a user does.
test: all check system

check: all
	$(MESON) test -C $(BUILD) --print-errorlogs

# Files of tests in so many processes: most of them wait for others' answers.
TEST_JOBS ?= 2
system: all
	$(PYTHON) -m pytest -q -n $(TEST_JOBS) --dist loadfile tests/system

asan: | deps
	@[ -f build-asan/build.ninja ] || $(MESON) setup build-asan \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1 \
		$(MESON) test -C build-asan --print-errorlogs

tsan: | deps
	@[ -f build-tsan/build.ninja ] || $(MESON) setup build-tsan \
		-Db_sanitize=thread -Db_lundef=false >/dev/null
	TSAN_OPTIONS="halt_on_error=1 suppressions=$(CURDIR)/tests/tsan.supp" \
		$(MESON) test -C build-tsan --print-errorlogs

# Long runs: kills at random moments, the tracker against its model, then the
# fuzzers. SOAK_SECONDS for each.
SOAK_SECONDS ?= 600
soak: all
	SOAK_SECONDS=$(SOAK_SECONDS) \
		$(PYTHON) -m pytest -q -s tests/system/soak_kill.py
	MODEL_SECONDS=$(SOAK_SECONDS) \
		$(PYTHON) -m pytest -q -s tests/system/test_model.py
	tools/fuzz $(SOAK_SECONDS)

# FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 60
fuzz: | deps
	tools/fuzz $(FUZZ_SECONDS)

# BENCH=wat, dedup, tracker, image, decode, clip, dns, fetch, site or whole: that
# one alone.
bench: all
	$(PYTHON) tests/bench/bench.py --build $(BUILD) $(if $(BENCH),--only $(BENCH))

lint: all
	tools/lint $(BUILD)

format:
	git ls-files '*.c' '*.h' '*.cc' | xargs clang-format -i
	.venv/bin/ruff format .

clean:
	rm -rf build build-asan build-tsan build-fuzz build-python \
		.venv/crawlingathome.installed
