#!/usr/bin/env bash
# Runs the benchmarks that the budgets of the design and the figures of the README come from.
#
#   scripts/bench.sh record [OPTION...]     what recording costs, beside heaptrack: scripts/bench.sh record --help
#   scripts/bench.sh kernels [OPTION...]    few-bit forward and backward, beside a copy and torch's exact ones
#   scripts/bench.sh step [OPTION...]       a step of training by kernels/layers, beside plain loops and torch
#   scripts/bench.sh verification [OPTION...]   the tables of docs/verification.md
#   scripts/bench.sh apply [OPTION...]      the PyTorch drop-in on the examples: memory, time, training
#   scripts/bench.sh --help
#
# Builds build/release first and installs what is missing. Results go to the screen and to build/bench/NAME.json.
# A quiet machine, please: close the browser, pull no other job.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

benchmark=${1:-}
case $benchmark in
  record | kernels | step | verification | apply) shift ;;
  -h | --help) usage && exit 0 ;;
  *) usage >&2 && exit 2 ;;
esac

case " $* " in
  *" --help "* | *" -h "*) exec /usr/bin/python3 "bench/$benchmark.py" --help ;;
esac

scripts/install-deps.sh
quietly build/logs/bench-configure.log "configuring build/release" \
  configure build/release -DCMAKE_BUILD_TYPE=RelWithDebInfo
quietly build/logs/bench-build.log "building build/release" cmake --build build/release -j "$JOBS"
exec /usr/bin/python3 "bench/$benchmark.py" "$@"
