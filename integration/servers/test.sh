#!/bin/bash
# Runs TestOtherServer against servers that others have written: those named as arguments,
# or all it knows. They are built from the Go module proxy and listen on loopback;
# each is stopped whatever happens. A program that is there already is taken from SERVERS.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/servers-test.XXXXXX")
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# program NAME MODULE@VERSION prints where the program is, and builds it if it is not there.
program() {
  if [[ -x ${SERVERS:-}/$1 ]]; then echo "$SERVERS/$1"; return; fi
  CGO_ENABLED=0 GOBIN=$work go install "$2" >&2
  echo "$work/$1"
}

# port prints a port of loopback that nobody listens on.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

(($#)) || set -- gofakes3
failed=0
for name in "$@"; do
  p=$(port) data=$work/$name-data
  mkdir -p "$data"
  case $name in
  gofakes3)
    exe=$(program gofakes3 github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0)
    "$exe" -backend memory -host "127.0.0.1:$p" >"$work/$name.log" 2>&1 & ;;
  *) echo "test.sh: no server is called $name" >&2; exit 2 ;;
  esac
  pids+=($!)
  for _ in {1..100}; do (: >"/dev/tcp/127.0.0.1/$p") 2>/dev/null && break; sleep 0.1; done
  echo "== $name"
  (cd "$root" && S3SHARE_NEED=fuse,s3 S3SHARE_OTHER_SERVER="$name http://127.0.0.1:$p owner ownersecret" \
    go test -count=1 -timeout 10m -v -run TestOtherServer ./integration) || { failed=1; tail -5 "$work/$name.log"; }
done
exit "$failed"
