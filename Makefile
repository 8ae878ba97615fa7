# The heavy packages link the whole API server: one at a time, or two cores starve.
GO ?= go
HEAVY = -p 1 -timeout 30m
# What the race detector runs over: everything that does not link the API server,
# which does not fit into its memory and time.
RACE = ./pkg/apis/... ./pkg/cli/status/... ./pkg/cli/attest/... ./pkg/explain/... ./pkg/fence/... ./pkg/identity/... ./pkg/metrics ./pkg/order ./pkg/protect ./pkg/rank ./pkg/reach ./pkg/tenancy \
	./sim/check/... ./sim/report/... ./sim/scenario/... ./sim/engine/etcdmem/... ./sim/engine/etcdreal/... ./sim/engine/inproc/...

# What the fuzzer feeds, package:target, and for how long.
FUZZ = ./pkg/apis/config/scheme:FuzzDecode ./sim/scenario:FuzzDecode
FUZZTIME ?= 30s

# What the programs say of themselves. The time is the commit's, so that one commit
# makes one program.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT = $(shell git rev-parse HEAD)
# Upstream takes from its version which features there are: it stays that of the
# Kubernetes that was built in, and Holdfast's is put behind it.
KUBERNETES = $(shell $(GO) list -m -f '{{.Version}}' k8s.io/kubernetes)
DATE = $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
TREE = $(shell test -z "$$(git status --porcelain)" && echo clean || echo dirty)
stamp = -X $(1).gitVersion=$(KUBERNETES)+holdfast.$(VERSION) -X $(1).gitCommit=$(COMMIT) -X $(1).gitTreeState=$(TREE) -X $(1).buildDate=$(DATE) \
	-X $(1).gitMajor=$(word 1,$(subst ., ,$(KUBERNETES:v%=%))) -X $(1).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES:v%=%)))
SCHEDULER_FLAGS = -s -w $(call stamp,k8s.io/component-base/version) $(call stamp,k8s.io/client-go/pkg/version)

IMAGE ?= holdfast-scheduler:dev
IMAGE_HOLDFAST ?= holdfast:dev
IMAGE_TOOL ?= $(firstword $(foreach tool,podman docker buildah,$(shell command -v $(tool))))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Both programs, static, into bin/
	CGO_ENABLED=0 $(GO) build -o bin/holdfast -ldflags '-s -w -X main.release=$(VERSION)' ./cmd/holdfast
	ln -f bin/holdfast bin/kubectl-holdfast # kubectl holdfast
	ln -f bin/holdfast bin/kubectl_complete-holdfast # What kubectl asks for completions.
	CGO_ENABLED=0 $(GO) build -o bin/holdfast-scheduler -ldflags '$(SCHEDULER_FLAGS)' ./cmd/holdfast-scheduler

.PHONY: need-image-tool
need-image-tool:
	@test -n "$(IMAGE_TOOL)" || { echo "an image needs podman, docker or buildah, and none of them is here" >&2; exit 1; }

# Each has its own: in an image there is one program, and the scheduler's is not to carry the simulator.
image_args = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(COMMIT) --build-arg CREATED=$(DATE)

.PHONY: image
image: need-image-tool ## The scheduler's image, with podman, docker or buildah; IMAGE=name:tag
	CGO_ENABLED=0 GOOS=linux $(GO) build -o bin/image/holdfast-scheduler -ldflags '$(SCHEDULER_FLAGS)' ./cmd/holdfast-scheduler
	$(IMAGE_TOOL) build --file Containerfile --tag $(IMAGE) $(image_args) bin/image

.PHONY: image-holdfast
image-holdfast: need-image-tool ## The image of holdfast itself, for campaigns in a cluster; IMAGE_HOLDFAST=name:tag
	CGO_ENABLED=0 GOOS=linux $(GO) build -o bin/image-holdfast/holdfast -ldflags '-s -w -X main.release=$(VERSION)' ./cmd/holdfast
	$(IMAGE_TOOL) build --file Containerfile.holdfast --tag $(IMAGE_HOLDFAST) $(image_args) bin/image-holdfast

.PHONY: test
test: verify ## Everything that must hold
	$(GO) test $(HEAVY) ./...

.PHONY: test-fast
test-fast: ## What needs no API server: decisions and formats, in seconds
	$(GO) test -short $(RACE)

.PHONY: race
race: ## The race detector, where it can run
	CGO_ENABLED=1 $(GO) test -race $(RACE)

.PHONY: fuzz
fuzz: ## What reads files, fed with nonsense for FUZZTIME each
	for target in $(FUZZ); do $(GO) test $${target%:*} -run '^$$' -fuzz "^$${target#*:}$$" -fuzztime $(FUZZTIME) || exit 1; done

.PHONY: golden
golden: ## Rewrite the goldens and show the diff: commit only what you can explain
	$(GO) test $(HEAVY) ./sim/play ./sim/report ./sim/scenario ./pkg/cli/status -rewrite
	git --no-pager diff -- '*.golden' '*.schema.json' '*/testdata/*'

# What the picture in the README is made of.
SCREENSHOT = docs/silent-node.png
CHROMIUM ?= $(firstword $(foreach tool,chromium chromium-browser google-chrome,$(shell command -v $(tool))))

.PHONY: screenshot
screenshot: ## The README's picture of the silent node, in headless Chromium
	@test -n "$(CHROMIUM)" || { echo "make screenshot needs chromium, and it is not here" >&2; exit 1; }
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(GO) run ./cmd/holdfast sim run -q --html "$$folder/page.html" sim/scenarios/silent-node.yaml && \
	TMPDIR="$$folder" $(CHROMIUM) --headless --disable-gpu $(if $(filter 0,$(shell id -u)),--no-sandbox) --hide-scrollbars --user-data-dir="$$folder/profile" \
		--blink-settings=preferredColorScheme=1 --log-level=3 --window-size=1280,1200 --screenshot=$(SCREENSHOT) "file://$$folder/page.html" 2>"$$folder/log" || { cat "$$folder/log" >&2; exit 1; }

# Where the benchmarks' output and report go: NAME=quiet keeps them in bench/results.
BENCH_OUT = $(if $(NAME),bench/results/$(NAME),bin/bench)
# What runs of bench/cycles, of sim/play and of scheduler_perf, how often, and further flags
# of the report. A short run has the sizes that fit two cores.
BENCH_CYCLES ?= .
BENCH_SIZES = ^nodes=10$$
BENCH_PERF = ^(500Nodes|nodes=500)$$
BENCH_COUNT ?= 1
BENCH_PERF_COUNT ?= 3
# The sides of which the largest drain is run once, where no size of BENCH_PERF is it.
BENCH_PERF_ONCE ?= A B
BENCH_REPORT ?=

.PHONY: bench
bench: bench-run ## Both profiles side by side, and how fast virtual time passes; NAME=... keeps it

.PHONY: bench-full
bench-full: BENCH_COUNT = 3
bench-full: BENCH_PERF_COUNT = 3
bench-full: BENCH_SIZES = .
bench-full: BENCH_PERF = ^(500Nodes|5000Nodes|nodes=500|nodes=5000)$$
bench-full: BENCH_PERF_ONCE =
bench-full: HEAVY = -p 1 -timeout 6h
bench-full: bench-run ## The same with all sizes, three times each

.PHONY: bench-smoke
bench-smoke: ## A small one of each benchmark, and the figures that are exact
	mkdir -p bin
	$(GO) test $(HEAVY) ./bench/cycles -run '^$$' -bench '(Drain|Cycle)/claim=node$$/nodes=1000$$' -benchtime 1x >bin/smoke.txt
	$(GO) test $(HEAVY) ./sim/play -run '^$$' -bench 'Writes' -benchtime 1x >>bin/smoke.txt
	$(GO) test $(HEAVY) ./bench/perf -run '^$$' -bench '(Upstream|PerfDrain)/.*/^(5Nodes|nodes=20)$$' -benchtime 1x >bin/perf.txt 2>&1 || { tail -50 bin/perf.txt; exit 1; }
	grep -a '^Benchmark' bin/perf.txt >>bin/smoke.txt
	$(GO) run ./bench/report -partial -exact bin/smoke.txt

# The log of a run is in the way of its results.
bench-perf = $(GO) test $(HEAVY) ./bench/perf -run '^$$' -bench '$(1)' -benchtime 1x -side=$(2) 2>/dev/null | grep -aE '^Benchmark[^[:space:]]+[[:space:]]+[0-9]+[[:space:]]' >>$(BENCH_OUT).txt || exit 1

.PHONY: bench-run
bench-run:
	mkdir -p $(dir $(BENCH_OUT))
	$(GO) run ./bench/report -environment >$(BENCH_OUT).txt
	$(GO) test $(HEAVY) ./pkg/fence ./pkg/order ./pkg/reach -run '^$$' -bench . -benchtime 0.2s >>$(BENCH_OUT).txt
	$(GO) test $(HEAVY) ./bench/cycles -run '^$$' -bench '$(BENCH_CYCLES)' -benchtime 1x -count $(BENCH_COUNT) >>$(BENCH_OUT).txt
	$(GO) test $(HEAVY) ./sim/play -run '^$$' -bench 'Checks|WhatIf|Writes' -benchtime 1x -count $(BENCH_COUNT) >>$(BENCH_OUT).txt
	$(GO) test $(HEAVY) ./sim/play -run '^$$' -bench 'Engine/.*/.*/.*/$(BENCH_SIZES)' -benchtime 1x -count $(BENCH_COUNT) >>$(BENCH_OUT).txt
	# A process for each side, and each in turn first: what one leaves behind is no burden of
	# the other's, nor is it always the same one that finds the machine warm.
	for run in $$(seq $(BENCH_PERF_COUNT)); do \
		for side in $$(test $$((run % 2)) = 1 && echo A B || echo B A); do \
			$(call bench-perf,(Upstream|PerfDrain)/.*/$(BENCH_PERF),$$side); \
		done; \
	done
	for side in $(BENCH_PERF_ONCE); do $(call bench-perf,PerfDrain/claim=node/nodes=5000,$$side); done
	$(GO) run ./bench/report $(BENCH_REPORT) -write $(BENCH_OUT) $(BENCH_OUT).txt

# The build that has every mutant, and what was found last.
MUTANTS_OUT = $(if $(NAME),bench/results/$(NAME).md,/dev/stdout)
ONLY ?=

.PHONY: mutants
mutants: ## Every listed mutant of the product is caught; ONLY=name,..., NAME=mutants keeps the table
	$(GO) run ./sim/mutants -only '$(ONLY)' >$(MUTANTS_OUT)

.PHONY: bugs
bugs: ## Every hazard in the model is found again with its rule off; ONLY=H1,..., NAME=bugs keeps the table
	$(GO) run ./sim/mutants -bugs -only '$(ONLY)' >$(MUTANTS_OUT)

# Where the walks are told: NAME=quiet keeps them in bench/results.
EXPLORE_OUT = $(if $(NAME),bench/results/explore-$(NAME),bin/explore).txt

.PHONY: explore
explore: ## Walk small clusters to the end: one ordinal with three faults, two on one volume with one
	mkdir -p bin
	$(GO) build -o bin/holdfast ./cmd/holdfast
	$(GO) run ./bench/report -environment >$(EXPLORE_OUT)
	for scope in '--ordinals 1 --faults 3' '--ordinals 2 --faults 1'; do \
		echo >>$(EXPLORE_OUT) && bin/holdfast sim explore --max-states 0 $$scope >>$(EXPLORE_OUT) || { cat $(EXPLORE_OUT); exit 1; }; \
	done
	@cat $(EXPLORE_OUT)

# The first to the end, which is 204 million states, some 9 GB and more than an hour. The
# others not: that would be some 5,000 million and more.
.PHONY: explore-full
explore-full: ## Walk two ordinals with two faults to the end, and as far as some 5 GB go with three, and three on three nodes
	$(GO) build -o bin/holdfast ./cmd/holdfast
	GOGC=60 bin/holdfast sim explore --max-states 0 --ordinals 2 --faults 2
	bin/holdfast sim explore --max-states 15000000 --ordinals 2 --faults 3
	bin/holdfast sim explore --max-states 8000000 --nodes 3 --ordinals 3 --volumes 2 --faults 3

# The runs of the short campaign, and a rule of pkg/fence that is switched off in the build
# which it must catch: with it a deletion that was asked for counts as a proof of its end.
SMOKE = --seed 12 --runs 3 --tries 0 -o json
SMOKE_FILE = pkg/fence/rules.go
SMOKE_EDIT = s/return f.Machines == MachinesRebooted/& || f.Deleting/
SMOKE_TWICE = grep -q '"twiceRuns": [1-9]'

.PHONY: campaign-smoke
campaign-smoke: ## A short campaign, which the default scheduler and a build without a rule must fail
	mkdir -p bin/smoke
	CGO_ENABLED=0 $(GO) build -o bin/smoke/holdfast -ldflags '-s -w' ./cmd/holdfast
	sed '$(SMOKE_EDIT)' $(SMOKE_FILE) >bin/smoke/edited.go.txt
	! cmp -s $(SMOKE_FILE) bin/smoke/edited.go.txt # The edit still finds its place.
	printf '{"Replace": {"%s": "%s"}}' "$(CURDIR)/$(SMOKE_FILE)" "$(CURDIR)/bin/smoke/edited.go.txt" >bin/smoke/overlay.json
	CGO_ENABLED=0 $(GO) build -overlay bin/smoke/overlay.json -o bin/smoke/known-bad -ldflags '-s -w' ./cmd/holdfast
	bin/smoke/holdfast sim fuzz $(SMOKE) --schedulers holdfast >bin/smoke/holdfast.json || { cat bin/smoke/holdfast.json; exit 1; }
	bin/smoke/holdfast sim fuzz $(SMOKE) --schedulers default >bin/smoke/default.json
	$(SMOKE_TWICE) bin/smoke/default.json || { echo "nothing ran or wrote twice under the default scheduler" >&2; exit 1; }
	if bin/smoke/known-bad sim fuzz $(SMOKE) --schedulers holdfast >bin/smoke/known-bad.json; then echo "the build without a rule passed" >&2; exit 1; fi
	$(SMOKE_TWICE) bin/smoke/known-bad.json || { echo "nothing ran or wrote twice without a rule" >&2; exit 1; }

# The deterministic build: the runtime of the installed Go with the edits of sim/replay/overlay.
# REPLAY picks stories by name, and REPLAY_SEED is what their runs follow from.
REPLAY ?= .
REPLAY_SEED ?= 1

.PHONY: deterministic
deterministic: ## The simulator that repeats a run to the byte, into bin/holdfast-deterministic
	CGO_ENABLED=0 $(GO) run ./sim/replay/overlay bin/overlay build -o bin/holdfast-deterministic -ldflags '-s -w -X main.release=$(VERSION)' ./cmd/holdfast

.PHONY: replay
replay: deterministic ## Every story twice, and the hashes of their traces; REPLAY=name, REPLAY_SEED=1
	$(GO) test ./sim/replay -count 1 -timeout 12h -v -run '^TestEveryStoryRepeatsItself$$/$(REPLAY)' -program $(CURDIR)/bin/holdfast-deterministic -seed $(REPLAY_SEED)

.PHONY: generate
generate: ## Generated code and the CRD
	$(GO) generate ./pkg/apis/... ./sim/scenario/...

.PHONY: verify
verify: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l bench cmd pkg sim manifests); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: verify-manifests
verify-manifests: ## The manifests, and what they install, on a real API server
	$(GO) test $(HEAVY) ./manifests/... ./cmd/holdfast-scheduler

.PHONY: verify-generated
verify-generated: generate ## Generated files and go.mod are as they would be made
	$(GO) mod tidy
	git diff --exit-code -- pkg/client pkg/apis manifests/crd sim/scenario go.mod go.sum
