#!/usr/bin/env bash
# From a bare Debian machine to a report: installs what is needed, builds, records real training runs, reports on them.
#
#   scripts/demo.sh [--no-install] [--c-only] [--steps N]
#
#   --no-install   do not look for missing packages
#   --c-only       leave the PyTorch example out even where PyTorch is present
#   --steps N      steps of the PyTorch example (8); the C example makes 20 times as many
#
# The C program, examples/c/train_gpt, is recorded exact and with 3-bit gradients: what the first run's report projects is
# compared with what the second one needed. `verify` then says what the gradients are worth.
#
# Everything it makes lies under build/: the programs in build/release, the runs and reports in build/demo. Run it again
# as often as you like.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BUILD=build/release
DEMO=build/demo
LOGS=build/logs
ACTSCOPE=$BUILD/cli/actscope

install=yes pytorch=yes steps=8
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install=no ;;
    --c-only) pytorch=no ;;
    --steps) steps=${2:?--steps needs a number} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

# A folder that is there already keeps its choice of tests; a new one does without them, and so without Criterion.
build_actscope() {
  local tests=(-DACTSCOPE_TESTS=OFF)
  [ ! -f "$BUILD/CMakeCache.txt" ] || tests=()
  configure "$BUILD" -DCMAKE_BUILD_TYPE=RelWithDebInfo "${tests[@]}" && cmake --build "$BUILD" -j "$JOBS"
}

# reports RUN_PATH_WITHOUT_SUFFIX: every view of one run, beside it.
reports() {
  local run=$1
  quietly "$LOGS/demo.log" "  the store, $run.sqlite" "$ACTSCOPE" analyze "$run.act" -o "$run.sqlite"
  quietly "$LOGS/demo.log" "  the report, $run.txt" "$ACTSCOPE" report "$run.sqlite" -o "$run.txt"
  quietly "$LOGS/demo.log" "  as JSON, $run.json" "$ACTSCOPE" report "$run.sqlite" --format json -o "$run.json"
  quietly "$LOGS/demo.log" "  as a page, $run.html" \
    "$ACTSCOPE" report "$run.sqlite" --format html -o "$run.html"
  quietly "$LOGS/demo.log" "  plots, $run.plots/" \
    "$ACTSCOPE" report "$run.sqlite" --plots "$run.plots" -o /dev/null
  quietly "$LOGS/demo.log" "  stacks for a flame graph, $run.collapsed" \
    "$ACTSCOPE" export "$run.act" --format collapsed -o "$run.collapsed"
  command -v gnuplot >/dev/null || warn "  gnuplot is absent: no plots"
}

# record NAME [OPTION...] -- COMMAND...: the program's own output is kept beside the trace.
record() {
  local run=$DEMO/$1
  shift
  rm -rf "$run".*
  say "actscope record -o $run.act $*"
  quietly "$run.out" "  recording (its output goes to $run.out)" \
    "$ACTSCOPE" record -o "$run.act" "$@"
  reports "$run"
}

has_torch() { /usr/bin/python3 -c 'import torch' 2>/dev/null; }

if [ "$install" = yes ]; then
  scripts/install-deps.sh --build-only
fi
mkdir -p "$DEMO"
quietly "$LOGS/demo-build.log" "building actscope in $BUILD" build_actscope

# figure RUN_PATH_WITHOUT_SUFFIX JSON_PATH: a figure of its report.
figure() {
  sqlite3 :memory: "SELECT json_extract(readfile('$1.json'), '$2')"
}

mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

# What was projected from the exact run beside what the few-bit run needed.
compare_c_gpt() {
  local exact projected measured
  exact=$(figure "$DEMO/c_gpt" '$.peak.bytes')
  projected=$(figure "$DEMO/c_gpt" '$.projection[2].peak_bytes')
  measured=$(figure "$DEMO/c_gpt_3bit" '$.peak.bytes')
  say "peak of train_gpt: exact $(mib "$exact"); with 3-bit gradients $(mib "$projected") projected, $(mib "$measured") measured"
}

export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} # a machine with other work is no place for threads that spin
runs=(c_gpt)
record c_gpt -- "$BUILD/examples/c/train_gpt" --steps $((20 * steps))
record c_gpt_3bit -- "$BUILD/examples/c/train_gpt" --steps $((20 * steps)) --bits 3
quietly "$DEMO/c_gpt_verify.txt" "actscope verify gpt --bits 2,3,4 --min-cosine 0.99, to $DEMO/c_gpt_verify.txt" \
  "$ACTSCOPE" verify gpt --bits 2,3,4 --min-cosine 0.99 || warn "  the gradients fell short: see there"
if [ "$pytorch" = yes ] && has_torch; then
  runs+=(pytorch_gpt)
  record pytorch_gpt --layers --python-stacks -- /usr/bin/python3 examples/pytorch/gpt.py --steps "$steps"
elif [ "$pytorch" = yes ]; then
  warn "no PyTorch for /usr/bin/python3: the GPT example is left out (apt-get install python3-torch brings it)"
fi

for run in "${runs[@]}"; do
  say ""
  say "${BOLD}==== $DEMO/$run.txt ====${PLAIN}"
  cat "$DEMO/$run.txt"
done
say ""
say "${BOLD}==== $DEMO/c_gpt_verify.txt ====${PLAIN}"
cat "$DEMO/c_gpt_verify.txt"
say ""
! command -v sqlite3 >/dev/null || compare_c_gpt
say ""
say "Everything is in $DEMO:"
find "$DEMO" -maxdepth 1 -type f -printf '%10s  %f\n' | sort -k 2
say "Record a program of your own:  $ACTSCOPE record -o my.act -- python3 train.py"
