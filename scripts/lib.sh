# What the scripts share; sourced, not run. Sets ROOT and goes there.
# shellcheck shell=bash

set -euo pipefail
export LC_ALL=C.UTF-8

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME

JOBS=${JOBS:-$(nproc 2>/dev/null || echo 1)}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
  BOLD='' RED='' GREEN='' YELLOW='' PLAIN=''
fi

say() { printf '%s\n' "$*"; }
warn() { printf '%s%s%s\n' "$YELLOW" "$*" "$PLAIN" >&2; }
die() {
  printf '%s%s: %s%s\n' "$RED" "$(basename "$0")" "$*" "$PLAIN" >&2
  exit 1
}

# usage: prints the comment at the head of the calling script, which is its manual.
usage() { sed -n '2,/^$/{/^#/!q; s/^# \{0,1\}//p}' "$0"; }

# quietly LOG TITLE COMMAND...: one line with the seconds it took; LOG's tail only if it failed.
quietly() {
  local log=$1 title=$2 begin=$SECONDS status=0
  shift 2
  mkdir -p "$(dirname "$log")"
  printf '%-52s ' "$title"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    printf '%sok%s %5d s\n' "$GREEN" "$PLAIN" $((SECONDS - begin))
  else
    printf '%sFAILED%s (status %d) %d s, the end of %s:\n' "$RED" "$PLAIN" "$status" $((SECONDS - begin)) "$log"
    tail -n "${TAIL_LINES:-40}" "$log" | sed 's/^/    /'
  fi
  return "$status"
}

# configure FOLDER CMAKE_ARGUMENT...: a build folder of Ninja's.
configure() {
  local folder=$1
  shift
  cmake -S "$ROOT" -B "$folder" -G Ninja "$@"
}
