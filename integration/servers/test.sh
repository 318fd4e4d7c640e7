#!/bin/bash
# Runs TestOtherServer against servers that others have written: those named as arguments,
# or those of the table in docs/servers.md. They listen on loopback, and each is stopped
# whatever happens. A program is taken from the directory SERVERS if it is there; else it is
# built, once for each version, from the Go module proxy. RUN is a pattern for `go test -run`,
# for a part of it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/s3share-servers
work=$(mktemp -d "${TMPDIR:-/tmp}/servers-test.XXXXXX")
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# program NAME MODULE VERSION PACKAGE sets exe to the path of a program, and builds it if it
# is not there. It is built in its own module, as replace directives count there alone.
program() {
  if [[ -n ${SERVERS:-} && -x $SERVERS/$1 ]]; then
    exe=$(realpath "$SERVERS/$1")
    return
  fi
  exe=$cache/$1-$3
  if [[ -x $exe ]]; then return; fi
  mkdir -p "$cache"
  echo "== building $1 of $2@$3"
  local dir
  if ! dir=$(cd "$work" && go mod download -json "$2@$3" 2>/dev/null | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || [[ -z $dir ]]; then
    echo "test.sh: $1 is missing: the Go module proxy ($(go env GOPROXY)) does not give $2@$3; put a program of that name into a directory, and name that by SERVERS" >&2
    return 1
  fi
  if ! (cd "$dir" && CGO_ENABLED=0 go build -trimpath -o "$exe.new" "$4") 2>"$work/build.log"; then
    echo "test.sh: $1 is missing: go build says: $(tail -n 1 "$work/build.log")" >&2
    return 1
  fi
  mv "$exe.new" "$exe"
}

# port prints a port of loopback that nobody listens on.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start PROGRAM ARGUMENT... starts a server.
start() {
  (cd "$data" && exec "$@") >"$work/$name.log" 2>&1 &
  pids+=($!)
}

# answers PORT waits until somebody listens there.
answers() {
  for _ in {1..600}; do
    if (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "test.sh: $name does not listen" >&2
  return 1
}

# The accounts. A server that has one account, or none, has no client.
OWNER="ownerkey ownersecret"
CLIENT="clientkey clientsecret"

# run_gofakes3 and so on start a server at the port p with its files in data, and set
# accounts: the keys and secrets of owner and client, and how a policy names the client.
run_gofakes3() {
  program gofakes3 github.com/johannesboyne/gofakes3 v1.2.0 ./cmd/gofakes3 || return
  start "$exe" -backend memory -host "127.0.0.1:$p"
  answers "$p" || return
  accounts=$OWNER
}

run_versitygw() {
  program versitygw github.com/versity/versitygw v1.8.0 ./cmd/versitygw || return
  mkdir "$data/iam" "$data/buckets"
  start "$exe" --access ownerkey --secret ownersecret --port "127.0.0.1:$p" --iam-dir "$data/iam" --quiet posix "$data/buckets"
  answers "$p" || return
  "$exe" admin --access ownerkey --secret ownersecret --endpoint-url "http://127.0.0.1:$p" \
    create-user --access clientkey --secret clientsecret --role user >>"$work/$name.log" 2>&1 || return
  accounts="$OWNER $CLIENT clientkey"
}

# MinIO applies bucket policies to requests without credentials alone, so its client is the
# same account.
run_MinIO() {
  program minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c . || return
  MINIO_ROOT_USER=ownerkey MINIO_ROOT_PASSWORD=ownersecret MINIO_BROWSER=off HOME=$data \
    start "$exe" server --address "127.0.0.1:$p" --quiet "$data/disk"
  answers "$p" || return
  accounts=$OWNER
}

run_SeaweedFS() {
  program weed github.com/seaweedfs/seaweedfs v0.0.0-20261109003541-7506e5f91cd6 ./weed || return
  cat >"$data/identities.json" <<-EOF
	{"identities": [
	  {"name": "owner", "credentials": [{"accessKey": "ownerkey", "secretKey": "ownersecret"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
	  {"name": "client", "credentials": [{"accessKey": "clientkey", "secretKey": "clientsecret"}], "actions": []}
	]}
	EOF
  local ports=() flag
  for flag in master.port master.port.grpc volume.port volume.port.grpc filer.port filer.port.grpc s3.port.grpc; do
    ports+=("-$flag=$(port)")
  done
  start "$exe" server -dir="$data" -ip=127.0.0.1 -ip.bind=127.0.0.1 "${ports[@]}" -master.volumeSizeLimitMB=64 -volume.max=50 \
    -s3 -s3.port="$p" -s3.config="$data/identities.json"
  answers "$p" || return
  accounts="$OWNER $CLIENT arn:aws:iam::000000000000:user/client"
}

(($#)) || set -- gofakes3 MinIO versitygw
failed=0
for name in "$@"; do
  if [[ $(type -t "run_$name") != function ]]; then echo "test.sh: no server is called $name" >&2; exit 2; fi
  p=$(port) data=$work/$name-data accounts=
  mkdir -p "$data"
  if ! "run_$name"; then failed=1; continue; fi
  echo "== $name"
  (cd "$root" && S3SHARE_NEED=fuse,s3 S3SHARE_OTHER_SERVER="$name http://127.0.0.1:$p $accounts" \
    go test -count=1 -timeout 20m -v -run "${RUN:-TestOtherServer}" ./integration) || { failed=1; tail -n 5 "$work/$name.log"; }
done
exit "$failed"
