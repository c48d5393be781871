# make help says what there is.

GO            ?= go
GOLANGCI_LINT := bin/golangci-lint-2.15.0
SERVICES      := scripts/with-services

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run everything in one process: web chat at http://127.0.0.1:8080
	$(GO) run ./cmd/im dev

.PHONY: build
build: ## Build bin/im, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/im ./cmd/im

# Tests that cut RabbitMQ trip over a data race in a library (watermill#693):
# they are built without -race only, and run by themselves.
.PHONY: test
test: ## Run all Go tests on the real services, which are found or started
	$(SERVICES) $(GO) test -race -count=1 -timeout 15m ./...
	$(SERVICES) scripts/test-without-race -count=1 -timeout 15m

.PHONY: test-web
test-web: ## Test the web chat in a headless Chromium
	scripts/test-web

# The short form of these is a part of make test.
.PHONY: chaos
chaos: ## Have every fault happen for longer, under im verify (20 minutes)
	IM_LONG=1 $(SERVICES) $(GO) test -count=1 -timeout 60m -v -run 'Test[^S]' ./test/chaos

SOAK ?= 1h
.PHONY: soak
soak: ## Load for SOAK (1h), a fault every minute; memory, connections, keys must stay flat
	IM_SOAK=$(SOAK) $(SERVICES) $(GO) test -count=1 -timeout 26h -v -run TestSoak ./test/chaos

.PHONY: bench
bench: ## Run the Go benchmarks
	$(SERVICES) $(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: overload
overload: ## Overload a node for minutes: floods, 5,000 reconnects, 1,000 readers that do not read
	IM_LONG=1 $(SERVICES) $(GO) test -count=1 -v -parallel 1 -timeout 30m ./test/e2e -run 'Overload|OneConversation|ReconnectStorm|DoNotRead'

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## Fuzz every target, each for FUZZTIME
	$(SERVICES) scripts/fuzz $(FUZZTIME)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check style, the dependency rule and formatting
	$(GOLANGCI_LINT) run ./...

.PHONY: format
format: $(GOLANGCI_LINT) ## Format the Go code
	$(GOLANGCI_LINT) fmt ./...

.PHONY: check-generated
check-generated: ## Fail if go.mod or go.sum is not tidy (no code is generated)
	scripts/check-generated

.PHONY: ci
ci: lint check-generated test test-web ## All that has to pass before a change goes in

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv bin/golangci-lint $@
