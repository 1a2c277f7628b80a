VERSION := $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# What `make test` and `make bench` need beside Go; Debian's names.
PACKAGES := gcc libc6-dev procps python3-venv gunicorn python3-flask nginx-light \
	redis-server python3-redis celery python3-rq uwsgi-core uwsgi-plugin-python3 rpm \
	debootstrap systemd-container runit s6 monit prometheus supervisor podman runc \
	uvicorn python3-hypercorn python3-waitress daphne puma php-fpm nodejs

# Of supd's own packages: make deb rpm ARCH=arm64 VERSION=1.4.0. Their version is made of
# what git says so that it grows; their time is the commit's.
ARCH := $(shell go env GOARCH)
DIST := dist
NFPM := go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
STAMP = $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%Y%m%d%H%M%S)
PACKAGE_VERSION = $(shell echo '$(VERSION)' | sed -E '/^v?[0-9]+\./!s/^/0~$(STAMP).g/; s/^v//; s/-(alpha|beta|rc)/~\1/; s/-/+/; s/-/./g')
STAGE = $(abspath $(DIST))/$(ARCH)
PACKAGE = $(abspath $(DIST))/supd_$(PACKAGE_VERSION)_$(ARCH)

.PHONY: build demo test bench lint fuzz deps stage deb rpm clean

build: ## supd, supctl and suprun in bin/, and the demo and bench programs
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: build ## the main job, shown in this terminal; cleans up after itself
	@bin/demo

test: deps ## everything; as root on Debian it installs what is missing first
	CGO_ENABLED=1 go test -race -timeout 30m ./...

bench: build ## measures and prints a table; asserts nothing
	@bin/bench

lint:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w $$files"; exit 1; }
	GOARCH=amd64 CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 CGO_ENABLED=0 go build -o /dev/null ./cmd/...
	CGO_ENABLED=0 go tool staticcheck ./...

fuzz: ## every fuzz target for 20 seconds
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime 20s $$package; \
		done; \
	done

# The packages' services must not be started, neither on a host nor in a
# container: policy-rc.d says no while apt works, unless there is one already.
deps:
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	test -n "$$missing" || exit 0; \
	if ! command -v apt-get >/dev/null; then \
		echo "not a Debian: tests that need one of these are left out:$$missing"; exit 0; \
	elif [ "$$(id -u)" != 0 ]; then \
		echo "not root: not installed, and the tests that need them are left out:$$missing"; exit 0; \
	fi; \
	echo "installing:$$missing"; set -e; \
	if ! [ -e /usr/sbin/policy-rc.d ]; then \
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; \
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM; \
	fi; \
	apt-get -qq update; \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -o Dpkg::Use-Pty=0 $$missing >/dev/null
	@test "$$(id -u)" = 0 || echo "not root: tests that change users, mount or make namespaces are left out"

stage:
	GOARCH=$(ARCH) VERSION='$(PACKAGE_VERSION)' configs/packaging/supd/stage '$(STAGE)'

deb: stage ## dist/supd_VERSION_ARCH.deb; ARCH is this machine's, amd64 or arm64
	ARCH=$(ARCH) VERSION='$(PACKAGE_VERSION)' STAGE='$(STAGE)' $(NFPM) package --packager deb \
		--config configs/packaging/supd/nfpm.yaml --target '$(PACKAGE).deb'

rpm: stage ## the same for rpm; needs rpmbuild
	rpmbuild -bb --quiet --nodeps --target $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-linux \
		--define 'package_version $(PACKAGE_VERSION)' --define 'stage $(STAGE)' \
		--define '_topdir $(STAGE).rpmbuild' --define '_dbpath $(STAGE).rpmbuild/db' \
		--define '_rpmdir $(abspath $(DIST))' --define '_rpmfilename $(notdir $(PACKAGE)).rpm' \
		configs/packaging/supd/supd.spec
	rm -rf '$(STAGE).rpmbuild'

clean:
	rm -rf bin dist
