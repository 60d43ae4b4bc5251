#!/usr/bin/env bash
# Looks the sources over: layout (clang-format) and defects that a compiler does not see (clang-tidy, cppcheck).
#
#   scripts/lint.sh [--fix] [format|tidy|cppcheck]...      all of them if none is named
#
#   --fix    let clang-format rewrite what it would complain of
#
# clang-tidy needs a build folder of clang's with compile_commands.json: build/clang, configured here if absent.
# JOBS=N for fewer processes. Exit status 1 if anything was found.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROOMS=(common trace profiler analyzers importers reports kernels cli include examples bench tests)
TIDY_BUILD=${TIDY_BUILD:-build/clang}
fix=no status=0

rooms() { # those that exist
  local room
  for room in "${ROOMS[@]}"; do
    [ ! -d "$room" ] || echo "$room"
  done
}

sources() { # sources NAME_PATTERN...
  local patterns=() pattern
  for pattern in "$@"; do
    patterns+=(-o -name "$pattern")
  done
  mapfile -t present < <(rooms)
  find "${present[@]}" -type f \( "${patterns[@]:1}" \) | sort
}

lint_format() {
  local mode=(--dry-run --Werror)
  [ "$fix" = no ] || mode=(-i)
  sources '*.c' '*.h' '*.cpp' | xargs -r clang-format --style=file "${mode[@]}"
}

# The sources of ours that the build folder compiles, as it compiles them.
compiled_sources() {
  sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$TIDY_BUILD/compile_commands.json" | grep "^$ROOT/" |
    grep -v "^$ROOT/build/" | grep '\.c$' | sort -u
}

# One process a file: in clang-tidy 14 the valist checks remember identifiers of the file before, and now and then take
# a function of the next for va_start.
lint_tidy() {
  [ -f "$TIDY_BUILD/compile_commands.json" ] ||
    configure "$TIDY_BUILD" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null || return 1
  compiled_sources | xargs -r -P "$JOBS" -n 1 clang-tidy --quiet -p "$TIDY_BUILD" --header-filter="^$ROOT/" 2>&1 |
    { grep -vE '^[0-9]+ warnings? (generated|treated as error)|^Suppressed |^Use -header-filter' || true; }
}

lint_cppcheck() {
  mapfile -t present < <(rooms)
  cppcheck --enable=warning,performance,portability --std=c11 --library=posix,gnu --inline-suppr \
    --suppressions-list=.cppcheck-suppressions --error-exitcode=1 --quiet -j "$JOBS" -D_GNU_SOURCE -D__x86_64__ \
    -D__linux__ -I . "${present[@]}"
}

kinds=()
for argument in "$@"; do
  case $argument in
    --fix) fix=yes ;;
    format | tidy | cppcheck) kinds+=("$argument") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
[ "${#kinds[@]}" -gt 0 ] || kinds=(format tidy cppcheck)

for kind in "${kinds[@]}"; do
  say "lint: $kind"
  "lint_$kind" || status=1
done
exit "$status"
