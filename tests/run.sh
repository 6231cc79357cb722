#!/usr/bin/env bash
# Runs every test suite and ends with one line: N passed, N failed[, N skipped].
#   tests/run.sh             everything
#   tests/run.sh --chaos     only the suite that breaks things; its long form is tests/KernelGateway.Chaos.Tests/long.sh
#   tests/run.sh FILTER      only tests whose name contains FILTER (or a filter expression of dotnet test)
# With CI=true in the environment, a test that lacks something fails instead of being skipped.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

case "${1:-}" in
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac
suites=()
for project in tests/*.Tests/*.csproj; do
  if [ "${1:-}" != --chaos ] || [[ "$project" == *Chaos* ]]; then suites+=("$project"); fi
done
[ "${1:-}" != --chaos ] || shift

filter=()
[ -z "${1:-}" ] || filter=(--filter "$1")

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1
started=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() {
  echo "== $* ($((SECONDS - started)) s)"
}

# Shows what a command says only when it fails.
quietly() {
  if ! "$@" >"$work/log" 2>&1; then
    cat "$work/log"
    echo "Failed: $*" >&2
    exit 1
  fi
}

step "Checking dependencies"
samples/install-dependencies.sh --tests
# Some tests run kernels on an image of their own; building takes minutes and is done once, and again when it should hold other packages.
images=/var/tmp/kernel-gateway-tests/images
recipe=$(cat kernel-images/build.sh kernel-images/python-cpu-env/packages.txt | sha256sum)
if [ "$(id -u)" -eq 0 ] && [ -z "${1:-}" ] && { [ ! -e "$images/python-cpu-env.json" ] || [ "$(cat "$images/recipe" 2>/dev/null)" != "$recipe" ]; }; then
  step "Building an image (once)"
  mkdir -p "${images%/*}"
  if kernel-images/build.sh python-cpu-env --output "$images"; then
    echo "$recipe" >"$images/recipe"
  else
    echo "No image could be built; the tests that need it are skipped." >&2
  fi
fi
step "Restoring the locked packages"
quietly dotnet restore KernelGateway.sln --locked-mode
step "Building (Release)"
quietly dotnet build KernelGateway.sln --configuration Release --no-restore --verbosity quiet

# The counters of a trx file: total, executed, passed. Skipped ones are those that were not executed.
counter() {
  sed -n "s/.*<Counters [^>]*\b$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

passed=0
failed=0
skipped=0
broken=0
number=0
for suite in "${suites[@]}"; do
  number=$((number + 1))
  name=$(basename "$suite" .csproj)
  step "[$number/${#suites[@]}] $name"
  status=0
  timeout --kill-after=30 1200 dotnet test "$suite" --configuration Release --no-build --nologo --logger "console;verbosity=minimal" \
    --logger "trx;LogFileName=$name.trx" --results-directory "$work" "${filter[@]}" >"$work/$name.log" 2>&1 || status=$?

  trx=$work/$name.trx
  if [ ! -f "$trx" ]; then
    # A suite with nothing to run leaves no results; one that broke does not either.
    if [ "$status" -ne 0 ]; then
      cat "$work/$name.log"
      echo "   $name did not get as far as its tests (exit code $status)."
      broken=$((broken + 1))
    else
      echo "   no tests"
    fi
    continue
  fi

  total=$(counter "$trx" total)
  executed=$(counter "$trx" executed)
  good=$(counter "$trx" passed)
  bad=$((executed - good))
  if [ "$total" -eq 0 ]; then
    echo "   no tests"
  else
    echo "   $good passed, $bad failed, $((total - executed)) skipped"
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  skipped=$((skipped + total - executed))
  if [ "$status" -ne 0 ]; then
    cat "$work/$name.log"
    # For example a test host that crashed after its last result.
    [ "$bad" -gt 0 ] || broken=$((broken + 1))
  elif [ "$total" -gt "$executed" ]; then
    grep -E '^ *Skipped ' "$work/$name.log" || true
  fi
done

# A suite that broke without a failing test must not look like success.
failed=$((failed + broken))
step "Done"
if [ "$((passed + failed))" -eq 0 ]; then
  echo "No test ran." >&2
fi
if [ "$skipped" -gt 0 ]; then
  echo "$passed passed, $failed failed, $skipped skipped"
else
  echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
