# The two commands: `make demo` and `make test`. Everything is built by Meson below build/.
#
#	make			build (build/dev)
#	make demo [FILE=...]	the whole scenario on a virtual device
#	make test [SUITE=...]	all suites, or one: unit proto integ race vm pages
#	make bench [QUICK=1] [ROW=stream]	every figure beside its yardstick; table, build/bench/results.json, plots
#	make mutants		break one line for each row of the scenario; its test must fail
#	make model		every order of steps of the models beside the code
#	make fuzz [TARGET=...] [TIME=...] [QUICK=1]	the targets of tests/fuzz (TARGET=all) for TIME seconds each
#	make fuzz-coverage	lines of each parser that the corpus runs
#	make abi		record the libraries' interface as of the last release
#	make docs		the site: guides, reference, man pages (build/docs/html)
#	make cross		the app's side for i386 and for musl, against this machine's hosts; all for aarch64, under qemu-user
#	make chaos [TIME=...] [CHAOS_SEED=...]	apps, hosts and registries killed while they stream, for TIME seconds
#	make faults [POINTS=REGEX]	every system call and allocation of the runtime fails once
#	make bootstrap		only install what is missing
#	make install DESTDIR=...
#	make dist		a release's tarball of what is committed: build/dist
#	make deb		Debian packages from it, checked by lintian: build/deb

SHELL := /bin/bash
BUILD := build
# A first build takes a minute or more: on a terminal ninja shows how far it is, in one line.
QUIET := $(if $(MAKE_TERMOUT),,--quiet)

.PHONY: all bootstrap demo test cross bench mutants model fuzz fuzz-coverage abi docs chaos faults install dist deb format clean

all: bootstrap $(BUILD)/dev/build.ninja
	ninja -C $(BUILD)/dev $(QUIET)

bootstrap:
	@scripts/bootstrap.sh build

$(BUILD)/dev/build.ninja:
	meson setup $(BUILD)/dev --buildtype=release -Dwerror=true

demo: all
	scripts/demo.sh $(BUILD)/dev $(FILE)

test:
	@scripts/bootstrap.sh build test bench
	python3 scripts/test.py --build $(BUILD) $(if $(SUITE),--suite $(SUITE))

cross:
	$(MAKE) test SUITE=cross

bench:
	@scripts/bootstrap.sh build bench
	@test -f $(BUILD)/dev/build.ninja || meson setup $(BUILD)/dev --buildtype=release -Dwerror=true
	ninja -C $(BUILD)/dev $(QUIET) bench
	QUICK=$(QUICK) ROW="$(ROW)" bench/run.sh $(BUILD)/dev $(BUILD)/bench

mutants: bootstrap
	python3 scripts/mutants.py --build $(BUILD)/mutants

model:
	@scripts/bootstrap.sh build test
	scripts/model.sh

TARGET ?= all
TIME ?= 60

fuzz:
	@scripts/bootstrap.sh build test
	scripts/fuzz.py --build $(BUILD) run $(TARGET) $(TIME) $(if $(QUICK),--quick)

fuzz-coverage:
	@scripts/bootstrap.sh build test
	scripts/fuzz.py --build $(BUILD) coverage $(TARGET)

abi:
	@scripts/bootstrap.sh build test
	scripts/abi.sh $(BUILD)/abi

docs:
	@scripts/bootstrap.sh build docs
	scripts/site.sh $(BUILD)/docs

chaos:
	@scripts/bootstrap.sh build test
	@test -f $(BUILD)/gcc/build.ninja || meson setup $(BUILD)/gcc --buildtype=release -Dwerror=true -Dfaults=true
	CHAOS_TIME=$(TIME) meson test -C $(BUILD)/gcc --timeout-multiplier 0 --verbose chaos

faults:
	@scripts/bootstrap.sh build test
	@test -f $(BUILD)/gcc/build.ninja || meson setup $(BUILD)/gcc --buildtype=release -Dwerror=true -Dfaults=true
	@meson configure $(BUILD)/gcc -Dfaults=true
	ninja -C $(BUILD)/gcc --quiet
	python3 tests/faults/run.py $(BUILD)/gcc $(if $(POINTS),--only '$(POINTS)')

install: all
	meson install -C $(BUILD)/dev $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

dist: all
	meson dist -C $(BUILD)/dev --no-tests --formats xztar
	mkdir -p $(BUILD)/dist && cp $(BUILD)/dev/meson-dist/*.tar.xz $(BUILD)/dist

deb: dist
	@scripts/bootstrap.sh build deb
	scripts/deb.sh $(BUILD)/dist/*.tar.xz $(BUILD)/deb

format:
	git ls-files '*.[ch]' | xargs clang-format -i

clean:
	rm -rf $(BUILD)
