#!/bin/bash
# Runs tests against Ceph RGW: localbucket's access tests, which must agree,
# then the packages of the main module given as arguments, such as
# ./s3backend/... . The server is stopped whatever happens.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/rgw-test.XXXXXX")
server=
finish() {
  exec 4>&- || true # the server's standard input: it ends with it
  if [[ -n $server ]]; then wait "$server" || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [[ -z ${LOCALBUCKET:-} ]]; then
  export LOCALBUCKET=$work/localbucket
  (cd "$root/integration/localbucket" && go build -o "$LOCALBUCKET" .)
fi
mkfifo "$work/stdin" "$work/stdout"
"$here/rgw.sh" <"$work/stdin" >"$work/stdout" &
server=$!
exec 4>"$work/stdin"
if ! read -r S3SHARE_TEST_S3 <"$work/stdout"; then
  echo "test.sh: RGW did not start" >&2
  exit 1
fi
export S3SHARE_TEST_S3

failed=0
(cd "$root/integration/localbucket" && exec 4>&- && go test -count=1 ./access/) || failed=1
if (($#)); then
  (cd "$root" && exec 4>&- && go test -count=1 "$@") || failed=1
fi
exit "$failed"
