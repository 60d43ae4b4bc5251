#!/usr/bin/env bash
# test_lesser_cpu.sh QEMU PROGRAM: fewbit_example on CPUs of several ages. It runs to its end on each, so that no
# instruction beyond the CPU's is in what all of them share.
set -euo pipefail
qemu=$1 program=$2
status=0

expect() { # expect CPU FORCED_ISA OUTPUT_PATTERN
  local cpu=$1 isa=$2 pattern=$3 output
  output=$(ACTSCOPE_FEWBIT_ISA=$isa OMP_NUM_THREADS=1 "$qemu" -cpu "$cpu" "$program" 2>&1 |
    grep -v "TCG doesn't support") || true
  echo "$cpu, ${isa:-any}: $output"
  # shellcheck disable=SC2053 # a pattern is wanted
  [[ $output == $pattern ]] || { echo "    was to be: $pattern" && status=1; }
}

expect Haswell "" "done on avx2:*"
expect Haswell ref "done on ref:*"
expect Haswell avx512 "*avx512: this CPU does not have it*"
expect Nehalem "" "done on ref:*"
expect Nehalem avx2 "*avx2: this CPU does not have it*"
expect Nehalem neon "*not of this machine's architecture*"
exit $status
