# The heavy packages link the whole API server: one at a time, or two cores starve.
GO ?= go
HEAVY = -p 1 -timeout 30m
# What the race detector runs over: everything that does not link the API server,
# which does not fit into its memory and time.
RACE = ./pkg/identity/... ./pkg/tenancy ./pkg/fence/... ./sim/check/... ./sim/report/... ./sim/scenario/... ./sim/engine/etcdmem/... ./sim/engine/etcdreal/... ./sim/engine/inproc/...

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: verify ## Everything that must hold
	$(GO) test $(HEAVY) ./...

.PHONY: test-fast
test-fast: ## What needs no API server: decisions and formats, in seconds
	$(GO) test -short $(RACE)

.PHONY: race
race: ## The race detector, where it can run
	CGO_ENABLED=1 $(GO) test -race $(RACE)

.PHONY: golden
golden: ## Rewrite the goldens and show the diff: commit only what you can explain
	$(GO) test $(HEAVY) ./sim/play ./sim/report ./sim/scenario -rewrite
	git --no-pager diff -- '*.golden' '*.schema.json' '*/testdata/*'

.PHONY: bench
bench: ## How fast virtual time passes
	$(GO) test $(HEAVY) ./sim/play -run '^$$' -bench . -benchtime 1x

.PHONY: generate
generate: ## Generated code and the CRD
	$(GO) generate ./pkg/apis/... ./sim/scenario/...

.PHONY: verify
verify: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l cmd pkg sim manifests); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: verify-generated
verify-generated: generate ## Generated files and go.mod are as they would be made
	$(GO) mod tidy
	git diff --exit-code -- pkg/client pkg/apis manifests/crd sim/scenario go.mod go.sum
