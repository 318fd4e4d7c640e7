#!/usr/bin/env bash
# Installs the packages of one directory into an empty root, upgrades them to those of another,
# and removes them. Each format is tried by its own program, as root, and skipped without it.
#
#   packaging/install-check.sh DIR NEXT
#
# APK is the program apk, where it is not in PATH.
set -euo pipefail
shopt -s nullglob
first=$(realpath "$1") next=$(realpath "$2")
NFPM="go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
apk=${APK:-apk}
busybox=/bin/busybox
unset TMPDIR # does not exist in the root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$(id -u)" != 0 ]; then echo "not root: no package was installed" >&2; exit 0; fi
if [[ $(ldd "$busybox" 2>&1) != *'not a dynamic executable'* ]]; then
  echo "no static busybox: no package was installed (apt-get install busybox-static)" >&2
  exit 0
fi

failed=0
wrong() { echo "$format: $*" >&2; failed=1; }

# The root has a shell for the scripts, and a user with something that is not delivered.
outbox=home/ann/.local/state/s3share/team-12345678/stage
new_root() {
  root=$work/$format
  mkdir -p "$root"/{bin,etc,tmp,"$outbox"}
  for program in sh cat; do cp "$busybox" "$root/bin/$program"; done
  echo 'ann:x:1000:1000::/home/ann:/bin/sh' >"$root/etc/passwd"
  echo 'not delivered' >"$root/$outbox/1"
}

# tree lists what the package has in the root: mode, owner, path and, of a link, its target.
tree() {
  (cd "$root" && find . \( -path ./home -o -path './var' -o -path ./lib -o -path ./etc -o -path ./root \) -prune -o \
    \( -name '*s3share*' -o -path '*/s3share/*' \) ! -type d -printf '%m %U:%G %p %l\n' | sort -k 3)
}

# expect VERSION looks whether the program, its link, the unit, manual and completions are right.
expect() {
  local said path link=/usr/sbin/mount.s3share zsh=usr/share/zsh/site-functions/_s3share
  case $format in apk) link=/sbin/mount.s3share ;; deb) zsh=usr/share/zsh/vendor-completions/_s3share ;; esac
  said=$(chroot "$root" /usr/bin/s3share version 2>&1) || true
  [[ $said == *"$1"* ]] || wrong "the version is $said, want $1"
  said=$(chroot "$root" "$link" --help 2>&1) || true
  [[ $said == *"s3share mount [EXCHANGE] DIR"* ]] || wrong "mount.s3share says $said"
  for path in usr/lib/systemd/user/s3share@.service usr/share/man/man1/s3share-mount.1.gz usr/share/man/man8/mount.s3share.8.gz \
    usr/share/bash-completion/completions/s3share $zsh usr/share/fish/vendor_completions.d/s3share.fish \
    usr/share/{nautilus,nemo,caja}-python/extensions/s3share.py \
    usr/share/doc/s3share/licences.gz usr/share/doc/s3share/changelog.gz; do
    [ -s "$root/$path" ] || wrong "$path is missing"
  done
  tree >"$work/$format.tree"
  said=$(grep -v -e '^644 0:0 ' -e '^777 0:0 ' -e '^755 0:0 ./usr/bin/s3share ' "$work/$format.tree") && wrong "modes or owners: $said"
  cmp -s "$root/usr/bin/s3share" "$reference" || wrong "the program differs from that of the tar.gz"
}

# step NAME WANT COMMAND... runs COMMAND, whose output has to contain WANT, or nothing that our
# scripts say if WANT is empty. The outbox has to be as before.
step() {
  local name=$1 want=$2 said
  shift 2
  if ! said=$("$@" 2>&1); then wrong "$name: $said"; return; fi
  if [ -z "$want" ] && [[ $said == *"s3share: "* ]]; then wrong "$name says: $said"; fi
  if [ -n "$want" ] && [[ $said != *"$want"* ]]; then wrong "$name does not say \"$want\": $said"; fi
  [ "$(cat "$root/$outbox/1")" = 'not delivered' ] || wrong "$name has changed the outbox"
}

# lives INSTALL REMOVE installs, upgrades and removes the package. INSTALL is called with its file.
lives() {
  local old=("$first"/*[_.]"$arch.$format") new=("$next"/*[_.]"$arch.$format")
  new_root
  program "$first"
  step install "" "$1" "${old[0]}"
  expect "$(version_of)"
  program "$next"
  step upgrade "mounts that run go on with the version" "$1" "${new[0]}"
  expect "$(version_of)"
  step removal "stays in ~/.local/state/s3share" "$2"
  if [ -n "$(tree)" ]; then wrong "left after the removal: $(tree)"; fi
  echo "$format: tried installing, upgrading and removing it"
}
# program DIR takes the program out of the tar.gz, to compare with.
program() {
  rm -rf "$work/reference" && mkdir "$work/reference"
  tar -xzf "$1"/s3share-*-linux-amd64.tar.gz -C "$work/reference"
  reference=$(echo "$work"/reference/*/bin/s3share)
}
version_of() { "$reference" version | head -1; }

skipped() { echo "no $1: the $format was not installed" >&2; }

format=deb arch=amd64
install_deb() {
  if [ ! -d "$root/var/lib/dpkg" ]; then
    mkdir -p "$root"/var/lib/dpkg/{info,updates}
    # What the package depends on, as if it were installed.
    printf '%s\n' 'Package: fuse3' 'Status: install ok installed' 'Maintainer: none' 'Version: 3.14.0' 'Architecture: amd64' 'Description: stands in for fuse3' >"$root/var/lib/dpkg/status"
  fi
  dpkg --root="$root" --install "$1"
}
remove_deb() { dpkg --root="$root" --remove s3share; }
if command -v dpkg >/dev/null; then lives install_deb remove_deb; else skipped dpkg; fi

format=rpm arch=x86_64
install_rpm() { rpm --root "$root" --dbpath /var/lib/rpm --nodeps --upgrade "$1"; }
remove_rpm() { rpm --root "$root" --dbpath /var/lib/rpm --erase s3share; }
if command -v rpm >/dev/null; then lives install_rpm remove_rpm; else skipped rpm; fi

format=apk arch=x86_64
install_apk() {
  if [ ! -d "$root/lib/apk" ]; then
    # apk demands what the package depends on: this stands in for it.
    printf '%s\n' 'name: fuse3' 'arch: amd64' 'version: 3.16.0' 'description: stands in for fuse3' 'maintainer: none' >"$work/fuse3.yaml"
    $NFPM package --packager apk --config "$work/fuse3.yaml" --target "$work/fuse3.apk"
    "$apk" --root "$root" --initdb --arch x86_64 --no-network --allow-untrusted --repositories-file /dev/null add "$work/fuse3.apk"
  fi
  "$apk" --root "$root" --no-network --allow-untrusted --repositories-file /dev/null add "$1"
}
remove_apk() { "$apk" --root "$root" --no-network --repositories-file /dev/null del s3share; }
if command -v "$apk" >/dev/null; then lives install_apk remove_apk; else skipped apk; fi

# The formats have the same files, but for these.
of_all() { sed -E -e 's,\./usr/sbin/mount\.s3share .*,MOUNT,' -e 's,\./sbin/mount\.s3share .*,MOUNT,' -e 's,zsh/(vendor-completions|site-functions),ZSH,' \
  -e '/\/doc\/s3share\/(copyright|changelog\.Debian\.gz) |lintian|\/licenses\//d' "$1" | sort; }
for format in rpm apk; do
  [ -f "$work/deb.tree" ] && [ -f "$work/$format.tree" ] || continue
  diff <(of_all "$work/deb.tree") <(of_all "$work/$format.tree") >&2 || wrong "other files than in the deb"
done
exit $failed
