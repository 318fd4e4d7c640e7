# make help lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --always --dirty --tags 2>/dev/null)
PREFIX ?= /usr/local
# The modules of this repository, and the checker of their code.
MODULES := . integration/localbucket integration/bench integration/faultproxy
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
# gosec looks for weaknesses in the program. These of its rules are off; any other exception is
# a #nosec comment in the code, with its reason.
#   G104  dropped errors: of closing and removing after a failure, which is itself returned
#   G115  integer conversions: what others send is bounded where it is read, and fuzzed
#   G304, G703  file names that are variables: they are the user's own, or in directories that
#         nobody else can change (cache/privatedir)
# cache/buckettest and testhome are for tests.
GOSEC := go run github.com/securego/gosec/v2/cmd/gosec@v2.30.0 -quiet -exclude=G104,G115,G304,G703 -exclude-dir=cache/buckettest -exclude-dir=testhome
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# Where else the product has to build.
CROSS := linux/arm64 darwin/arm64
# A program and the Debian package that has it, for `make needs`. The first ones
# have to be there, the others only make tests run that skip without them.
NEEDED := fusermount3=fuse3 cc=gcc
WANTED := getfattr=attr rsync=rsync sqlite3=sqlite3 zip=zip unzip=unzip vim=vim python3=python3 nano=nano gio=libglib2.0-bin script=bsdutils Xvfb=xvfb pcmanfm=pcmanfm

.PHONY: build demo test check format lint vulnerabilities unit cross integration test-rgw test-servers soak bench package package-check workflows install uninstall clean needs help

build: ## bin/s3share, and bin/localbucket for the demo and the tests
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/s3share ./cmd/s3share
	cd integration/localbucket && CGO_ENABLED=0 go build -trimpath -o ../../bin/localbucket .

demo: build ## an exchange on this machine; DEMO=--once ends it by itself
	@if [ "$$(id -u)" != 0 ] && ! command -v fusermount3 fusermount >/dev/null; then
	  echo "the demo mounts as you, for which fuse3 is needed: sudo apt-get install fuse3" >&2; exit 1
	fi
	bin/s3share demo $(DEMO)

test: needs check integration ## all tests but those against Ceph: what a change has to pass

check: format lint unit cross ## what needs neither a mount nor root; installs nothing

format:
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
	if [ -n "$$unformatted" ]; then echo "not as gofmt writes it:"; echo "$$unformatted"; exit 1; fi

lint:
	@for module in $(MODULES); do
	  (cd $$module; set -x; go vet ./... && $(STATICCHECK) ./...)
	done
	(set -x; $(GOSEC) ./cmd/... ./fs/... ./cache/... ./s3backend/...)

# The database of vulnerabilities is at vuln.go.dev, which not every machine can reach.
vulnerabilities: ## known vulnerabilities of the modules, in functions that are called
	@if ! curl --silent --fail --max-time 20 --output /dev/null https://vuln.go.dev/index/db.json; then
	  echo "cannot reach vuln.go.dev: nothing was checked" >&2; exit 1
	fi
	for module in $(MODULES); do
	  (cd $$module; set -x; $(GOVULNCHECK) ./...)
	done

unit:
	@command -v cc >/dev/null || { echo "the race detector needs a C compiler: sudo apt-get install gcc libc6-dev" >&2; exit 1; }
	# cmd/s3share without the race detector: it starts the program hundreds of times, and what runs concurrently is in packages below it.
	for module in $(MODULES); do
	  packages=$$(cd $$module && go list ./... | { grep -Ev '/s3share/(integration|cmd/s3share)$$' || true; })
	  (cd $$module; set -x; go test -race -short -timeout 30m $$packages)
	done
	(set -x; go test ./cmd/s3share ./cache/content ./cache/outbox ./cache/transfer) # all cases: the race detector sees some of each kind
	(set -x; go test -tags failpoint -run "TestKilledBetweenSteps|TestLargeFilesGoAndComeBack" ./cache)

cross:
	@for target in $(CROSS); do
	  export CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/}
	  (set -x; go build ./cmd/... ./fs/... && go vet ./cmd/... ./fs/... ./cache/... ./s3backend/...)
	done

integration: build needs ## the built binary on real mounts against a real server
	S3SHARE_NEED=fuse,s3 go test -count=1 -p 1 -timeout 40m ./integration/...

test-rgw: build ## the tests of access, and of requests, against Ceph RGW
	integration/rgw/test.sh -timeout 20m -run "Live|TestAccess|TestDoctor|TestRepair|TestDropbox|TestPrefixLimited|TestProbes|TestParties|TestRefused|TestThird|TestWriteOnly|TestWithoutACL|TestConflict|TestHostile|TestResume|TestSetUp|TestJoinRefused|TestPut|TestGet|TestMove" ./s3backend ./integration

test-servers: build needs ## what a mount does on servers that others have written
	integration/servers/test.sh

# KILLS bounds it; 2000 take some 20 minutes on two processors.
KILLS ?= 2000
soak: build needs ## kill the daemon KILLS=2000 times, restart it 20 times, contend for 10 minutes, take S3 away for 1, model for an hour
	S3SHARE_SOAK=$(KILLS) S3SHARE_NEED=fuse,s3 go test -count=1 -v -timeout 3h -run 'TestKilled|TestContention|TestOutages|TestStorm|TestResume|TestRefusals|TestWatch|TestRestartUnderLoad|TestSendKilled|TestModel$$' ./integration

bench: build ## s3share beside other mounts; BENCH takes flags, like BENCH=--list
	(cd integration/bench && go build -o ../../bin/bench .)
	bin/bench --binary bin/s3share --json bin/bench.json $(BENCH)

package: ## deb, rpm, apk and tar.gz for Linux, into dist
	VERSION=$(VERSION) packaging/build.sh dist

package-check: package ## build the packages twice: they have to be the same bytes; lint them, install, upgrade and remove them
	@other=$$(mktemp -d); trap 'rm -rf "$$other"' EXIT
	VERSION=$(VERSION) packaging/build.sh "$$other/dist"
	diff dist/SHA256SUMS "$$other/dist/SHA256SUMS"
	if command -v lintian >/dev/null; then (set -x; lintian --no-cfg --fail-on error,warning dist/*.deb); else
	  echo "no lintian: it did not look at the deb (apt-get install lintian)" >&2
	fi
	if command -v rpmlint >/dev/null; then (set -x; rpmlint --strict --config packaging/rpmlint.toml dist/*.rpm); else
	  echo "no rpmlint: it did not look at the rpm (apt-get install rpmlint)" >&2
	fi
	VERSION=9.0.0 PACKAGE_VERSION=9.0.0 ARCHITECTURES=amd64 packaging/build.sh "$$other/next"
	packaging/install-check.sh dist "$$other/next"

workflows: ## check the workflows of GitHub
	$(ACTIONLINT) .github/workflows/*.yml

# It does not build: with sudo's PATH, go may not be found.
install: ## copy what `make build` has built into PREFIX, below DESTDIR if that is set
	@for built in s3share localbucket; do
	  test -x bin/$$built || { echo "bin/$$built is not built yet: run make build first" >&2; exit 1; }
	done
	set -x
	install -D -m 755 bin/s3share $(DESTDIR)$(PREFIX)/bin/s3share
	install -D -m 755 bin/localbucket $(DESTDIR)$(PREFIX)/libexec/s3share/localbucket
	bin/s3share manual $(DESTDIR)$(PREFIX)/share/man

uninstall: ## remove what `make install` has copied
	rm -f $(DESTDIR)$(PREFIX)/bin/s3share $(DESTDIR)$(PREFIX)/libexec/s3share/localbucket $(DESTDIR)$(PREFIX)/share/man/man1/s3share{,-*}.1 $(DESTDIR)$(PREFIX)/share/man/man8/mount.s3share.8
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/libexec/s3share 2>/dev/null || true

clean: ## remove what was built
	rm -rf bin dist

needs: ## install what the tests need, as root on Debian; else say what is missing
	@missing() { for need; do command -v $${need%=*} >/dev/null || printf '%s ' $${need#*=}; done; }
	absent=$$(missing $(NEEDED) $(WANTED))
	if [ -n "$$absent" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$absent libc6-dev >/dev/null ||
	    echo "could not install all of: $$absent" >&2
	  absent=$$(missing $(NEEDED) $(WANTED))
	fi
	if [ -n "$$absent" ]; then echo "some tests need: apt-get install $$absent" >&2; fi
	if [ -n "$$(missing $(NEEDED))" ]; then exit 1; fi

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18
