#!/usr/bin/env bash
# Installs what is needed, builds, and runs every test; the last line is the sum: "N passed, N failed[, N skipped]".
#
#   scripts/test.sh [--fast] [--no-install] [STAGE...]
#
#   --fast         the release build and its unit tests only
#   --no-install   do not look for missing packages
#   STAGE          only these, of: release isa asan tsan clang lint e2e packages; isa, e2e and packages use what release
#                  has built
#
# A build and each kind of lint count as one check, unit tests as many as Criterion ran (in isa once for each instruction
# set), end-to-end tests as many as their runner counts. Logs are kept in build/logs; the end of a failed stage's log is
# shown. Exit status 1 if anything failed. Skipped tests are named, with the reason.

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

skip() { # skip REASON: a whole stage or part of one, counted as one
  count 0 0 1
  warn "SKIPPED: $1 (counted as one)"
}

# unit TITLE FOLDER NAME [CTEST_ARGUMENT...]: its log is NAME-tests.log. Criterion names what it skips at verbosity 1.
unit() {
  local title=$1 folder=$2 name=$3 junit counted=() good=0 bad=0 left=0 status=0 reason
  junit=$ROOT/$LOGS/$name-tests.xml
  shift 3
  rm -f "$junit"
  CRITERION_VERBOSITY_LEVEL=1 quietly "$LOGS/$name-tests.log" "$title" \
    ctest --test-dir "$folder" --output-on-failure --no-tests=error --timeout 300 -j "$JOBS" \
    --output-junit "$junit" --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@" || status=$?
  [ ! -f "$junit" ] || mapfile -t counted < <(/usr/bin/python3 scripts/count_tests.py "$junit")
  read -r good bad left <<<"${counted[0]:-0 0 0}"
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((good + left)) -eq 0 ]; }; then
    bad=1
  fi
  count "$good" "$bad" "$left"
  say "    $good passed, $bad failed, $left skipped"
  for reason in "${counted[@]:1}"; do
    warn "    SKIPPED: $reason"
  done
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

EMULATED='^kernels/.*_under_qemu' # slow, and the same in every build

stage_release() {
  check "build, gcc, release" release-build.log \
    configure_and_build build/release -DCMAKE_BUILD_TYPE=RelWithDebInfo "${STRICT[@]}" || return 0
  unit "unit tests" build/release release -E "$EMULATED"
}

# What /proc/cpuinfo has to list; the library finds out by itself (kernels/dispatch.c), so that neither covers for the
# other.
isa_needs() {
  case $1 in
    avx2) echo avx2 fma f16c ;;
    avx512) echo avx2 fma f16c avx512f avx512bw avx512vl avx512dq ;;
    neon) echo asimd ;;
  esac
}

isa_lacks() { # isa_lacks ISA: what of it this CPU lacks
  local flag flags
  flags=$(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo || true)
  for flag in $(isa_needs "$1"); do
    [[ "$flags " == *" $flag "* ]] || echo "$flag"
  done
}

# The kernels' tests once for each instruction set; not those of the fits, which are plain C.
stage_isa() {
  local isa lacking isas=(ref avx2 avx512)
  if [ ! -x build/release/tests/kernels_test_kernels ]; then
    say "kernels' tests by instruction set: not built; the stage release builds them"
    failures+=("kernels' tests by instruction set: not built") && count 0 1 0
    return 0
  fi
  [ "$(uname -m)" = x86_64 ] || isas=(ref neon)
  for isa in "${isas[@]}"; do
    mapfile -t lacking < <(isa_lacks "$isa")
    if [ "${#lacking[@]}" -gt 0 ]; then
      skip "kernels/$isa IS NOT TESTED: this CPU lacks ${lacking[*]}"
    else
      ACTSCOPE_FEWBIT_ISA=$isa unit "kernels' tests on $isa" build/release "isa-$isa" \
        -R '^kernels/' -E "$EMULATED|/test_(function|quadrature|quantizer|table_file|weight)"
    fi
  done
  if [ "$(uname -m)" = x86_64 ]; then
    unit "kernels' tests under qemu: neon, lesser CPUs" build/release isa-emulated -R "$EMULATED"
  fi
}

stage_asan() {
  check "build, gcc, address and undefined sanitizers" asan-build.log \
    configure_and_build build/asan -DCMAKE_BUILD_TYPE=Debug -DACTSCOPE_SANITIZE=address,undefined "${STRICT[@]}" ||
    return 0
  unit "unit tests under asan and ubsan" build/asan asan -E "$EMULATED"
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
  unit "profiler's unit tests under tsan" build/tsan tsan -R '^profiler/'
}

stage_clang() {
  check "build, clang, no warnings" clang-build.log \
    configure_and_build build/clang -DCMAKE_C_COMPILER=clang \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo "${STRICT[@]}" || return 0
  unit "unit tests, built by clang" build/clang clang -E "$EMULATED"
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
      skip "the end-to-end tests under PyTorch from PyPI, which is not to be had here"
    fi
  fi
  say "end-to-end tests (real runs under actscope record; some minutes)"
  timeout 2400 /usr/bin/python3 tests/e2e/run.py </dev/null 2>&1 | tee "$log" || status=$?
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

# Why no bare system can be made here; nothing if one can.
bare_lacks() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "root, for chroot"
  elif ! command -v mmdebstrap >/dev/null; then
    echo "mmdebstrap"
  elif ! unshare --mount true 2>/dev/null; then
    echo "the right to mount (a container without privileges?)"
  fi
}

# The .deb and the .tar.gz, each installed, used and taken off on a Debian 12 that has nothing else.
stage_packages() {
  local lacking
  if [ ! -x build/release/cli/actscope ]; then
    say "packages: no build/release; the stage release makes it"
    failures+=("packages: not built") && count 0 1 0
    return 0
  fi
  check "packages: .deb and .tar.gz" packages.log scripts/package.sh || return 0
  lacking=$(bare_lacks)
  if [ -n "$lacking" ]; then
    skip "the packages ARE NOT TRIED on a bare Debian 12: this machine lacks $lacking"
  elif ! quietly "$LOGS/bare.log" "a bare Debian 12" tests/packages/check_bare.sh make; then
    skip "the packages ARE NOT TRIED on a bare Debian 12: none can be made here, see $LOGS/bare.log"
  else
    check "the .tar.gz: unpack, use, move, use" bare-tar.log tests/packages/check_bare.sh tar build/packages || true
    check "the .deb: install, use, remove" bare-deb.log tests/packages/check_bare.sh deb build/packages || true
    tests/packages/check_bare.sh remove
  fi
}

install=yes stages=()
for argument in "$@"; do
  case $argument in
    --fast) stages=(release) ;;
    --no-install) install=no ;;
    release | isa | asan | tsan | clang | lint | e2e | packages) stages+=("$argument") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
[ "${#stages[@]}" -gt 0 ] || stages=(release isa asan tsan clang lint e2e packages)

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
