# `make help` lists the targets.

GO            ?= go
GOLANGCI_LINT := bin/golangci-lint-2.15.0
SERVICES      := scripts/with-services

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

# Tests that cut the connection to RabbitMQ hit a data race of a library (watermill#693).
# They are built without -race only, so a second command runs them.
.PHONY: test
test: ## Run all Go tests against real services, which it starts if they are not running
	$(SERVICES) $(GO) test -race -count=1 -timeout 15m ./...
	$(SERVICES) scripts/test-without-race -count=1 -timeout 15m

.PHONY: test-web
test-web: ## Test the web chat in a headless Chromium
	scripts/test-web

# `make test` includes a short form of these.
.PHONY: chaos
chaos: ## Run im verify under each fault in its long form (20 minutes)
	IM_LONG=1 $(SERVICES) $(GO) test -count=1 -timeout 60m -v -run 'Test[^S]' ./test/chaos

SOAK ?= 1h
.PHONY: soak
soak: ## Run load for SOAK (1h) with a fault every minute; fails if memory, connections or keys grow
	IM_SOAK=$(SOAK) $(SERVICES) $(GO) test -count=1 -timeout 26h -v -run TestSoak ./test/chaos

.PHONY: bench
bench: ## Run all Go benchmarks
	$(SERVICES) $(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: overload
overload: ## Overload a node for minutes: floods, 5,000 reconnects, 1,000 clients that do not read
	IM_LONG=1 $(SERVICES) $(GO) test -count=1 -v -parallel 1 -timeout 30m ./test/e2e -run 'Overload|OneConversation|ReconnectStorm|DoNotRead'

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

.PHONY: check-generated
check-generated: ## Fail if go.mod or go.sum is not tidy; no code is generated
	scripts/check-generated

.PHONY: ci
ci: lint check-generated test test-web ## Run all checks that a change must pass

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv bin/golangci-lint $@
