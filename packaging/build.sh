#!/usr/bin/env bash
# Builds the packages for Linux into a directory: deb, rpm, apk and tar.gz, each for amd64 and
# arm64, an SBOM for each of these, and checksums. Two builds of one commit are the same bytes.
#
#   packaging/build.sh DIR
#
# PACKAGE_VERSION is the version of the packages, where the tags of git are not to decide, and
# ARCHITECTURES what to build for.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "$1")
NFPM="go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
CYCLONEDX="go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

umask 022
export TZ=UTC LC_ALL=C
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
stamp=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)

# The version of a tag v1.2.3, or of what comes before the next one: 1.2.4-git20260131120000.
describe=$(git describe --tags --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null || true)
if [[ $describe =~ ^v([0-9]+\.[0-9]+\.[0-9]+)$ ]]; then
  version=${BASH_REMATCH[1]}
elif [[ $describe =~ ^v([0-9]+)\.([0-9]+)\.([0-9]+)- ]]; then
  version=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}.$((BASH_REMATCH[3] + 1))-git$stamp
else
  version=0.0.0-git$stamp
fi
version=${PACKAGE_VERSION:-$version}
export PACKAGE_VERSION=$version
program_version=${VERSION:-$version}

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # build ARCH FILE
  CGO_ENABLED=0 GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.version=$program_version" -o "$2" ./cmd/s3share
}
compressed() { gzip -9n <"$1" >"$2"; }

# What is the same for every architecture.
common=$work/common
mkdir -p "$common/completions" "$common/scripts" "$common/filemanager"
build "$(go env GOHOSTARCH)" "$work/s3share"
"$work/s3share" manual "$common"
for shell in bash zsh fish; do "$work/s3share" completion $shell >"$common/completions/$shell"; done
cp "cmd/s3share/internal/service/s3share@.service" "$common/"
cp LICENSE README.md CHANGELOG.md packaging/copyright packaging/lintian-overrides "$common/"
cp packaging/scripts/*.sh "$common/scripts/"
cp packaging/filemanager/s3share.py "$common/filemanager/"
compressed CHANGELOG.md "$common/changelog.gz"
cat >"$work/changelog.Debian" <<EOF
s3share (${version/-/\~}-1) unstable; urgency=medium

  * changelog.gz has what is new.

 -- The s3share project <s3share@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
EOF
compressed "$work/changelog.Debian" "$common/changelog.Debian.gz"
# The licences of what the program links have to go with it.
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/s3share | sort -u |
  while read -r module dir; do
    for file in "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE*; do
      [ -f "$file" ] || continue
      printf '==== %s: %s\n\n' "$module" "$(basename "$file")"
      cat "$file"
      echo
    done
  done >"$work/licences"
compressed "$work/licences" "$common/licences.gz"
sections=("$common"/man[0-9])
find "${sections[@]}" -type f -exec gzip -9n {} +

# In an rpm, documentation is marked as such, for which nfpm wants each file by its name.
{
  cat packaging/nfpm.yaml
  for page in "$common"/man[0-9]/*; do
    page=${page#"$common/"}
    echo "  - {src: $page, dst: /usr/share/man/$page, type: doc, packager: rpm, file_info: {mode: 0644}}"
  done
} >"$work/nfpm.yaml"

for arch in ${ARCHITECTURES:-amd64 arm64}; do
  root=$work/$arch
  cp -r "$common" "$root"
  build $arch "$root/s3share"
  $CYCLONEDX bin -json -std -noserial -notimestamp -version "$version" -output "$out/s3share_${version}_linux_$arch.cdx.json" "$root/s3share"
  find "$root" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
  for format in deb rpm apk; do
    (cd "$root" && PACKAGE_ARCH=$arch $NFPM package --packager $format --target "$out/" --config "$work/nfpm.yaml")
  done

  name=s3share-$version-linux-$arch
  tree=$work/tree/$name
  install -D -m 755 "$root/s3share" "$tree/bin/s3share"
  mkdir -p "$tree/sbin" "$tree/share/man"
  ln -s ../bin/s3share "$tree/sbin/mount.s3share"
  cp -r "$root"/man[0-9] "$tree/share/man/"
  install -D -m 644 "$root/completions/bash" "$tree/share/bash-completion/completions/s3share"
  install -D -m 644 "$root/completions/zsh" "$tree/share/zsh/site-functions/_s3share"
  install -D -m 644 "$root/completions/fish" "$tree/share/fish/vendor_completions.d/s3share.fish"
  install -D -m 644 -t "$tree/share/nautilus-python/extensions" "$root/filemanager/s3share.py"
  for manager in nemo caja; do
    mkdir -p "$tree/share/$manager-python/extensions"
    ln -s ../../nautilus-python/extensions/s3share.py "$tree/share/$manager-python/extensions/"
  done
  install -D -m 644 -t "$tree/share/doc/s3share" LICENSE README.md CHANGELOG.md docs/*.md "$root/licences.gz"
  tar --create --directory "$work/tree" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name" |
    gzip -9n >"$out/$name.tar.gz"
done
(cd "$out" && sha256sum -- * >SHA256SUMS)
