#!/bin/bash
# Starts a Ceph RADOS Gateway to throw away: an S3 server with policies and
# object ACLs, written by others, that must agree with localbucket.
#
#   rgw.sh [--policy NAME | --policy-file FILE] [--bucket NAME] [STATE]
#
# One monitor, one in-memory OSD and one gateway, all on loopback and without
# Ceph's own authentication; root is not needed. STATE is a new or empty
# directory for their sockets and logs, and stays; without it a temporary one
# is used and removed. When the bucket is ready, the line that localbucket
# prints is printed, with "kind":"rgw". Ends when standard input does, or on
# SIGTERM; then everything it started has ended too.
#
# LOCALBUCKET names a built localbucket, to save building it.
set -euo pipefail
daemons=() temporary='' reader=''

say() { echo "rgw.sh: $*" >&2; }
uuid() { cat /proc/sys/kernel/random/uuid; }
key() { uuid | tr -d -- -; }

# finish ends what was started. None of it has anything to save: the data goes
# with the memory it is in.
finish() {
  local code=$? pid
  set +e
  trap '' TERM INT
  for pid in "${daemons[@]}" $reader; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
  [[ -z $temporary ]] || rm -rf "$temporary"
  exit "$code"
}

# free_port prints a port that nobody answers on, from below the range that the
# kernel hands out.
free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 12000))
    if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  say "no free port found"
  return 1
}

# start runs a daemon that dies with this script, even by SIGKILL.
start() {
  local name=$1
  shift
  setpriv --pdeathsig KILL "$@" >"$state/$name.out" 2>&1 </dev/null &
  daemons+=($!)
}

# must runs a step, quietly unless it fails.
must() {
  if ! "$@" >"$state/step.out" 2>&1; then
    say "failed: $*"
    tail -n 20 "$state/step.out" >&2
    exit 1
  fi
}

last_words() { tail -q -n 3 "$state"/*.out "$state"/*.log >&2 || true; }

# alive fails, and says so, when a daemon has ended.
alive() {
  local pid
  for pid in "${daemons[@]}"; do
    if ! kill -0 "$pid" 2>/dev/null; then
      say "a daemon ended"
      last_words
      return 1
    fi
  done
}

# await waits up to a minute for a step to succeed, while the daemons live.
await() {
  local what=$1
  shift
  for _ in $(seq 240); do
    if "$@" >/dev/null 2>&1; then return; fi
    alive || exit 1
    sleep 0.25
  done
  say "$what is not up after a minute"
  last_words
  exit 1
}
osd_up() { ceph --connect-timeout 30 osd stat | grep -q ' 1 up'; }
rgw_up() { : <"/dev/tcp/127.0.0.1/$s3_port"; }

# user makes the account of a party: its name, its id, and the keys from its
# variables.
user() {
  local access="${1}_KEY" secret="${1}_SECRET"
  must timeout 120 radosgw-admin user create --uid "$2" --display-name "$1" \
    --access-key "${!access}" --secret "${!secret}"
}

# configure writes the configuration of all the daemons.
configure() {
  cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Trust whoever reaches loopback: no keys among the daemons.
auth cluster required = none
auth service required = none
auth client required = none
# Everything they write is in the state directory.
run dir = $state
admin socket = $state/\$name.sock
pid file =
log file = $state/\$name.log
crash dir = $state
keyring = $state/keyring
# One copy of the data on one OSD is enough, and must not be warned about.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000

[mon]
mon data = $state/mon
mon cluster log file = $state/cluster.log
# A full disk is not this cluster's concern.
mon data avail warn = 1
mon data avail crit = 1

[osd]
osd data = $state/osd
osd objectstore = memstore
memstore device bytes = $((4 << 30))
# Keys have up to 1,024 bytes; a name in the store holds more than the key.
osd max object name len = 2048
# The classes that keep the gateway's indexes.
osd class load list = *
osd class default list = *

[client.rgw]
# Without keys there is nothing to encrypt the monitor's connection with.
ms mon client mode = crc
rgw data = $state/rgw
rgw frontends = beast endpoint=127.0.0.1:$s3_port
rgw enable apis = s3
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw thread pool size = 64
rgw enable usage log = false
CONF
}

main() {
  local policy=(--policy article) bucket=exchange state='' here program osd
  while (($#)); do
    case $1 in
      --policy | --policy-file) policy=("$1" "${2:?$1 needs a value}"); shift 2 ;;
      --bucket) bucket=${2:?--bucket needs a value}; shift 2 ;;
      -*) say "no option $1"; exit 2 ;;
      *) state=$1; shift ;;
    esac
  done
  for program in ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin; do
    if ! command -v "$program" >/dev/null; then
      say "no $program here: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common"
      exit 1
    fi
  done
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

  trap finish EXIT
  trap 'exit 0' TERM INT
  if [[ -z $state ]]; then
    temporary=$(mktemp -d "${TMPDIR:-/tmp}/rgw.XXXXXX")
    state=$temporary
  fi
  mkdir -p "$state"
  state=$(cd "$state" && pwd)
  if [[ -n $(ls -A "$state") ]]; then
    say "$state is not empty"
    exit 1
  fi
  s3_port=$(free_port) mon_port=$(free_port) fsid=$(uuid)
  export CEPH_CONF=$state/ceph.conf
  configure
  mkdir "$state/mon" "$state/osd" "$state/rgw"
  : >"$state/keyring"

  must monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$state/monmap"
  must ceph-mon --mkfs -i a --monmap "$state/monmap"
  start mon ceph-mon -i a -f
  osd=$(uuid)
  must ceph --connect-timeout 60 osd new "$osd" 0
  must ceph-osd --mkfs -i 0 --osd-uuid "$osd"
  start osd ceph-osd -i 0 -f
  await "the OSD" osd_up

  # The three parties, by localbucket's account ids, with keys of this run.
  export OWNER_KEY CLIENT_KEY THIRD_KEY OWNER_SECRET CLIENT_SECRET THIRD_SECRET
  OWNER_KEY=OWNER$(key) CLIENT_KEY=CLIENT$(key) THIRD_KEY=THIRD$(key)
  OWNER_SECRET=$(key) CLIENT_SECRET=$(key) THIRD_SECRET=$(key)
  user OWNER 111122223333
  user CLIENT 444455556666
  user THIRD 777788889999

  start rgw radosgw -n client.rgw -f
  if [[ -z ${LOCALBUCKET:-} ]]; then
    LOCALBUCKET=$state/localbucket
    (cd "$here/../localbucket" && must go build -o "$LOCALBUCKET" .)
  fi
  await "the gateway" rgw_up
  "$LOCALBUCKET" setup --endpoint "http://127.0.0.1:$s3_port" --principal-style rgw \
    --bucket "$bucket" "${policy[@]}"

  # Until standard input ends, or a daemon does.
  exec 3<&0
  setpriv --pdeathsig KILL cat <&3 >/dev/null &
  reader=$!
  wait -n "$reader" "${daemons[@]}" || true
  alive
}

# By now bash has read all of this file: it may change under a server.
main "$@"
exit
