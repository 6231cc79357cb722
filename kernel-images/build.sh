#!/usr/bin/env bash
# Builds the systems that sandboxes run on in place of the host's /usr: one read-only file per environment, from the
# distribution's packages named in kernel-images/<environment>/packages.txt. Needs root.
#   kernel-images/build.sh                     all environments
#   kernel-images/build.sh ENVIRONMENT ...     only these
#     --output DIR   where to put them (default: images in the gateway's data directory, /var/lib/kernel-gateway)
#     --tar          also DIR/ENVIRONMENT.tar.gz for "docker import"
#     --docker       also into the Docker engine (DOCKER_HOST, or the usual one), as kernel-gateway/ENVIRONMENT:latest and
#                    kernel-gateway/ENVIRONMENT:DIGEST, for sandboxes of the variant local-docker
#     --keep         what is in DIR already is not built again, only written and loaded as asked
# A gateway uses a new image for the next sandbox; those that run keep theirs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
output=${Gateway__DataDirectory:-/var/lib/kernel-gateway}/images
tar=false
docker=false
keep=false
environments=()

fail() {
  echo "$*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    --output) [ $# -gt 1 ] || fail "--output needs a folder."; output=$2; shift ;;
    --tar) tar=true ;;
    --docker) docker=true ;;
    --keep) keep=true ;;
    -*) fail "Unknown argument '$1'; see --help." ;;
    *) environments+=("$1") ;;
  esac
  shift
done

if [ ${#environments[@]} -eq 0 ]; then
  for list in "$here"/*/packages.txt; do
    environments+=("$(basename "$(dirname "$list")")")
  done
fi
for name in "${environments[@]}"; do
  [ -f "$here/$name/packages.txt" ] || fail "There is no environment '$name': $here/$name/packages.txt is missing."
done

[ "$(id -u)" -eq 0 ] || fail "Building needs root, to give files their owners. Run it with sudo."
if ! command -v mmdebstrap >/dev/null || ! command -v mksquashfs >/dev/null; then
  "$here/../samples/install-dependencies.sh" --images
fi
if $docker; then
  command -v docker >/dev/null || fail "--docker needs the program 'docker' (apt install docker.io)."
  docker version --format '{{.Server.Version}}' >/dev/null || fail "The Docker engine does not answer; see above. Start it, or set DOCKER_HOST."
fi

# The release of this host and its own package sources: what it may install, the image may hold.
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || fail "/etc/os-release names no release (VERSION_CODENAME); images can be built on Debian and Ubuntu."
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [ -s "$file" ]; then sources+=("$file"); fi
done
[ ${#sources[@]} -gt 0 ] || fail "This host has no package sources below /etc/apt."

mkdir -p "$output"
work=$(mktemp -d "$output/.building-XXXXXX")
trap 'rm -rf "$work"' EXIT

# The system of an image, for what wants files and not a file system.
archive() {
  tar --create --numeric-owner --one-file-system --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* --directory "$1" .
}

# Writes and loads a system that is there as a tree of files.
hand_out() {
  local name=$1 tree=$2 tag=$3
  if $tar; then
    echo "== $name: writing the archive for docker import ($SECONDS s)"
    archive "$tree" | gzip >"$work/$name.tar.gz"
    mv "$work/$name.tar.gz" "$output/$name.tar.gz"
  fi
  if $docker; then
    echo "== $name: loading it into the Docker engine ($SECONDS s)"
    archive "$tree" | docker import --change "LABEL kernelgateway.environment=$name" - "kernel-gateway/$name:$tag" >/dev/null
    docker tag "kernel-gateway/$name:$tag" "kernel-gateway/$name:latest"
    echo "== $name: kernel-gateway/$name:latest, the same as kernel-gateway/$name:$tag ($SECONDS s)"
  fi
}

# An image that was built before, handed out.
reuse() {
  local name=$1 file
  file=$(sed -n 's/.*"file":"\([^"]*\)".*/\1/p' "$output/$name.json")
  echo "== $name: $output/$file is kept"
  if $tar || $docker; then
    rm -rf "$work/tree"
    unsquashfs -quiet -no-progress -dest "$work/tree" "$output/$file" >/dev/null
    file=${file%.squashfs}
    hand_out "$name" "$work/tree" "${file##*-}"
    rm -rf "$work/tree"
  fi
}

build() {
  local name=$1 tree=$work/tree packages digest file
  packages=$({ sed 's/#.*//' "$here/$name/packages.txt" | tr -d ' \t' | grep -v '^$'; echo tini; echo ca-certificates; } | sort -u | paste -sd,)
  echo "== $name: installing ${packages//,/ } ($SECONDS s)"
  rm -rf "$tree"
  mmdebstrap --quiet --mode=root --variant=minbase --skip=check/empty --include="$packages" \
    --aptopt='Acquire::Retries "3"' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='ldconfig -r "$1"' \
    "$suite" "$tree" "${sources[@]}" 2>"$work/log" || { cat "$work/log" >&2; fail "The packages of $name could not be installed; see above."; }

  # A sandbox sees /usr, and of /etc what the gateway copies. Nothing that differs from one build to the next.
  rm -rf "$tree"/var/cache/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/* "$tree"/etc/apt/sources.list* "$tree"/etc/machine-id "$tree"/etc/hostname "$tree"/etc/resolv.conf
  find "$tree/usr" -name __pycache__ -prune -o -perm /6000 -type f -exec chmod a-s {} +

  echo "== $name: packing ($SECONDS s)"
  file=$work/$name.squashfs
  mksquashfs "$tree" "$file" -noappend -quiet -no-progress -comp zstd -Xcompression-level 6 -xattrs -e "$tree/proc" "$tree/sys" "$tree/dev" >/dev/null
  digest=$(sha256sum "$file" | cut -d' ' -f1)
  chmod 0600 "$file"
  mv "$file" "$output/$name-${digest:0:16}.squashfs"
  hand_out "$name" "$tree" "${digest:0:16}"

  # The description last and at once: who reads it finds a whole image.
  printf '{"name":"%s","file":"%s","digest":"sha256:%s","suite":"%s","builtAt":"%s"}\n' \
    "$name" "$name-${digest:0:16}.squashfs" "$digest" "$suite" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$work/$name.json"
  mv "$work/$name.json" "$output/$name.json"
  for old in "$output/$name"-????????????????.squashfs; do
    # One that is mounted lives on without its name.
    if [ "$old" != "$output/$name-${digest:0:16}.squashfs" ]; then rm -f "$old"; fi
  done
  rm -rf "$tree"
  echo "== $name: $output/$name-${digest:0:16}.squashfs, $(du -h "$output/$name-${digest:0:16}.squashfs" | cut -f1) ($SECONDS s)"
}

for name in "${environments[@]}"; do
  if $keep && [ -e "$output/$name.json" ]; then
    reuse "$name"
  else
    build "$name"
  fi
done
