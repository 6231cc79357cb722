#!/usr/bin/env bash
# Installs what KernelGateway needs on Debian and Ubuntu, and only what is missing. Says what to do where it cannot.
#   samples/install-dependencies.sh           to run the gateway and its environments
#   samples/install-dependencies.sh --tests   to run the tests as well
#   samples/install-dependencies.sh --images  to build images of environments (kernel-images/build.sh)
set -euo pipefail

readonly dotnet_version=10
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The runtime of sandboxes, their first process, their disks, the database of the gateway, and curl for the quickstart.
packages=(runc tini e2fsprogs libsqlite3-0 curl)

usage() {
  sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

case "${1:-}" in
  '') ;;
  # libzmq as the other end of our own ZeroMQ, a Jupyter Server as that of its WebSocket, setpriv to drop rights, what
  # builds images and runs the notebook, and a Docker engine unless there is one, perhaps from elsewhere, which
  # Debian's must not replace.
  --tests)
    packages+=(python3-zmq python3-jupyter-client python3-jupyter-server util-linux mmdebstrap squashfs-tools python3-nbclient python3-websocket)
    [ -x /usr/sbin/dockerd ] || [ -x /usr/bin/dockerd ] || packages+=(docker.io)
    ;;
  --images) packages+=(mmdebstrap squashfs-tools) ;;
  -h | --help) usage; exit 0 ;;
  *) echo "Unknown argument '$1'." >&2; usage >&2; exit 2 ;;
esac

# Each environment names its own packages; that file is their only source.
for list in "$root"/kernel-images/*/packages.txt; do
  while read -r package; do
    packages+=("$package")
  done < <(sed 's/#.*//' "$list" | grep -v '^[[:space:]]*$')
done

installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

has_dotnet() {
  command -v dotnet >/dev/null && dotnet --list-sdks 2>/dev/null | grep -q "^$dotnet_version\."
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  if ! has_dotnet; then packages+=("dotnet-sdk-$dotnet_version.0"); fi
  {
    echo "This script installs with apt, which this system does not have."
    echo "Install by hand what these Debian packages hold, then go on without this script: ${packages[*]}"
  } >&2
  exit 1
fi

missing=()
while read -r package; do
  installed "$package" || missing+=("$package")
done < <(printf '%s\n' "${packages[@]}" | sort -u)

want_dotnet=false
has_dotnet || want_dotnet=true

if [ ${#missing[@]} -eq 0 ] && ! $want_dotnet; then
  echo "All dependencies are there."
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Installing packages needs root, and sudo is not there. As root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

echo "Reading the package lists ..."
apt update || echo "Some package lists could not be read; trying with those that are there." >&2

if $want_dotnet; then
  if apt-cache show "dotnet-sdk-$dotnet_version.0" >/dev/null 2>&1; then
    missing+=("dotnet-sdk-$dotnet_version.0")
  else
    {
      echo "The .NET SDK $dotnet_version is missing, and the package lists of this system do not have it."
      echo "Install it as https://learn.microsoft.com/dotnet/core/install/linux says, so that 'dotnet --list-sdks' shows $dotnet_version.0, and run this again."
    } >&2
    exit 1
  fi
fi

echo "Installing ${missing[*]} ..."
if ! apt install --no-install-recommends --yes "${missing[@]}"; then
  echo "apt could not install all of: ${missing[*]}. Its own words are above." >&2
  exit 1
fi
echo "All dependencies are there now."
