# doorward. "make help" lists what there is.
GO    ?= go
PORT  ?= 2525
PREFIX ?= /usr/local

COMMANDS = doorward doorward-inetd tcpd tcp-env tcpserver tcprules tcprulescheck rblsmtpd tcpdmatch
TOOL     = $(GO) tool -modfile=.ci/tools/go.mod

# Whatever starts daemons may stand behind softlimit(8), which leaves Go no room
# to begin, and some do so once for each connection, in no time to lose:
# launcher/run/internal/entry says what entry points do about it.
LAUNCHERS = doorward tcpserver
ONCE      = doorward-inetd tcpd tcp-env rblsmtpd
entry     = $(if $(filter linux/amd64,$(shell $(GO) env GOOS)/$(shell $(GO) env GOARCH)),-ldflags '-E $(1)')

# The race detector needs cgo, and that a C compiler.
RACE := $(shell command -v cc >/dev/null 2>&1 && echo -race)

.PHONY: all help build run test compare bench profile lint fuzz install clean
all: build

help: ## what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

build: ## every command, into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath $(call entry,doorward_rt0) -o bin/ $(LAUNCHERS:%=./cmd/%)
	CGO_ENABLED=0 $(GO) build -trimpath $(call entry,doorward_once_rt0) -o bin/ $(ONCE:%=./cmd/%)
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ $(filter-out $(LAUNCHERS:%=./cmd/%) $(ONCE:%=./cmd/%),$(wildcard ./cmd/[dtr]*)) ./examples/smtpd

run: build ## doorward in the foreground on 127.0.0.1 and ::1, PORT=2525
	@PORT=$(PORT) examples/quickstart/run

test: ## all tests that need only Go; the rest skips by name
	$(GO) vet ./...
	$(GO) test $(RACE) -count=1 ./...
	@$(GO) test -count=1 -v -run '^TestConformance$$' ./acl/... | grep '^conformance' || true

compare: build ## the same inputs through the installed originals and ours
	@.ci/originals
	@.ci/manuals
	DOORWARD_COMPARE=1 DOORWARD_BIN=$(CURDIR)/bin $(GO) test -count=1 -v -timeout 20m -run '^TestCompare' ./... | .ci/summary

bench: build ## against what it replaces and the machine's limit, in one run
	$(GO) run ./cmd/internal/bench $(BENCHFLAGS)
	DOORWARD_BENCH=1 $(GO) test -count=1 -run '^TestFlood$$' -v ./cmd/doorward
	$(GO) test -run '^$$' -bench . -benchtime 200ms ./acl/... ./launcher/...

profile: ## CPU and allocation profiles of the connection path: cpu.prof, mem.prof
	$(GO) test -run '^$$' -bench "Serve|Refuse" -benchtime 3s -cpuprofile cpu.prof -memprofile mem.prof -o launcher.test ./launcher
	@echo 'look at them with: go tool pprof -top cpu.prof; go tool pprof -top -sample_index=alloc_objects mem.prof'

lint: ## formatting, staticcheck, known vulnerabilities
	@.ci/lint

fuzz: ## every fuzzer for FUZZTIME (30s) each
	@.ci/fuzz $(or $(FUZZTIME),30s)

install: build ## commands and manual pages, under PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	for c in $(COMMANDS); do install bin/$$c $(DESTDIR)$(PREFIX)/bin/; done
	for m in cmd/*/*.[18]; do install -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/; done

clean: ## what build made
	rm -rf bin
