#!/bin/sh
# Nothing of any user is removed: an outbox may hold the only copy of a file.
# dpkg passes "remove", "purge" or "upgrade NEW-VERSION", rpm the number of versions that stay,
# and apk, which does not run it in an upgrade, the version that is removed.
set -e

case "$1" in
purge | upgrade | failed-upgrade | abort-* | disappear) exit 0 ;;
*[!0-9]*) ;;
[1-9]*) exit 0 ;;
esac
cat <<'EOF'
s3share: what users have not delivered yet stays in ~/.local/state/s3share of each of them,
s3share: and their settings in ~/.config/s3share. Mounts that run go on until they are undone.
s3share: with s3share installed again, s3share recover delivers what is left.
EOF
exit 0
