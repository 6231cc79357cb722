#!/usr/bin/env bash
# From a fresh clone to running code: installs what is missing, builds, starts a gateway, runs code in a sandbox,
# loses the connection in the middle and comes back. Leaves the gateway running; a second call uses it again.
#   samples/quickstart.sh [--port N] [--data FOLDER] [--no-isolation]
#   samples/quickstart.sh --stop
# --no-isolation runs kernels as plain processes, with all your rights: only for code that you trust.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

port=
stop=false
isolation=true
if [ "$(id -u)" -eq 0 ]; then
  data=/var/lib/kernel-gateway
else
  data=${XDG_DATA_HOME:-$HOME/.local/share}/kernel-gateway
fi

fail() {
  echo "quickstart: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case "$1" in
    --port) port=${2:?--port needs a number}; shift ;;
    --data) data=$(realpath -m "${2:?--data needs a folder}"); shift ;;
    --no-isolation) isolation=false ;;
    --stop) stop=true ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "Unknown argument '$1'; see --help." ;;
  esac
  shift
done

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1
# The system's proxy cannot reach a gateway on this machine.
export NO_PROXY=127.0.0.1${NO_PROXY:+,$NO_PROXY} no_proxy=127.0.0.1${no_proxy:+,$no_proxy}
readonly server=src/KernelGateway.Server/bin/Release/net10.0/KernelGateway.Server.dll
readonly sample=samples/console-reconnect/bin/Release/net10.0/console-reconnect.dll
readonly state=${XDG_STATE_HOME:-$HOME/.local/state}/kernel-gateway
readonly pid_file=$state/quickstart.pid url_file=$state/quickstart.url data_file=$state/quickstart.data log=$state/quickstart.log
mkdir -p "$state"

# Whether the process of an earlier quickstart still runs: the number alone may belong to another program by now.
running() {
  [ -s "$pid_file" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$pid_file")/cmdline" | grep -qF "$root/$server"
}

stop_gateway() {
  local pid
  pid=$(cat "$pid_file")
  kill -TERM "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$pid_file" "$url_file" "$data_file"; return 0; }
    sleep 0.1
  done
  fail "The gateway (process $pid) does not stop; see $log."
}

if $stop; then
  running || { echo "No gateway of a quickstart is running."; exit 0; }
  stop_gateway
  echo "The gateway has stopped. Its sandboxes live on and are taken up when it starts again."
  exit 0
fi

in_use() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

call() {
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --max-time 120 --request "$method" \
    --header "Authorization: Bearer $KERNEL_GATEWAY_API_KEY" --header 'Content-Type: application/json' "$KERNEL_GATEWAY_URL$path" "$@"
}

# The first text field of that name in a JSON answer; enough for a shell.
field() {
  grep -oE "\"$1\":\"([^\"\\\\]|\\\\.)*\"" | sed -n "1s/^\"$1\":\"\(.*\)\"\$/\1/p"
}

if $isolation && [ "$(id -u)" -ne 0 ]; then
  fail "Sandboxes get user ids of their own, and only root may give them: run this as root (sudo $0), or with --no-isolation to try it with your own rights."
fi

echo "1/5 Dependencies"
samples/install-dependencies.sh

echo "2/5 Build"
readonly stamp=src/KernelGateway.Server/bin/Release/net10.0/.quickstart
if [ -f "$stamp" ] && [ -f "$server" ] && [ -f "$sample" ] && [ -z "$(find src kernel-images samples/console-reconnect Directory.Packages.props -newer "$stamp" -type f -not -path '*/obj/*' -not -path '*/bin/*' -print -quit)" ]; then
  echo "Nothing has changed since the last build."
else
  if running; then
    echo "Stopping the gateway first: a build would pull its program away from under it. Its sandboxes live on."
    stop_gateway
  fi
  for project in src/KernelGateway.Server samples/console-reconnect; do
    dotnet build "$project" --configuration Release --verbosity quiet >"$state/build.log" 2>&1 || { cat "$state/build.log"; fail "The build of $project failed."; }
  done
  touch "$stamp"
fi

echo "3/5 Gateway"
if running; then
  KERNEL_GATEWAY_URL=$(cat "$url_file")
  data=$(cat "$data_file")
  echo "Using the one that runs already, at $KERNEL_GATEWAY_URL."
else
  if [ -z "$port" ]; then
    port=8080
    while in_use "$port"; do port=$((port + 1)); done
  elif in_use "$port"; then
    fail "Something else listens on port $port; choose another one, or none to get a free one."
  fi
  KERNEL_GATEWAY_URL=http://127.0.0.1:$port
  settings=("Gateway__DataDirectory=$data")
  if ! $isolation; then
    settings+=(Gateway__LocalEval__Enabled=true Gateway__Sandboxes__DefaultVariant=local-eval)
  fi
  install -m 600 /dev/null "$log"
  env "${settings[@]}" setsid dotnet "$root/$server" --urls "$KERNEL_GATEWAY_URL" >"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  echo "$KERNEL_GATEWAY_URL" >"$url_file"
  echo "$data" >"$data_file"
  echo "Started as process $(cat "$pid_file"), at $KERNEL_GATEWAY_URL; its log is $log."
fi
export KERNEL_GATEWAY_URL

for _ in $(seq 300); do
  readiness=$(curl --silent --max-time 10 "$KERNEL_GATEWAY_URL/health/ready" || true)
  case "$readiness" in *'"ready":true'*) break ;; esac
  running || { tail -n 20 "$log" >&2; fail "The gateway has ended; its last words are above."; }
  case "$readiness" in *'taken up'* | '') ;; *'is not ready'*) break ;; esac
  sleep 0.2
done
KERNEL_GATEWAY_READY=${readiness%%,\"variants\"*}
case "$KERNEL_GATEWAY_READY" in
  *'"ready":true'*) echo "Ready." ;;
  *) echo "$readiness" >&2; fail "The gateway runs, but cannot make sandboxes; its reasons are above." ;;
esac
readonly key_file=$data/admin.key
[ -r "$key_file" ] || fail "The key of the gateway is not in $key_file."
KERNEL_GATEWAY_API_KEY=$(cat "$key_file")
export KERNEL_GATEWAY_API_KEY

echo "4/5 A sandbox, by curl"
sandbox=$(call POST /api/v1/sandboxes --data '{"name":"quickstart"}' | field id) || fail "The gateway made no sandbox; see $log."
trap 'call DELETE "/api/v1/sandboxes/$sandbox" >/dev/null 2>&1 || true' EXIT
call POST "/api/v1/sandboxes/$sandbox/executions?wait=true" --data '{"code":"x = 40"}' >/dev/null
answer=$(call POST "/api/v1/sandboxes/$sandbox/executions?wait=true" --data '{"code":"import platform; print(f\"Python {platform.python_version()} in a sandbox says {x + 2}\")"}' | field stdout) || fail "The code was not run; see $log."
echo "   ${answer%\\n}"
case "$answer" in *"says 42"*) ;; *) fail "The code did not run as it should; see $log." ;; esac
call PUT "/api/v1/sandboxes/$sandbox/files/content?path=/data/test.txt" --data-binary 'a file says 42' >/dev/null || fail "The file was not written; see $log."
answer=$(call POST "/api/v1/sandboxes/$sandbox/executions?wait=true" --data '{"code":"print(open(\"/data/test.txt\").read())"}' | field stdout) || fail "The code was not run; see $log."
echo "   ${answer%\\n}"
case "$answer" in *"a file says 42"*) ;; *) fail "The file was not there for the code; see $log." ;; esac
snapshot=$(call POST "/api/v1/sandboxes/$sandbox/snapshots" --data "{\"name\":\"quickstart-$sandbox\"}" | field id) || fail "No snapshot was made; see $log."
call DELETE "/api/v1/sandboxes/$sandbox"
sandbox=$(call POST /api/v1/sandboxes --data "{\"snapshotId\":\"$snapshot\"}" | field id) || fail "The snapshot was not restored; see $log."
call DELETE "/api/v1/snapshots/$snapshot"
answer=$(call POST "/api/v1/sandboxes/$sandbox/executions?wait=true" --data '{"code":"print(\"A sandbox from its snapshot says\", f\"{x + 2}, and\", open(\"/data/test.txt\").read())"}' | field stdout) || fail "The code was not run; see $log."
echo "   ${answer%\\n}"
case "$answer" in *"says 42, and a file says 42"*) ;; *) fail "The snapshot did not bring back what it should; see $log." ;; esac
call DELETE "/api/v1/sandboxes/$sandbox"
trap - EXIT

echo "5/5 A run that outlives its connection, by the .NET SDK"
dotnet "$sample" --lines 60 --rate 30 --away 1

cat <<END

The gateway goes on at $KERNEL_GATEWAY_URL.
  Its key:    $key_file
  Try:        curl -H "Authorization: Bearer \$(cat $key_file)" $KERNEL_GATEWAY_URL/api/v1/environments
  Its API:    $KERNEL_GATEWAY_URL/openapi/v1.json
  Its log:    $log
  Stop it:    samples/quickstart.sh --stop
END
