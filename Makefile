# lsmkv - a loadable SQLite extension whose tables live in a log-structured merge tree.
#
#   make                builds ./lsmkv.so
#   make demo           installs what is missing, builds, and shows the extension at work on this machine's files
#   make check          installs what is missing, then lint and every test (plain, address + undefined, thread)
#   make help           all targets

CC         ?= cc
CLANG      ?= clang
AR         ?= ar
BUILD      := build
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX     ?=
DESTDIR    ?=
N          ?=
FUZZ_SECONDS ?= 60
SECONDS    ?= 600
SEED       ?=

WARNINGS   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
INCLUDES   := -I. -Ilsm
TEST_INCLUDES := $(INCLUDES) -Itests -Itests/support
CSTD       := -std=gnu11 -D_GNU_SOURCE
LIBS       := -lcjson -llz4 -lzstd -lxxhash -lpthread
TEST_LIBS  := -lcmocka -lsqlite3 $(LIBS) -lm

# A file of tests/ with a main is a program; the others of its folder are linked into each program there.
LSM_SRC    := $(wildcard lsm/*/*.c)
EXT_SRC    := $(wildcard ext/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
TEST_DIRS  := crash stress fault sql oracle unit
programs    = $(if $(wildcard tests/$(1)/*.c),$(sort $(shell grep -lE '^int main\>' tests/$(1)/*.c)))
helpers     = $(filter-out $(call programs,$(1)),$(wildcard tests/$(1)/*.c))
BENCH_SRC  := $(call programs,bench)
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)

# ---- Flags of each variant ----

CFLAGS         ?= -O2 -g
release_CFLAGS := $(CFLAGS) -fvisibility=hidden -D_FORTIFY_SOURCE=2 -fstack-protector-strong -DNDEBUG
release_LDFLAGS := $(LDFLAGS) -Wl,-z,relro,-z,now,-z,nodelete -Wl,--as-needed
test_CFLAGS    := -g -Werror -DLSM_DEBUG -DSQLITE_CORE -fno-omit-frame-pointer
plain_CFLAGS   := -O1 $(test_CFLAGS)
coverage_CFLAGS := -O0 $(test_CFLAGS) -DNDEBUG --coverage -fprofile-update=atomic
asan_CFLAGS    := -O1 $(test_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_CFLAGS    := -O1 $(test_CFLAGS) -fsanitize=thread
fuzz_CFLAGS    := -O1 $(filter-out -Werror,$(test_CFLAGS)) -fsanitize=fuzzer-no-link,address,undefined \
                  -fno-sanitize-recover=all
VARIANTS       := release plain coverage asan tsan fuzz

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: lsmkv.so

# ---- Objects: build/<variant>/<path>.o; everything is compiled again when the flags change ----

define variant_rules
$(BUILD)/$(1)/flags: FORCE | $(BUILD)/packages
	@mkdir -p $$(@D); line='$$(CC) $$($(1)_CFLAGS)'; \
	 test "$$$$line" = "$$$$(cat $$@ 2>/dev/null)" || echo "$$$$line" > $$@
$(BUILD)/$(1)/%.o: %.c $(BUILD)/$(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CSTD) $$(WARNINGS) $$($(1)_CFLAGS) $$(CPPFLAGS) -fPIC -MMD -MP \
	    $$(if $$(filter tests/%,$$<),$$(TEST_INCLUDES),$$(INCLUDES)) -c -o $$@ $$<
$(BUILD)/$(1)/liblsm.a: $(LSM_SRC:%.c=$(BUILD)/$(1)/%.o)
$(BUILD)/$(1)/libext.a: $(EXT_SRC:%.c=$(BUILD)/$(1)/%.o)
$(BUILD)/$(1)/libtest.a: $(SUPPORT_SRC:%.c=$(BUILD)/$(1)/%.o)
$(BUILD)/$(1)/%.a:
	@mkdir -p $$(@D); rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v))))

# $(1) variant, $(2) folder of tests
define program_rules
$(1)_$(2) := $(patsubst %.c,$(BUILD)/$(1)/%,$(call programs,$(2)))
$$($(1)_$(2)): %: %.o $(patsubst %.c,$(BUILD)/$(1)/%.o,$(call helpers,$(2))) \
    $(BUILD)/$(1)/libtest.a $(BUILD)/$(1)/liblsm.a $(BUILD)/$(1)/libext.a
	$$(Q)$$(CC) $$($(1)_CFLAGS) -o $$@ $$^ $(BUILD)/$(1)/liblsm.a $$(TEST_LIBS)
endef
$(foreach v,plain coverage asan tsan,$(foreach d,$(TEST_DIRS),$(eval $(call program_rules,$(v),$(d)))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

Q = @echo '  $(notdir $@)';

$(BUILD)/packages:
	@tests/support/setup.sh verify build
	@mkdir -p $(BUILD); touch $@

# ---- The extension ----

lsmkv.so: $(EXT_SRC:%.c=$(BUILD)/release/%.o) $(LSM_SRC:%.c=$(BUILD)/release/%.o)
	$(Q)$(CC) $(release_CFLAGS) -shared $(release_LDFLAGS) -o $@ $^ $(LIBS)

# ---- Tests ----

setup:
	@tests/support/setup.sh install check
setup-dev:
	@tests/support/setup.sh install check
	@CC='$(CC)' tests/support/setup_dev.sh

check:
	@tests/support/setup.sh install check
	+@MAKE='$(MAKE)' JOBS=$(JOBS) tests/support/check.sh

SCRIPTS := $(filter-out %/client.sh,$(wildcard tests/sql/*.sh tests/oracle/*.sh tests/clients/*.sh))
RUN_TESTS = JOBS=$(JOBS) LSMKV_SO='$(CURDIR)/lsmkv.so' tests/support/run_tests.sh
programs_of = $(foreach d,$(TEST_DIRS),$($(1)_$(d)))

test: $(call programs_of,plain) lsmkv.so bench-programs
	@$(RUN_TESTS) plain $(call programs_of,plain) $(SCRIPTS) $(wildcard tests/bench/*.sh)

test-asan: $(call programs_of,asan)
	@$(RUN_TESTS) asan $(call programs_of,asan)

test-tsan: $(call programs_of,tsan)
	@$(RUN_TESTS) tsan $(call programs_of,tsan)

crash: $(plain_crash)
	@for program in $(plain_crash); do $$program $(or $(N),500) || exit 1; done

stress: $(plain_stress)
	@$(BUILD)/plain/tests/stress/stress_sql $(or $(N),20000)
	@$(BUILD)/plain/tests/stress/stress_lists $(or $(N),100000)

BENCH := $(BENCH_SRC:%.c=$(BUILD)/release/%)
$(BENCH): %: %.o $(patsubst %.c,$(BUILD)/release/%.o,$(call helpers,bench))
	$(Q)$(CC) $(release_CFLAGS) -o $@ $^ -lsqlite3 -lpthread -lm
bench-programs: $(BENCH)
bench: $(BENCH) lsmkv.so
	@$(BUILD)/release/tests/bench/bench_fillrandom $(N)
bench-open: $(BENCH) lsmkv.so
	@$(BUILD)/release/tests/bench/bench_open $(N)
bench-join: $(BENCH) lsmkv.so
	@$(BUILD)/release/tests/bench/bench_join $(N)
bench-concurrent: $(BENCH) lsmkv.so
	@$(BUILD)/release/tests/bench/bench_concurrent $(N)

FUZZ := $(FUZZ_SRC:%.c=$(BUILD)/fuzz/%)
$(FUZZ): %: %.o $(BUILD)/fuzz/libtest.a $(BUILD)/fuzz/liblsm.a $(BUILD)/fuzz/libext.a
	$(Q)$(CC) $(fuzz_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(BUILD)/fuzz/liblsm.a $(TEST_LIBS)
fuzz-programs: $(FUZZ)
fuzz:
	@tests/support/setup.sh install fuzz
	+@$(MAKE) --no-print-directory -j$(JOBS) CC='$(CLANG)' fuzz-programs
	@tests/support/fuzz.sh $(FUZZ_SECONDS) $(FUZZ)

# Until something differs or the time is over; the script of a difference is made short.
fuzz-sql: $(BUILD)/plain/tests/oracle/generated
	@$< $(SECONDS) $(SEED)

# Branches of ext/ that the oracle, the tests of SQL and those of faults take.
coverage: $(coverage_oracle) $(coverage_sql) $(coverage_fault)
	@tests/support/coverage.sh $(BUILD)/coverage ext $^

# ---- Lint ----

lint: check-format check-layers check-locks check-tidy check-cppcheck check-symbols

SOURCES := $(wildcard lsm/*.h lsm/*/*.[ch] ext/*.[ch] tests/*/*.[ch])
check-format:
	@clang-format --dry-run -Werror $(SOURCES)
format:
	@clang-format -i $(SOURCES)
check-layers:
	@CC='$(CC)' JOBS=$(JOBS) tests/support/check_layers.sh
check-locks:
	@printf '%s\n' $(LSM_SRC) $(EXT_SRC) $(wildcard tests/*/*.c) | xargs -P $(JOBS) -n 8 \
	    $(CLANG) $(CSTD) $(WARNINGS) -Werror -Wthread-safety -DSQLITE_CORE -DLSM_DEBUG -fsyntax-only $(TEST_INCLUDES)
check-tidy:
	@printf '%s\n' $(LSM_SRC) $(EXT_SRC) | xargs -P $(JOBS) -n 4 tests/support/tidy.sh $(CSTD) $(INCLUDES) --
check-cppcheck:
	@tests/support/cppcheck.sh $(JOBS) $(LSM_SRC) $(EXT_SRC)
check-symbols: lsmkv.so
	@tests/support/check_symbols.sh lsmkv.so

# ---- Demo, install ----

demo:
	@tests/support/setup.sh install build
	+@$(MAKE) --no-print-directory -j$(JOBS) all
	@LSMKV_SO='$(CURDIR)/lsmkv.so' sql/demo.sh

# Debian's multiarch folder is the one where a bare `.load lsmkv` looks; PREFIX says otherwise.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR    ?= $(if $(PREFIX),$(PREFIX)/lib,/usr/lib$(if $(MULTIARCH),/$(MULTIARCH)))

install: lsmkv.so
	install -d '$(DESTDIR)$(LIBDIR)'
	install -m 755 lsmkv.so '$(DESTDIR)$(LIBDIR)/lsmkv.so'
	@CC='$(CC)' tests/support/load_line.sh '$(LIBDIR)'
uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/lsmkv.so'

clean:
	rm -rf $(BUILD) lsmkv.so

help:
	@sed -n 's/^#   \(make\)/\1/p' Makefile
	@echo 'also: setup setup-dev lint format check-format check-layers check-locks check-tidy check-cppcheck check-symbols'
	@echo '      test test-asan test-tsan crash [N=cycles] stress [N=...] fuzz [FUZZ_SECONDS=] bench [N=rows]'
	@echo '      fuzz-sql [SECONDS= SEED=] coverage'
	@echo '      bench-open [N=megabytes]  bench-join [N=rows]  bench-concurrent [N=seconds]'
	@echo '      install uninstall [PREFIX= DESTDIR=] clean'

FORCE:
.PHONY: all setup setup-dev check test test-asan test-tsan crash stress bench bench-open bench-join bench-concurrent bench-programs fuzz fuzz-programs fuzz-sql coverage lint format check-format \
    check-layers check-locks check-tidy check-cppcheck check-symbols demo install uninstall clean help FORCE
