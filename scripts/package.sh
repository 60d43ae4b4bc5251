#!/usr/bin/env bash
# Makes the packages: a .deb and a .tar.gz, in build/packages.
#
#   scripts/package.sh [--check] [--build FOLDER]
#
#   --build FOLDER   use this build instead of build/release (it is brought up to date)
#   --check          then install and run both on bare Debian 12 systems made for it (needs root, mmdebstrap, a mirror)

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check=false
build=$ROOT/build/release
while [ $# -gt 0 ]; do
  case $1 in
    --check) check=true ;;
    --build) build=${2:?--build needs a folder} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

packages=$ROOT/build/packages
[ -f "$build/CMakeCache.txt" ] || quietly "$packages.log" "configuring" cmake --preset release -B "$build"
quietly "$packages.log" "building" cmake --build "$build"
quietly "$packages.log" "packing" cpack --config "$build/CPackConfig.cmake" -B "$packages"
rm -rf "$packages/_CPack_Packages"
ls -sh1 "$packages"

if $check; then
  exec "$ROOT/tests/packages/check_bare.sh" all "$packages"
fi
