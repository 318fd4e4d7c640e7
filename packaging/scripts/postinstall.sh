#!/bin/sh
# After an upgrade, tells how mounts come to the new version: nothing here touches a mount.
# dpkg passes "configure OLD-VERSION", rpm the number of versions that are installed now, and apk
# the new and the old version.
set -e

case "$1" in
configure) [ -n "$2" ] || exit 0 ;;
1) exit 0 ;;
esac
cat <<'EOF'
s3share: mounts that run go on with the version that they were started with.
s3share: to have one use the new version: systemctl --user restart s3share@EXCHANGE,
s3share: or s3share unmount DIR, and mount it again.
EOF
exit 0
