#!/usr/bin/env bash
# Installs what is needed, builds, and runs every test; the last line is the sum: "N passed, N failed[, N skipped]".
#
#   scripts/test.sh [--fast] [--no-install] [STAGE...]
#
#   --fast         the release build and its unit tests only
#   --no-install   do not look for missing packages
#   STAGE          only these, of: release asan tsan clang lint e2e
#
# A build and each kind of lint count as one check, unit tests as many as Criterion ran, end-to-end tests as many as
# their runner counts. Logs are kept in build/logs; the end of a failed stage's log is shown. Exit status 1 if
# anything failed. Skipped tests are named, with the reason.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOGS=build/logs
passed=0 failed=0 skipped=0
failures=()

count() { # count PASSED FAILED SKIPPED
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# check TITLE LOG COMMAND...: one check, passed or failed.
check() {
  local title=$1 log=$2
  shift 2
  if quietly "$LOGS/$log" "$title" "$@"; then
    count 1 0 0
  else
    count 0 1 0
    failures+=("$title ($LOGS/$log)")
    return 1
  fi
}

# unit TITLE FOLDER [CTEST_ARGUMENT...]
unit() {
  local title=$1 folder=$2 name junit good=0 bad=0 left=0 status=0
  name=$(basename "$folder")
  junit=$ROOT/$LOGS/$name-tests.xml
  shift 2
  rm -f "$junit"
  quietly "$LOGS/$name-tests.log" "$title" \
    ctest --test-dir "$folder" --output-on-failure --no-tests=error --timeout 300 -j "$JOBS" \
    --output-junit "$junit" --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@" || status=$?
  [ ! -f "$junit" ] || read -r good bad left < <(/usr/bin/python3 scripts/count_tests.py "$junit") || true
  good=${good:-0} bad=${bad:-0} left=${left:-0}
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then
    bad=1
  fi
  count "$good" "$bad" "$left"
  say "    $good passed, $bad failed, $left skipped"
  if [ "$bad" -gt 0 ]; then
    failures+=("$title ($LOGS/$name-tests.log)")
  fi
}

build() { # build FOLDER [TARGET...]
  local folder=$1
  shift
  cmake --build "$folder" -j "$JOBS" "${@/#/--target=}" -- --quiet -k 0
}

configure_and_build() { # configure_and_build FOLDER CMAKE_ARGUMENT...
  configure "$@" && build "$1"
}

# Warnings are errors in every build of this script, and only here: a newer compiler must not stop a user.
STRICT=(-DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DACTSCOPE_TESTS=ON)

stage_release() {
  check "build, gcc, release" release-build.log \
    configure_and_build build/release -DCMAKE_BUILD_TYPE=RelWithDebInfo "${STRICT[@]}" || return 0
  unit "unit tests" build/release
}

stage_asan() {
  check "build, gcc, address and undefined sanitizers" asan-build.log \
    configure_and_build build/asan -DCMAKE_BUILD_TYPE=Debug -DACTSCOPE_SANITIZE=address,undefined "${STRICT[@]}" ||
    return 0
  unit "unit tests under asan and ubsan" build/asan
}

# Threads meet in the profiler only; the rest of the programs has one.
build_tsan() {
  local targets
  configure build/tsan -DCMAKE_BUILD_TYPE=Debug -DACTSCOPE_SANITIZE=thread "${STRICT[@]}" || return
  mapfile -t targets < <(ninja -C build/tsan -t targets all |
    sed -n 's#^\(.*/\)\{0,1\}\(profiler_test_[a-z0-9_]*\): .*#\2#p' | sort -u)
  if [ "${#targets[@]}" -eq 0 ]; then
    echo "no target is named profiler_test_*: nothing would be tested"
    return 1
  fi
  build build/tsan "${targets[@]}"
}

stage_tsan() {
  check "build, gcc, thread sanitizer (profiler)" tsan-build.log build_tsan || return 0
  unit "profiler's unit tests under tsan" build/tsan -R '^profiler/'
}

stage_clang() {
  check "build, clang, no warnings" clang-build.log \
    configure_and_build build/clang -DCMAKE_C_COMPILER=clang \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo "${STRICT[@]}" || return 0
  unit "unit tests, built by clang" build/clang
}

stage_lint() {
  local kind
  for kind in format tidy cppcheck; do
    check "lint: $kind" "lint-$kind.log" scripts/lint.sh "$kind" || true
  done
}

stage_e2e() {
  local log=$LOGS/e2e.log line good=0 bad=0 left=0 status=0
  if [ ! -x build/release/cli/actscope ]; then
    say "end-to-end tests: no build/release/cli/actscope; the stage release makes it"
    failures+=("end-to-end tests: not built") && count 0 1 0
    return 0
  fi
  if [ -x scripts/make-torch-venv.sh ]; then
    if ! quietly "$LOGS/torch-venv.log" "PyTorch from PyPI" scripts/make-torch-venv.sh; then
      warn "SKIPPED: the end-to-end tests under PyTorch from PyPI, which is not to be had here (counted as one)"
      count 0 0 1
    fi
  fi
  say "end-to-end tests (real runs under actscope record; some minutes)"
  timeout 1200 /usr/bin/python3 tests/e2e/run.py </dev/null 2>&1 | tee "$log" || status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 || true)
  if [ -n "$line" ]; then
    read -r good bad left < <(sed -E 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/' <<<"$line")
  fi
  if [ -z "$line" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
    bad=$((bad + 1))
  fi
  count "$good" "$bad" "${left:-0}"
  if [ "$bad" -gt 0 ]; then
    failures+=("end-to-end tests ($log)")
  fi
}

install=yes stages=()
for argument in "$@"; do
  case $argument in
    --fast) stages=(release) ;;
    --no-install) install=no ;;
    release | asan | tsan | clang | lint | e2e) stages+=("$argument") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
[ "${#stages[@]}" -gt 0 ] || stages=(release asan tsan clang lint e2e)

begin=$SECONDS
mkdir -p "$LOGS"
if [ "$install" = yes ]; then
  scripts/install-deps.sh || die "the dependencies could not be installed"
fi
for stage in "${stages[@]}"; do
  "stage_$stage"
done

say ""
for failure in "${failures[@]}"; do
  say "${RED}failed:${PLAIN} $failure"
done
say "took $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s; logs in $LOGS"
summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary+=", $skipped skipped"
say "$summary"
[ "$failed" -eq 0 ]
