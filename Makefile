# codeexec -- `make help` lists the targets.  Everything is built below build/.
#
#   make NGINX_SRC=/path/to/nginx    against that nginx source tree, which is built too
#   make SANITIZE=1                  nginx, module and codeexecd with ASan and UBSan

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VERSION := 0.1.0

# Debian packages, checked and installed by `make deps`
BUILD_DEPS := gcc libc6-dev make pkg-config nginx-dev libssl-dev zlib1g-dev \
              libpcre2-dev libjansson-dev libpq-dev libevent-dev libconfuse-dev libseccomp-dev \
              python3-dev
RUN_DEPS   := nginx curl python3 python3-numpy python3-pandas python3-matplotlib \
              fonts-wqy-microhei
# (npm that comes with another package of Node.js excludes Debian's.)
NPM_DEPS   := $(if $(and $(wildcard /usr/bin/node),$(if $(wildcard /usr/bin/npm),,1)),npm)
TEST_DEPS  := perl cppcheck openssl postgresql binutils uidmap g++ ruby lua5.4 php-cli esbuild \
              golang-go sqlite3 \
              python3-scipy python3-sympy python3-sklearn python3-statsmodels python3-networkx \
              python3-seaborn python3-plotly python3-pil python3-lxml python3-openpyxl \
              python3-requests python3-pip $(NPM_DEPS)
VM_DEPS    := qemu-system-x86 busybox-static cpio
BENCH_DEPS := bubblewrap postgresql gunicorn python3-flask python3-sqlalchemy python3-psycopg2
DB_DEPS    := $(if $(filter-out 0,$(DB)),postgresql)
NODE_DEPS   = $(if $(filter-out 0,$(NODE)),nodejs $(if $(NODE_API),,libnode-dev libuv1-dev))
ROOTFS_DEPS := python3 util-linux mmdebstrap $(if $(SQUASHFS),squashfs-tools)

# Headers of Node-API and libuv, if there are any
NODE_API   := $(firstword $(wildcard /usr/include/node/node_api.h /usr/include/nodejs/src/node_api.h))
NODE_UV    := $(firstword $(wildcard $(dir $(NODE_API))uv.h /usr/include/uv.h))

# Where things are run from and installed to
HOST       ?= 127.0.0.1
PORT       ?= 8080
DB         ?= 0
DOORS      ?= 1
NODE       ?= 1
ROOTFS     ?= build/rootfs
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib/codeexec
DOCDIR     ?= $(PREFIX)/share/doc/codeexec
CONFDIR    ?= /etc/codeexec
MODULESDIR ?= /usr/lib/nginx/modules
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system

ifdef FAULTS
BUILD := build/faults
else ifdef SANITIZE
BUILD := build/asan
else ifdef NGINX_SRC
BUILD := build/$(notdir $(abspath $(NGINX_SRC)))
else
BUILD := build
endif
OUT := $(abspath $(BUILD))
OBJ := $(BUILD)/obj

# Flags.  The builder and the Python extension are never sanitised: they live
# in processes that drop everything the sanitisers lean on.
CC     ?= gcc
CFLAGS ?= -O2 -g
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
ifeq ($(shell uname -m),x86_64)
HARDEN += -fcf-protection
endif
ifdef FAULTS
# Calls of the sandbox that can be made to fail: t/faults/faults.c
HARDEN      :=
CFLAGS      := -O1 -g -fno-inline -fno-omit-frame-pointer -fno-optimize-sibling-calls \
               -DOVERDUE_S=1 -DBACKOFF_MIN_MS=5
FAULT_CALLS := access close_range \
    $(shell grep -o 'CALL.[a-z_0-9]*, [-0]' t/faults/faults.c | sed 's/CALL.//; s/,.*//')
FAULT_LINK  := $(FAULT_CALLS:%=-Wl,--wrap=%)
endif

# (gcc warns of an unused result even where a cast to void says it is meant;
# clang warns of macros of libseccomp.)
WARN   := -Wall -Wextra -Werror -Wformat=2 -Wshadow -Wstrict-prototypes \
          -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wvla \
          -Wno-missing-field-initializers -Wno-unused-result
SAN    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
          -fno-sanitize-recover=undefined

C_BASE     := -std=gnu11 -DCODEEXEC_VERSION='"$(VERSION)"' \
              -DCODEEXEC_CONF='"$(CONFDIR)/codeexecd.conf"' -iquote sandbox
BUILDER_CC := $(CFLAGS) $(HARDEN) $(WARN) $(C_BASE) -fPIE
DAEMON_CC  := $(if $(SANITIZE),$(SAN) $(WARN) $(C_BASE) -fPIE,$(BUILDER_CC))
NODE_CC     = $(CFLAGS) $(HARDEN) $(WARN) $(C_BASE) -fPIC -isystem $(dir $(NODE_API)) \
              -DNODE_GYP_MODULE_NAME=codeexec
PYTHON_CC   = $(CFLAGS) $(HARDEN) $(WARN) $(C_BASE) -fPIC $$(/usr/bin/python3-config --includes)
LINK       := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

DAEMON_LIBS := $$(pkg-config --libs libevent_core libconfuse jansson libseccomp)

# Sources: three programs share sandbox/.  zygote.c and what it needs is linked
# into every runtime.
MODULE_SRC  := config $(wildcard ngx_http_codeexec_module/*.[ch]) sandbox/wire.c sandbox/wire.h
BUILDER_SRC := builder jail template privileges spawn
ZYGOTE_SRC  := zygote hygiene lockdown memory inbox keeper landlock privileges spawn
DAEMON_SRC  := $(filter-out builder jail template zygote hygiene lockdown memory inbox keeper, \
                 $(patsubst sandbox/%.c,%,$(wildcard sandbox/*.c)))
PYTHON_SRC  := sandbox/runtimes/python
COMMAND_SRC := command $(ZYGOTE_SRC)

NODE_SRC    := sandbox/runtimes/node

FAULT_OBJ    = $(if $(FAULTS),$(OBJ)/$(1)/faults.o)
DAEMON_OBJ  := $(DAEMON_SRC:%=$(OBJ)/daemon/%.o) $(call FAULT_OBJ,daemon)
BUILDER_OBJ := $(BUILDER_SRC:%=$(OBJ)/builder/%.o) $(call FAULT_OBJ,builder)
PYTHON_OBJ  := $(call FAULT_OBJ,python) $(patsubst $(PYTHON_SRC)/%.c,$(OBJ)/python/%.o,$(wildcard $(PYTHON_SRC)/*.c)) \
               $(ZYGOTE_SRC:%=$(OBJ)/python/%.o)
PYTHON_OUT  := $(BUILD)/python/_codeexec.abi3.so $(BUILD)/python/matplotlib/matplotlibrc \
    $(patsubst $(PYTHON_SRC)/%,$(BUILD)/python/%, \
      $(filter-out %/fontcache.py,$(wildcard $(PYTHON_SRC)/*.py)))


# Node.js is built where its headers are.
NODE_OBJ    := $(patsubst $(NODE_SRC)/%.c,$(OBJ)/node/%.o,$(wildcard $(NODE_SRC)/*.c)) \
               $(ZYGOTE_SRC:%=$(OBJ)/node/%.o)
NODE_OUT    := $(if $(and $(NODE_API),$(NODE_UV)),$(BUILD)/node/codeexec.node \
    $(patsubst $(NODE_SRC)/%,$(BUILD)/node/%,$(wildcard $(NODE_SRC)/*.js)),without-node)

COMMAND_OUT := $(BUILD)/command/codeexec-command

# nginx: Debian's with a dynamic module, or one built here
MODULE := $(BUILD)/ngx_http_codeexec_module.so
ifdef SANITIZE
NGINX_BIN   := $(OUT)/nginx/objs/nginx
NGINX_TREE  := $(or $(NGINX_SRC),$(BUILD)/nginx-source)
NGINX_FLAGS := --with-debug --add-module=$(CURDIR)
NGINX_CC    := $(SAN) -fno-sanitize=nonnull-attribute -DNGX_DEBUG_PALLOC=1 -DNGX_HAVE_NONALIGNED=0
NGINX_LD    := -fsanitize=address,undefined
NGINX_OUT   := $(BUILD)/nginx/objs/nginx
else
NGINX_BIN   := $(if $(NGINX_SRC),$(OUT)/nginx/objs/nginx,/usr/sbin/nginx)
NGINX_TREE  := $(or $(NGINX_SRC),/usr/share/nginx/src)
NGINX_FLAGS := --add-dynamic-module=$(CURDIR)
NGINX_CC    := $(CFLAGS) $(HARDEN) -Wextra
NGINX_LD    := -Wl,-z,relro,-z,now
NGINX_OUT   := $(MODULE) $(if $(NGINX_SRC),$(BUILD)/nginx/objs/nginx)
endif
NGX_USUAL := --with-compat --with-threads --with-pcre-jit --with-http_ssl_module \
    --with-http_v2_module --with-http_realip_module --with-http_auth_request_module \
    --with-http_stub_status_module --with-http_dav_module --with-http_slice_module \
    --prefix=$(OUT)/nginx --error-log-path=stderr

# What the scripts and the tests are told
RUN_ENV  := BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) HOST=$(HOST) PORT=$(PORT) DB=$(DB) \
    DOORS=$(DOORS)
TEST_ENV := CODEEXEC_NGINX=$(NGINX_BIN) CODEEXEC_MODULE=$(OUT)/ngx_http_codeexec_module.so \
    CODEEXEC_DAEMON=$(OUT)/codeexecd $(if $(SANITIZE),CODEEXEC_STATIC=1 \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1)
T ?= t/
JOBS ?= 1

.PHONY: all without-node deps run start stop rootfs test asan faults test-vm soak check bench \
        bench-images bench-layers install clean help

all: $(NGINX_OUT) $(BUILD)/codeexecd $(BUILD)/codeexec-builder $(PYTHON_OUT) $(NODE_OUT) $(COMMAND_OUT) ## build (the default; V=1 shows the commands)
	@chmod -R a+rX $(BUILD)/python $(BUILD)/command $(wildcard $(BUILD)/node)  # whatever the umask is: the runs read it

# One short line for each command, unless V=1
Q   := $(if $(V),,@)
say  = @printf '  %-10s %s\n' $(1) $@

# ---------------------------------------------------------------- the module

$(BUILD)/nginx-source:
	$(call say,fetch)
	$(Q)tools/nginx-source $(OUT)/nginx-source

$(BUILD)/nginx/objs/Makefile: config Makefile | $(NGINX_TREE)
	$(call say,configure)
	$(Q)rm -rf $(BUILD)/nginx
	$(Q)mkdir -p $(BUILD)
	$(Q)cp -a $(NGINX_TREE)/. $(BUILD)/nginx
	$(Q)rm -rf $(BUILD)/nginx/objs
	$(Q)cd $(BUILD)/nginx && if [ -f conf_flags ]; then . ./conf_flags; else NGX_CONF_FLAGS=(); fi && \
	    $$(ls ./configure auto/configure 2>/dev/null | head -n 1) \
	        $(if $(NGINX_SRC)$(SANITIZE),$(NGX_USUAL),"$${NGX_CONF_FLAGS[@]}") $(NGINX_FLAGS) \
	        --with-cc='$(CC)' --with-cc-opt='$(NGINX_CC)' --with-ld-opt='$(NGINX_LD)' >configure.log \
	    || { tail -n 20 configure.log; exit 1; }

$(MODULE): $(BUILD)/nginx/objs/Makefile $(MODULE_SRC)
	$(call say,compile)
	$(Q)$(MAKE) -s -C $(BUILD)/nginx -f objs/Makefile modules
	$(Q)install -m 644 $(BUILD)/nginx/objs/$(@F) $@

$(BUILD)/nginx/objs/nginx: $(BUILD)/nginx/objs/Makefile $(if $(SANITIZE),$(MODULE_SRC))
	$(call say,compile)
	$(Q)$(MAKE) -s -C $(BUILD)/nginx -f objs/Makefile binary
	$(Q)touch $@

# --------------------------------------------------------------- the sandbox

$(OBJ)/daemon/%.o: sandbox/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(DAEMON_CC) -MMD -MP -c -o $@ $<

$(OBJ)/builder/%.o: sandbox/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BUILDER_CC) -MMD -MP -c -o $@ $<

$(OBJ)/python/%.o: sandbox/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PYTHON_CC) -MMD -MP -c -o $@ $<

$(OBJ)/python/%.o: $(PYTHON_SRC)/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PYTHON_CC) -Wno-missing-prototypes -MMD -MP -c -o $@ $<

$(OBJ)/%/faults.o: t/faults/faults.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PYTHON_CC) -DPROGRAM="'$$(echo $* | sed 's/python/z/; s/\(.\).*/\1/')'" -c -o $@ $<

$(OBJ)/node/%.o: sandbox/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NODE_CC) -MMD -MP -c -o $@ $<

$(OBJ)/node/%.o: $(NODE_SRC)/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(NODE_CC) -MMD -MP -c -o $@ $<

$(BUILD)/codeexecd: $(DAEMON_OBJ)
	$(call say,link)
	$(Q)$(CC) $(LINK) $(if $(SANITIZE),$(SAN)) -o $@ $^ $(FAULT_LINK) $(DAEMON_LIBS)

# Static: it forks for each run, and a fork copies every mapping of a library.
$(BUILD)/codeexec-builder: $(BUILDER_OBJ)
	$(call say,link)
	$(Q)$(CC) -static-pie -Wl,-z,relro,-z,now -o $@ $^ $(FAULT_LINK)

$(OBJ)/builder/%.o: sandbox/runtimes/command/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BUILDER_CC) -MMD -MP -c -o $@ $<

$(BUILD)/command/codeexec-command: $(COMMAND_SRC:%=$(OBJ)/builder/%.o) $(call FAULT_OBJ,builder)
	$(call say,link)
	@mkdir -p $(@D)
	$(Q)$(CC) -static-pie -Wl,-z,relro,-z,now -o $@ $^ $(FAULT_LINK)

$(BUILD)/python/_codeexec.abi3.so: $(PYTHON_OBJ)
	$(call say,link)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-z,relro,-z,now -o $@ $^ $(FAULT_LINK)

$(BUILD)/node/codeexec.node: $(NODE_OBJ)
	$(call say,link)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-z,relro,-z,now -o $@ $^

$(BUILD)/node/%.js: $(NODE_SRC)/%.js
	$(call say,copy)
	$(Q)install -D -m 644 $< $@

without-node:
	@echo '  without Node.js, whose headers are not here (packages libnode-dev, libuv1-dev)'

$(BUILD)/python/%.py: $(PYTHON_SRC)/%.py
	$(call say,copy)
	$(Q)install -D -m 644 $< $@

$(BUILD)/python/matplotlib/matplotlibrc: $(PYTHON_SRC)/fontcache.py
	$(call say,fonts)
	$(Q)/usr/bin/python3 -I $< $(@D)

-include $(wildcard $(OBJ)/*/*.d)

# ------------------------------------------------------------------- running

deps: ## install what is missing of the Debian packages (NODE=0: all but Node.js)
	@tools/deps $(BUILD_DEPS) $(RUN_DEPS) $(TEST_DEPS) $(NODE_DEPS)

# run, start and test build only after their packages are there
built = +@tools/deps $(BUILD_DEPS) $(RUN_DEPS) $(NODE_DEPS) $(1) && $(MAKE) --no-print-directory all

run: ## build and run in the foreground (PORT=8080, HOST=127.0.0.1, DB=1 with PostgreSQL, DOORS=0)
	$(call built,$(DB_DEPS))
	@exec env $(RUN_ENV) tools/instance run

start: ## the same in the background
	$(call built,$(DB_DEPS))
	@env $(RUN_ENV) tools/instance start

stop: ## stop what `make start` started
	@env $(RUN_ENV) tools/instance stop

# A rootfs is root's, and so are the directories that it is removed from.
as_root = @sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); $$sudo

rootfs: ## build a rootfs for the runs (ROOTFS=build/rootfs, SQUASHFS=1)
	@tools/deps $(ROOTFS_DEPS)
	$(as_root) sandbox/rootfs/codeexec-rootfs build -c conf/rootfs.conf -o $(ROOTFS) \
	    $(if $(SQUASHFS),--squashfs) $(if $(V),-v)

# ------------------------------------------------------------------- testing

test: ## run the test suite (T=t/10-runcode.t for one file)
	$(call built,$(TEST_DEPS))
	env $(TEST_ENV) prove -j$(JOBS) --timer $(T)

asan: ## run the test suite under ASan and UBSan
	$(MAKE) test SANITIZE=1 T='$(T)'

faults: ## build/faults: a sandbox whose calls can be made to fail, for t/46-faults.t
	@$(MAKE) --no-print-directory FAULTS=1 build/faults/codeexecd build/faults/codeexec-builder \
	    $(patsubst $(PYTHON_SRC)/%,build/faults/python/%,$(wildcard $(PYTHON_SRC)/*.py)) \
	    build/faults/python/_codeexec.abi3.so
	@chmod -R a+rX build/faults/python

test-vm: ## codeexecd --check and tests in a virtual machine with control groups of version 2
	$(call built,$(TEST_DEPS) $(VM_DEPS))
	t/vm/run

check: ## static analysis (ANALYZE=1 adds gcc -fanalyzer, which is slow)
	cppcheck --quiet --std=c11 --enable=warning,performance --error-exitcode=1 \
	    --library=posix --library=bsd --library=python --inline-suppr \
	    --suppressions-list=tools/cppcheck.suppress -DCODEEXEC_VERSION='"$(VERSION)"' \
	    -DCODEEXEC_CONF='"$(CONFDIR)"' -Isandbox sandbox ngx_http_codeexec_module bench
ifdef ANALYZE
	for f in sandbox/*.c; do $(CC) $(BUILDER_CC) -fanalyzer -c -o /dev/null $$f; done
endif

$(BUILD)/bench/%: bench/%.c Makefile
	$(call say,compile)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BUILDER_CC) -o $@ $(filter %.c,$^) $(BENCH_LIBS)

$(BUILD)/bench/floor: sandbox/filter.c sandbox/privileges.c
$(BUILD)/bench/floor: BENCH_LIBS = $$(/usr/bin/python3-config --includes --ldflags --embed) -lseccomp

bench: ## measure (QUICK=1: a first impression)
	$(call built,$(BENCH_DEPS))
	@$(MAKE) -s $(BUILD)/bench/load $(BUILD)/bench/spawn $(BUILD)/bench/floor
	@env BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) QUICK=$(QUICK) $(if $(PROGRAMS),PROGRAMS='$(PROGRAMS)') bench/run
	@env BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) QUICK=$(QUICK) bench/images

bench-layers: ## measure what each layer of the sandbox costs (BEFORE=build of an older one, QUICK=1)
	$(call built)
	@$(MAKE) -s $(BUILD)/bench/load
	@env BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) QUICK=$(QUICK) BEFORE=$(BEFORE) bench/layers

soak: ## 100,000 runs, hostile ones among them, and whether anything grows (RUNS=, CLIENTS=, SHARED=1)
	$(call built)
	@env BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) RUNS=$(RUNS) CLIENTS=$(CLIENTS) \
	    SHARED=$(SHARED) bench/soak

bench-images: ## measure images only
	$(call built,$(BENCH_DEPS))
	@$(MAKE) -s $(BUILD)/bench/load
	@env BUILD=$(OUT) NGINX_BIN=$(NGINX_BIN) QUICK=$(QUICK) bench/images

# ---------------------------------------------------------------- installing

install: all ## install (DESTDIR, PREFIX=/usr/local, MODULESDIR, SYSTEMDDIR)
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR)/python $(DESTDIR)$(LIBDIR)/rootfs \
	    $(DESTDIR)$(MODULESDIR) $(DESTDIR)$(CONFDIR) $(DESTDIR)$(DOCDIR) \
	    $(DESTDIR)$(SYSTEMDDIR)
	install -m 644 $(MODULE) $(DESTDIR)$(MODULESDIR)
	install -m 755 $(BUILD)/codeexecd $(DESTDIR)$(SBINDIR)
	sed 's|/etc/codeexec/|$(CONFDIR)/|' tools/codeexec-key >$(BUILD)/codeexec-key
	install -m 755 $(BUILD)/codeexec-key $(DESTDIR)$(SBINDIR)
	install -m 755 $(BUILD)/codeexec-builder $(DESTDIR)$(LIBDIR)
	cp -R $(BUILD)/python/. $(DESTDIR)$(LIBDIR)/python
	[ ! -d $(BUILD)/node ] || cp -R $(BUILD)/node $(DESTDIR)$(LIBDIR)
	install -D -t $(DESTDIR)$(LIBDIR)/command $(COMMAND_OUT)
	install -m 644 sandbox/rootfs/*.py $(DESTDIR)$(LIBDIR)/rootfs
	install -m 755 sandbox/rootfs/codeexec-rootfs $(DESTDIR)$(LIBDIR)/rootfs
	ln -sfn $(LIBDIR)/rootfs/codeexec-rootfs $(DESTDIR)$(SBINDIR)
	install -D -m 644 -t $(DESTDIR)$(LIBDIR)/packages sandbox/packages/*.py
	install -m 755 sandbox/packages/codeexec-packages $(DESTDIR)$(LIBDIR)/packages
	ln -sfn $(LIBDIR)/packages/codeexec-packages $(DESTDIR)$(SBINDIR)
	[ -e $(DESTDIR)$(CONFDIR)/packages.conf ] || \
	    install -m 600 conf/packages.conf $(DESTDIR)$(CONFDIR)
	[ -e $(DESTDIR)$(CONFDIR)/rootfs.conf ] || \
	    install -m 644 conf/rootfs.conf $(DESTDIR)$(CONFDIR)
	sed 's|/usr/local/lib/codeexec|$(LIBDIR)|' conf/codeexecd.conf >$(BUILD)/codeexecd.conf.install
	[ -e $(DESTDIR)$(CONFDIR)/codeexecd.conf ] || \
	    install -m 644 $(BUILD)/codeexecd.conf.install $(DESTDIR)$(CONFDIR)/codeexecd.conf
	[ -e $(DESTDIR)$(CONFDIR)/codeexec-languages.conf ] || \
	    install -m 644 conf/codeexec-languages.conf $(DESTDIR)$(CONFDIR)
	for unit in codeexecd.service codeexecd.socket codeexec-packages.service; do \
	    sed 's|/usr/local/sbin/|$(SBINDIR)/|; s|/etc/codeexec/|$(CONFDIR)/|; s|/usr/local/share/doc/codeexec|$(DOCDIR)|' \
	        conf/$$unit >$(BUILD)/$$unit && \
	    install -m 644 $(BUILD)/$$unit $(DESTDIR)$(SYSTEMDDIR) || exit; \
	done
	install -m 644 README.md SECURITY.md CHANGES LICENSE docs/*.md conf/*.sql $(DESTDIR)$(DOCDIR)

clean: ## remove build/
	@[ ! -e build/run/nginx.pid ] && [ ! -e build/run/database ] || \
	    env $(RUN_ENV) tools/instance clean
	$(if $(wildcard build/rootfs),$(as_root) rm -rf build/rootfs)
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
