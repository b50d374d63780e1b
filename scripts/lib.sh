# shellcheck shell=bash
# Shared by the scripts: where things are, Debian's packages, virtual environments, the choice of containers.
# Everything that is written lies under PARKWATCH_HOME (.run/ in the source tree unless set).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PARKWATCH_HOME=${PARKWATCH_HOME:-$ROOT/.run}
case $PARKWATCH_HOME in /*) ;; *) PARKWATCH_HOME=$PWD/$PARKWATCH_HOME ;; esac
export PARKWATCH_HOME
case ${PARKWATCH_CONFIG:-/} in /*) ;; *) export PARKWATCH_CONFIG=$PWD/$PARKWATCH_CONFIG ;; esac
export PYTHONPYCACHEPREFIX=$PARKWATCH_HOME/pycache
export PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p "$PARKWATCH_HOME/log"

say() { printf 'parkwatch: %s\n' "$*"; }
die() {
  printf 'parkwatch: %s\n' "$*" >&2
  exit 1
}

# --- Python and Debian's packages ------------------------------------------------------------------------------------

find_python() { # sets PYTHON to one that is new enough; PARKWATCH_PYTHON names a certain one
  local candidate
  for candidate in ${PARKWATCH_PYTHON:+"$PARKWATCH_PYTHON"} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON=$candidate
      return
    fi
  done
  if command -v python3 >/dev/null; then
    die "Python 3.11 or newer is needed, python3 is $(python3 -V 2>&1): use Debian 12, Ubuntu 24.04 or newer, or set PARKWATCH_PYTHON"
  fi
  PYTHON=python3 # comes with python3-venv
}

has_program() { # servers are in /usr/sbin, which is not on everybody's PATH
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" >/dev/null
}

need_packages() { # installs what is missing of the servers and of Python's venv
  local packages=()
  find_python
  has_program mosquitto || packages+=(mosquitto)
  has_program redis-server || packages+=(redis-server)
  has_program influxd || packages+=(influxdb)
  has_program openssl || packages+=(openssl)
  if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    case $PYTHON in python3.*) packages+=("$PYTHON-venv") ;; *) packages+=(python3-venv) ;; esac
  fi
  if ((${#packages[@]})); then
    install_packages "${packages[@]}"
    find_python
  fi
}

need_browser() { # for the tests of the console, in both of its languages
  has_program chromium || install_packages chromium fonts-noto-cjk
}

install_packages() {
  local log=$PARKWATCH_HOME/log/apt.log
  command -v apt-get >/dev/null ||
    die "this is neither Debian nor Ubuntu: install mosquitto, redis-server, InfluxDB 1.x and Python's venv, then start again"
  AS_ROOT=()
  if ((EUID != 0)); then
    { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; } ||
      die "packages are missing, and there is no way to become root here: run 'apt-get install $*' as root, then start again"
    AS_ROOT=(sudo)
  fi
  say "installing Debian's packages $* (a minute or so; log: $log)"
  if ! without_starting_services apt_install "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get could not install $*: see above, and $log"
  fi
}

apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -q -o DPkg::Lock::Timeout=120)
  local install=("${AS_ROOT[@]}" "${apt[@]}" install --no-install-recommends "$@")
  # Lists that are missing or old are the usual reason for a failure; one of several sources may stay away.
  "${install[@]}" || { "${AS_ROOT[@]}" "${apt[@]}" update || true && "${install[@]}"; }
}

without_starting_services() (
  # Debian starts the servers it installs; nobody asked for those. policy-rc.d is its way to say no. One that is there
  # already is not ours, unless a killed run of this script left it.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ] || grep -q '^# parkwatch$' "$policy"; then
    trap '"${AS_ROOT[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\n# parkwatch\nexit 101\n' | "${AS_ROOT[@]}" tee "$policy" >/dev/null
    "${AS_ROOT[@]}" chmod 755 "$policy"
  fi
  "$@"
)

# --- virtual environments --------------------------------------------------------------------------------------------

use_venv() { # NAME LOCK: sets VENV to $PARKWATCH_HOME/NAME, made anew if LOCK or Python has changed
  local lock=$ROOT/$2 wanted
  VENV=$PARKWATCH_HOME/$1
  wanted="$(sha256sum <"$lock") $("$PYTHON" -VV 2>&1) $ROOT"
  exec 9>"$VENV.lock" # two scripts at once: the second waits
  flock 9
  if [ "$(cat "$VENV/installed" 2>/dev/null)" != "$wanted" ]; then
    say "installing Python packages of $2 into $VENV"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --require-hashes --requirement "$lock"
    "$VENV/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$ROOT"
    printf '%s' "$wanted" >"$VENV/installed"
  fi
  exec 9>&-
}

# --- one run per home, containers or not -----------------------------------------------------------------------------

refuse_second_run() { # before anything is touched that a running parkwatch uses
  local lock=$PARKWATCH_HOME/lock
  if [ -e "$lock" ] && ! flock --nonblock "$lock" true; then
    die "parkwatch is already running from $PARKWATCH_HOME (process $(cat "$lock")): stop it with Ctrl-C in its terminal, or set PARKWATCH_HOME to another folder"
  fi
}

find_compose() { # sets COMPOSE to a compose command whose engine answers; else WHY_NOT
  local engine
  WHY_NOT="there is no container engine"
  for engine in docker podman; do
    command -v "$engine" >/dev/null || continue
    WHY_NOT="$engine does not answer"
    timeout 10 "$engine" info >/dev/null 2>&1 || continue
    WHY_NOT="$engine has no compose"
    ENGINE=$engine
    COMPOSE=("$engine" compose)
    timeout 10 "${COMPOSE[@]}" version >/dev/null 2>&1 && return
    COMPOSE=(docker-compose)
    [ "$engine" = docker ] && timeout 10 docker-compose version 2>/dev/null | grep -q 'v\?2\.' && return
  done
  return 1
}

have_images() { # pulls and builds what is missing, within the time that a patient person waits; else WHY_NOT
  local log=$PARKWATCH_HOME/log/images.log images
  WHY_NOT="compose can't read docker-compose.yml"
  images=$("${COMPOSE[@]}" --profile demo config --images 2>"$log") || return
  WHY_NOT="the container images can't be had (log: $log)"
  # shellcheck disable=SC2086  # one image a word
  if ! timeout 30 "$ENGINE" image inspect $images >/dev/null 2>>"$log"; then
    say "fetching container images (log: $log)"
    timeout 300 "${COMPOSE[@]}" pull --quiet --policy missing broker redis influxdb grafana >>"$log" 2>&1 || return
  fi
  timeout 900 "${COMPOSE[@]}" --profile demo build --quiet >>"$log" 2>&1 || return
  # shellcheck disable=SC2034  # scripts/run says it
  WHY_NOT="scripts/secrets could not make the secrets (log: $log)"
  "$ROOT/scripts/secrets" >>"$log" 2>&1
}

publish() { # VARIABLE PORT: publish on this loopback port unless VARIABLE says otherwise, or on a free one if it is taken
  local port=$2
  [ -z "${!1-}" ] || return 0
  while is_taken "$port"; do port=$((20000 + RANDOM % 12000)); done
  export "$1=127.0.0.1:$port"
}

is_taken() (
  exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1"
)

run_containers() { # the profile's arguments to compose; stays until Ctrl-C
  if [ -z "$("${COMPOSE[@]}" ps --quiet 2>/dev/null)" ]; then
    publish PARKWATCH_CONSOLE_PUBLISH 8100
    publish PARKWATCH_GRAFANA_PUBLISH 3000
    publish PARKWATCH_MQTT_PUBLISH 8883
    export PARKWATCH_CONSOLE_URL=${PARKWATCH_CONSOLE_URL:-http://$PARKWATCH_CONSOLE_PUBLISH}
    export PARKWATCH_GRAFANA_URL=${PARKWATCH_GRAFANA_URL:-http://$PARKWATCH_GRAFANA_PUBLISH}
    local secrets=${PARKWATCH_SECRETS:-$ROOT/secrets}
    # Redis and InfluxDB are not published: what needs them runs inside, docker compose exec ingest parkwatch ...
    cat >"$PARKWATCH_HOME/env" <<END
PARKWATCH_HOME=$PARKWATCH_HOME
PARKWATCH_MQTT_URL=mqtts://$PARKWATCH_MQTT_PUBLISH
PARKWATCH_MQTT_CA=$secrets/mqtt-ca.crt
PARKWATCH_INFLUX_DB=park
PARKWATCH_CONSOLE_URL=$PARKWATCH_CONSOLE_URL
END
    cat <<END
parkwatch is starting in containers · parkwatch 正在容器中启动
  Alarm console 报警台        $PARKWATCH_CONSOLE_URL
  Dashboards 仪表盘           $PARKWATCH_GRAFANA_URL  (admin: $secrets/grafana-password)
  Publish readings 上报数据   mqtts://$PARKWATCH_MQTT_PUBLISH  (users: $secrets/mqtt-users, CA: $secrets/mqtt-ca.crt)
  Stop with Ctrl-C · 按 Ctrl-C 停止
  A monitoring service, not a safety instrumented system · 本系统为监测服务，不能替代安全仪表系统
END
  fi
  exec "${COMPOSE[@]}" "$@" up
}
