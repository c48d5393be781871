# `make help` lists the targets.

GO            ?= go
GOLANGCI_LINT := bin/golangci-lint-2.15.0
GOTESTSUM     := bin/gotestsum-1.13.0
SERVICES      := scripts/with-services

# On a busy machine one of thousands of tests may miss its time. A test that fails is run
# once more, unless four fail or one has a data race, and `make ci` lists it at the end:
# it needs a mend. The tests of faults are never repeated: a breach there is a breach.
REPEATED := bin/repeated
REPEAT = --rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race --rerun-fails-report=$(REPEATED)/$(1)

# The tests that test/e2e skips with -short: they put load on a node for a while.
LOAD := Overload|OneConversation|ReconnectStorm|DoNotRead

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list of targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run a whole cluster in one process, with a web chat at http://127.0.0.1:8080
	$(GO) run ./cmd/im dev

.PHONY: build
build: ## Build the static binary bin/im
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/im ./cmd/im

# Most tests wait for a service, a process or a deadline, so more of them run at once
# than there are cores.
PARALLEL := -parallel 4

# Whole nodes under faults or load take minutes. make test leaves them out (-short), and
# make test-faults runs them; make ci runs both. make test-short leaves out the tests
# that wait for outages of services, too.
OUTAGES := RabbitMQ|Outage|ConnectionCut|HalfOpen|SlowServer|NodeStopped|SessionsTerminated|AnswerLost|Failover|Stuck|StartAndStop|Lease|Epoch|Crash
QUICK := $$($(GO) list ./... | grep -vE '^im/(test/(e2e|chaos|environments)|tools/(verify|bench)|cmd/im|internal/devservices)$$')
UNITS := $$($(GO) list ./... | grep -vE '^im/test/(e2e|chaos|environments)$$')

.PHONY: test
test: $(GOTESTSUM) | $(REPEATED) ## Run the Go tests with -race, on real services that it finds or starts
	@echo "1/3 packages"
	$(SERVICES) $(GOTESTSUM) --format pkgname-and-test-fails $(call REPEAT,packages) --packages="$(UNITS)" -- -short -race -count=1 -p 2 $(PARALLEL) -timeout 15m
	scripts/with-programs promtool -- $(GO) test -count=1 -run TestAlerts ./deploy
	@echo "2/3 whole nodes"
	$(SERVICES) $(GOTESTSUM) --format testname $(call REPEAT,nodes) --packages=./test/e2e -- -short -race -count=1 $(PARALLEL) -timeout 15m
	@echo "3/3 the connection to RabbitMQ cut, without -race (watermill#693)"
	$(SERVICES) scripts/test-without-race -count=1 -timeout 15m

.PHONY: test-short
test-short: $(GOTESTSUM) ## Run the tests of packages, without -race and whole nodes: the inner loop
	$(SERVICES) $(GOTESTSUM) --format pkgname-and-test-fails -- -short -skip '$(OUTAGES)' -p 3 $(PARALLEL) -timeout 5m $(QUICK)

.PHONY: test-faults
test-faults: $(GOTESTSUM) ## Run im verify under every fault, and nodes under load: short forms, with -race
	$(SERVICES) $(GOTESTSUM) --format testname -- -race -count=1 -timeout 30m ./test/chaos
	$(SERVICES) $(GOTESTSUM) --format testname -- -race -count=1 -timeout 30m -run '$(LOAD)' ./test/e2e
	$(SERVICES) $(GOTESTSUM) --format testname -- -race -count=1 $(PARALLEL) -timeout 30m -run 'Fault' ./tools/verify
	$(SERVICES) $(GOTESTSUM) --format testname -- -race -count=1 $(PARALLEL) -timeout 30m -run 'BenchByItself|BenchServe' ./cmd/im

.PHONY: test-environments
test-environments: $(GOTESTSUM) | $(REPEATED) ## Run nodes behind PgBouncer and nginx, with a Redis Cluster, with S3, with least rights
	$(SERVICES) scripts/with-programs pgbouncer nginx redis-sentinel -- $(GOTESTSUM) --format testname $(call REPEAT,environments) --packages=./test/environments -- -count=1 $(PARALLEL) -timeout 15m
	$(SERVICES) $(GOTESTSUM) --format testname -- -race -count=1 $(PARALLEL) -timeout 15m -run Bucket ./test/e2e ./tools/doctor

.PHONY: test-deploy
test-deploy: ## Check the Helm chart, the systemd unit, and that the program can be reproduced
	scripts/with-programs promtool systemd-analyze -- $(GO) test -count=1 ./deploy
	cd deploy/helm/test && $(GO) mod tidy -diff && $(GO) test -vet=off -count=1 ./...
	scripts/check-reproducible amd64

.PHONY: test-web
test-web: ## Test the web chat and the admin page in a headless Chromium
	scripts/test-web

.PHONY: test-js
test-js: ## Test the JavaScript client and its npm package
	scripts/test-js

.PHONY: test-examples
test-examples: ## Run the examples, and clients that generators make from openapi.yaml
	scripts/test-examples

# `make test-faults` runs a short form of these.
.PHONY: chaos
chaos: ## Run im verify under each fault in its long form (20 minutes)
	IM_TEST_LONG=1 $(SERVICES) $(GO) test -count=1 -timeout 60m -v -run 'Test[^S]' ./test/chaos

SOAK ?= 1h
.PHONY: soak
soak: ## Run load for SOAK (1h) with a fault every minute; fails if memory, connections or keys grow
	IM_TEST_SOAK=$(SOAK) $(SERVICES) $(GO) test -count=1 -timeout 26h -v -run TestSoak ./test/chaos

.PHONY: bench
bench: ## Run all Go benchmarks
	$(SERVICES) $(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: overload
overload: ## Overload a node for minutes: floods, 5,000 reconnects, 1,000 clients that do not read
	IM_TEST_LONG=1 $(SERVICES) $(GO) test -count=1 -v -parallel 1 -timeout 30m ./test/e2e -run '$(LOAD)'

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (1m)
	$(SERVICES) scripts/fuzz $(FUZZTIME)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check style, dependencies between packages, and formatting
	$(GOLANGCI_LINT) run ./...

.PHONY: format
format: $(GOLANGCI_LINT) ## Format the Go code
	$(GOLANGCI_LINT) fmt ./...

.PHONY: generate
generate: ## Write docs/configuration.md, docs/metrics.md, the types of web/client and web/im.js
	$(GO) test ./cmd/im -run TestConfigurationPage -update
	$(SERVICES) $(GO) test ./internal/app -run TestMetricsPage -update
	cd web/client && npm ci --silent && npm run --silent generate

.PHONY: check-generated
check-generated: ## Fail if go.mod, go.sum, docs/configuration.md, the types of web/client or web/im.js are not current
	scripts/check-generated

.PHONY: ci
ci: lint check-generated test test-faults test-environments test-deploy test-web test-js test-examples ## Run all checks that a change must pass
	@! grep -sh . $(REPEATED)/* || echo "These tests failed at first, and passed when they were repeated. They need a mend."

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv bin/golangci-lint $@

$(GOTESTSUM):
	GOBIN=$(CURDIR)/bin $(GO) install gotest.tools/gotestsum@v1.13.0
	mv bin/gotestsum $@

$(REPEATED):
	mkdir -p $@
