# Thin: Meson and Ninja build, the scripts in tools/ do the rest. `make help` lists what there is.
BUILD ?= build
MUSL ?= build-musl
PREFIX ?= /usr/local
DESTDIR ?=
CONFIGURE ?=
BENCH ?=
FUZZ_SECONDS ?= 60

# The command that is shipped: static, against musl where musl-gcc is there, else against glibc.
COMMAND = $(MUSL)/src/sandlock
STATIC_SETUP = $(shell command -v musl-gcc >/dev/null && echo --native-file tools/musl.ini -Dmusl=true -Doptimization=s || echo -Dstatic=true)

.DEFAULT_GOAL := all
.PHONY: all deps run check check-root check-user bench bench-quick install uninstall fuzz format clean help

all: deps ## the library and the command
	@test -f $(BUILD)/build.ninja || meson setup --prefix=$(PREFIX) $(CONFIGURE) $(BUILD) . >/dev/null
	@test -f $(MUSL)/build.ninja || meson setup -Ddefault_library=static $(STATIC_SETUP) $(CONFIGURE) $(MUSL) . >/dev/null
	@ninja -C $(BUILD) --quiet
	@ninja -C $(MUSL) --quiet src/sandlock

deps:
	@tools/install-deps build

run: all ## see a hostile program run under a policy
	@SANDLOCK="$(CURDIR)/$(COMMAND)" examples/demo/run.sh

check: ## every test, as root and as an ordinary user (only the latter when you are one)
	@tools/install-deps check
	@$(MAKE) --no-print-directory all
	@tools/check-all $(BUILD) $(COMMAND)

bench: ## measure against the bare program, bubblewrap and a peer (BENCH="--peer PATH --quick")
	@tools/install-deps check
	@$(MAKE) --no-print-directory all
	@ninja -C $(BUILD) --quiet
	@/usr/bin/env python3 tests/bench/bench.py --build $(BUILD) --sandlock $(COMMAND) $(BENCH)

install: all ## PREFIX=/usr/local DESTDIR=
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD) --quiet
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild --quiet
	@install -D -m 755 $(COMMAND) "$(DESTDIR)$(PREFIX)/bin/sandlock"
	@echo "installed under $(DESTDIR)$(PREFIX)"

uninstall:
	@ninja -C $(BUILD) --quiet uninstall

fuzz: ## every fuzz target for FUZZ_SECONDS seconds
	@tools/install-deps ci
	@tests/fuzz/run --seconds $(FUZZ_SECONDS)

format: ## let clang-format have its way with the files that it dislikes (look at the diff)
	@tools/check-format --fix

clean: ## remove every build directory
	@rm -rf build build-*

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
