# The front door. `make help` is the map; what a target does stands in the tool or playbook that it calls.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup published demo down test lint unit test-application molecule integration scenarios collection packages packages-repro repository publish bake plan deploy release bench clean parity

PYTHON := .venv/bin/python
IMAGES ?= twine elasticsearch bastion

# What setup installed comes first on PATH, so that playbooks and people run the same tools.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/build/tools/bin:$(PATH)
export PACKER_PLUGIN_PATH := $(CURDIR)/build/tools/packer_plugins
export CHECKPOINT_DISABLE := 1
export MAKE

playbook = ansible-playbook -i inventories/local playbooks/$(1).yml $(2)
cloud = $(PYTHON) -m local_cloud up && . build/local_cloud/env

##@ Begin
help: ## list every target
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z%-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

setup: ## install pinned tools into .venv and build/, Docker if missing, the base image (5 min once, then 1 s)
	@if [ -x $(PYTHON) ] && $(PYTHON) -c '' 2>/dev/null; then $(PYTHON) -m tools.setup; else python=$$(tools/find_python) && "$$python" -m tools.setup; fi

demo: setup ## tell the whole story: package, repository, image, four accounts, serving, scaling, rolling out
	@$(PYTHON) -m demo

down: ## remove every container, network and volume of this checkout (images stay)
	@if command -v docker >/dev/null; then python=$$(tools/find_python) && "$$python" -m tools.remove; fi

##@ Check
test: setup ## run all that follows, one part after another; print each part's time
	@$(PYTHON) -m tools.suite lint unit molecule parity integration $(if $(wildcard tests/scenarios),scenarios)

lint: setup ## run every linter side by side (make lint-ruff runs one)
	@$(PYTHON) -m tools.lint

lint-%: setup
	@$(PYTHON) -m tools.lint --again $*

unit: setup ## run unit tests, the tests of conventions and those of our packages
	@$(PYTHON) -m pytest tests/unit tests/conventions -n 2 --dist worksteal -q
	@for tests in packages/*/tests; do \
	  if [ -x $$tests/run ]; then $$tests/run; else $(PYTHON) -m pytest -q -c $${tests%/tests}/pyproject.toml $$tests; fi; \
	done

test-application: setup ## run the application's own tests
	@packages/twine/tests/run

molecule: published ## converge and verify every role in Docker
	@$(PYTHON) -m tools.molecule

integration: setup ## run the local cloud and aptly for real, beside whatever else runs
	@$(PYTHON) -m pytest tests/integration -n 2 -q

# Beside a folder of that name.
.PHONY: jenkins jenkins-plugins
jenkins: setup ## build and run the real Jenkins, and see that it is whole; says "skipped" where no image registry is at hand
	@$(PYTHON) -m tools.jenkins

jenkins-plugins: setup ## pin the plugins of Jenkins anew (needs an image registry and Jenkins' update centre)
	@$(PYTHON) -m tools.jenkins plugins

ifneq ($(wildcard tests/scenarios),)
scenarios: setup ## make things go wrong on the local estate, and see that users do not notice
	@$(PYTHON) -m pytest tests/scenarios -q
endif

collection: setup ## build the collection's archive into build/dist
	@$(PYTHON) -m tools.collection build

bench: setup ## measure, and hold it against the bars (BENCH=publish for some)
	@$(PYTHON) -m tests.benchmarks $(BENCH)

##@ The way, step by step, on the local estate
packages: setup ## build the Debian packages into build/packages
	@$(call playbook,build_packages)

packages-repro: repository ## build every package twice in different surroundings, and compare the debs byte for byte
	@$(call playbook,prove_packages)

repository: setup ## converge the package repository's machine
	@$(call playbook,repository)

published: setup ## bring the repository to what the tree says: converge it, build and publish what changed
	@$(call playbook,repository) && $(call playbook,build_packages) && $(call playbook,publish_packages)

publish: setup ## publish what was built as a signed, immutable snapshot
	@$(call playbook,publish_packages)

bake: setup ## bake the images whose inputs moved (IMAGES="twine bastion" for some)
	@$(call playbook,bake_image,-e '{"images": "$(IMAGES)"}')

.PHONY: ami
ami: setup ## bake them as AMIs in the account dev, with Packer's amazon-ebs source (IMAGES=bastion for some)
	@$(cloud) && $(call playbook,bake_image,-e kind=ami -e '{"images": "$(IMAGES)"}')

.PHONY: box
box: setup ## bake the developer's box and pack it for Vagrant (PROVIDER=virtualbox for the other one)
	@$(PYTHON) -m tools.box --provider $(or $(PROVIDER),libvirt)

.PHONY: box-boot
box-boot: published ## boot that box in a virtual machine, and look at what answers (a few minutes without KVM; a part of make integration)
	@$(PYTHON) -m pytest tests/integration/box -q

.PHONY: box-qemu
box-qemu: published ## bake an image by Packer's qemu builder and compare it with Docker's (IMAGE=bastion; 7 min and more without KVM)
	@$(PYTHON) -m tools.box_qemu $(or $(IMAGE),twine) $(if $(QEMU_IMAGE),--image $(QEMU_IMAGE) --checksum $(QEMU_CHECKSUM))

parity: published ## prove that a bake and a machine made without Packer on another base are the same
	@$(PYTHON) -m tools.parity

release: setup ## name what was built, published and baked as one release
	@$(call playbook,release)

.PHONY: promote patch patch-report
promote: setup ## approve the release that dev runs for prod: prove it, show its snapshot, sign it
	@$(cloud) && $(call playbook,promote)

patch: setup ## take what the distribution mended through package, repository and bake to dev
	@$(cloud) && $(call playbook,patch)

patch-report: setup ## say which security fixes prod lacks, and for how long the oldest of them
	@$(call playbook,patch_report)

plan: setup ## say what a deploy would change in the four accounts
	@$(cloud) && $(call playbook,plan)

deploy: setup ## deploy the release to the four accounts
	@$(cloud) && $(call playbook,deploy)

##@ Clean up
clean: ## remove what `down` does, the checkout's images, and build/ (tools are made again)
	@if command -v docker >/dev/null; then python=$$(tools/find_python) && "$$python" -m tools.remove --images; fi
	@rm -rf build .venv
