#!/usr/bin/env bash
# The long form of the chaos tests: the same code as in tests/run.sh, with larger numbers, and a table of figures at the end.
#   tests/KernelGateway.Chaos.Tests/long.sh [--minutes N] [--seed S]
# Without --minutes it does all of it: 200 rounds of 25 kills, 100,000 damaged journals, 10,000 sandboxes made and ended.
# With it, each part stops at its share of the time. The same seed gives the same workload and the same faults.
set -euo pipefail

minutes=0
seed=$((RANDOM * 32768 + RANDOM))
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "Unknown argument '$1'." >&2; exit 2 ;;
  esac
done

project=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$project/../.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
commit=$(git rev-parse --short HEAD)$([ -z "$(git status --porcelain)" ] || echo ' with changes')
export KG_CHAOS_EXTRA_SECONDS=1000000
export KG_CHAOS_SEED=$seed KG_CHAOS_ROUNDS=200 KG_CHAOS_KILLS=25 KG_CHAOS_SANDBOXES=8 KG_CHAOS_MUTATIONS=100000 KG_CHAOS_CYCLES=10000
if [ "$minutes" -gt 0 ]; then
  export KG_CHAOS_EXTRA_SECONDS=$((minutes * 60))
  export KG_CHAOS_NEMESIS_SECONDS=$((minutes * 60 * 60 / 100))
  export KG_CHAOS_MUTATIONS_SECONDS=$((minutes * 60 * 10 / 100))
  export KG_CHAOS_CYCLES_SECONDS=$((minutes * 60 * 25 / 100))
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KG_CHAOS_FIGURES=$work/figures
dotnet build "$project" --configuration Release --verbosity quiet >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

started=$SECONDS
status=0
dotnet test "$project" --configuration Release --no-build --nologo --filter 'Category=Long' --logger 'console;verbosity=normal' >"$work/log" 2>&1 || status=$?
[ "$status" -eq 0 ] || cat "$work/log"

processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
memory=$(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 }' /proc/meminfo)
{
  printf 'result\t%s\n' "$([ "$status" -eq 0 ] && echo 'no violation' || echo 'VIOLATIONS, see above')"
  cat "$KG_CHAOS_FIGURES" 2>/dev/null || true
  printf 'seconds in all\t%s\n' "$((SECONDS - started))"
  printf 'seed\t%s\n' "$seed"
  printf 'machine\t%s\n' "$(nproc) x ${processor:-$(uname -m)}, $memory, Linux $(uname -r), load $(cut -d' ' -f1-3 /proc/loadavg)"
  printf 'commit\t%s\n' "$commit"
} >"$work/table"

printf '\n| Figure | Value |\n|---|---|\n'
awk -F '\t' '{ printf "| %s | %s |\n", $1, $2 }' "$work/table"
exit "$status"
