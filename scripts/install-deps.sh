#!/usr/bin/env bash
# Installs the Debian packages that actscope needs, those that are missing only.
#
#   scripts/install-deps.sh [--build-only] [--list] [--check]
#
#   --build-only   what building and scripts/demo.sh need; without it also what the tests, the benchmarks and
#                  lint need (clang, Criterion, heaptrack, Debian's PyTorch ...)
#   --list         print the packages and do nothing
#   --check        print what is missing and exit 1 if anything is
#
# As root it calls apt-get itself, else through sudo. With nothing missing it neither calls apt-get nor needs a network.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BUILD_PACKAGES=(
  build-essential cmake ninja-build pkg-config
  libsqlite3-dev libzstd-dev libdw-dev libelf-dev libjansson-dev zlib1g-dev libopenblas-dev
  sqlite3 gnuplot-nox
)
ALL_PACKAGES=(
  "${BUILD_PACKAGES[@]}"
  clang clang-format clang-tidy cppcheck
  libcriterion-dev libtorch-dev
  libunwind-dev # walks of the stack are compared with its own
  libfann-dev # a trainer of its own, to be profiled
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user # kernels/neon under an emulator: 56 MB
  python3 python3-venv python3-numpy python3-torch libopenblas0-pthread # reference BLAS is ten times slower
  openmpi-bin # ranks of a distributed job are recorded under it
  python3-sklearn # for its digits.csv.gz: handwritten digits to train on
  heaptrack gdb strace
  chromium # the HTML report is tested in it
  mmdebstrap # bare systems to try the packages on
  libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 # allocators that programs bring along
  valgrind # ms_print, for exports
  zsh man-db mandoc # completion and manual pages are tested with them
)

missing_packages() {
  local package
  for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
      installed) ;;
      *) echo "$package" ;;
    esac
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  elif command -v sudo >/dev/null && [ -t 0 ]; then
    sudo "$@"
  else
    die "packages are missing and neither root nor sudo is to be had; as root: apt-get install ${MISSING[*]}"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# Mirrors may be named with a password: no address of theirs reaches the log or the screen.
without_addresses() {
  sed -u -E -e 's#[a-z+]+://[^ ]+#MIRROR#g' \
    -e "s#(resolve|connect to|Connecting to) [^ ]+#\1 MIRROR#g" -e 's#\[IP: [^]]*\]##g'
}

install_missing() {
  {
    apt update || echo "apt-get update failed; trying with the lists that are here"
    apt install --no-install-recommends "${MISSING[@]}"
  } 2>&1 | without_addresses
}

packages=("${ALL_PACKAGES[@]}") action=install
for argument in "$@"; do
  case $argument in
    --build-only) packages=("${BUILD_PACKAGES[@]}") ;;
    --list) action=list ;;
    --check) action=check ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

[ "$action" != list ] || { printf '%s\n' "${packages[@]}" && exit 0; }
command -v dpkg-query >/dev/null || die "this is not a Debian system; see docs or --list for what is needed"
mapfile -t MISSING < <(missing_packages "${packages[@]}")
if [ "${#MISSING[@]}" -eq 0 ]; then
  say "dependencies: all ${#packages[@]} packages are installed"
  exit 0
fi
if [ "$action" = check ]; then
  printf '%s\n' "${MISSING[@]}"
  exit 1
fi
say "dependencies: installing ${#MISSING[@]} of ${#packages[@]} packages: ${MISSING[*]}"
as_root true # asks for a password, or says what is wrong, before all goes into the log
quietly build/logs/apt.log "apt-get install" install_missing
mapfile -t MISSING < <(missing_packages "${packages[@]}")
[ "${#MISSING[@]}" -eq 0 ] || die "still missing: ${MISSING[*]}"
