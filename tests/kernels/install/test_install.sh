#!/usr/bin/env bash
# test_install.sh SOURCE BUILD COMPILER: installs libfewbit into a folder of its own and builds examples/c/fewbit_example.c
# against it, in all the ways that a user may.
set -euo pipefail
source=$1 build=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --component fewbit --prefix "$work/usr" >/dev/null
library=$(dirname "$(find "$work/usr" -name 'libfewbit.a')")
export PKG_CONFIG_PATH=$library/pkgconfig
example=$source/examples/c/fewbit_example.c

expect_example() { # expect_example TITLE COMMAND...
  local title=$1 output
  shift
  output=$("$@")
  echo "$title: $output"
  [[ $output == "done on ${ACTSCOPE_FEWBIT_ISA:-}"*": 37500 bytes kept instead of 400000, gradient cosine 0.99"* ]]
}

# shellcheck disable=SC2046 # words are wanted
"$compiler" -Wall -Wextra -Werror "$example" $(pkg-config --cflags --libs fewbit) -lm -o "$work/shared"
expect_example "shared, by pkg-config" env LD_LIBRARY_PATH="$library" "$work/shared"
# shellcheck disable=SC2046
"$compiler" "$example" $(pkg-config --cflags fewbit) "$library/libfewbit.a" \
  $(pkg-config --static --libs-only-l --libs-only-other fewbit | sed 's/-lfewbit//') -o "$work/static"
expect_example "static, by pkg-config" "$work/static"

cat >"$work/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(fewbit 0.1 REQUIRED)
foreach(kind fewbit static)
  add_executable(by_\${kind} $example)
  target_link_libraries(by_\${kind} PRIVATE fewbit::\${kind} m)
endforeach()
EOF
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" -DCMAKE_C_COMPILER="$compiler" >"$work/log" 2>&1 ||
  { cat "$work/log" && exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
expect_example "shared, by CMake" "$work/build/by_fewbit"
expect_example "static, by CMake" "$work/build/by_static"

# Nothing but the interface is to be seen, in either library; the header stands alone, in C++ too.
shown=$(nm -D --defined-only "$library/libfewbit.so" | awk '{print $3}' | grep -v '^fewbit_' || true)
[ -z "$shown" ] || { echo "libfewbit.so shows $shown" && exit 1; }
shown=$(nm -g --defined-only "$library/libfewbit.a" | awk 'NF == 3 {print $3}' | grep -v '^fewbit_' || true)
[ -z "$shown" ] || { echo "libfewbit.a shows $shown" && exit 1; }
echo '#include <actscope/fewbit.h>' >"$work/alone.c"
# shellcheck disable=SC2046
"$compiler" -std=c99 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags fewbit) -c "$work/alone.c" -o "$work/alone.o"
if command -v c++ >/dev/null; then
  # shellcheck disable=SC2046
  c++ -x c++ -Wall -Wextra -Werror $(pkg-config --cflags fewbit) -c "$work/alone.c" -o "$work/alone.o"
fi
