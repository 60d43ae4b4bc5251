#!/bin/sh
# Makes a virtual environment with PyTorch 2.13.0 from PyPI and prints the path of its python.
#
#   scripts/make-torch-venv.sh [FOLDER]
#
# FOLDER: ${XDG_CACHE_HOME:-~/.cache}/actscope/torch-2.13 if not given. Does nothing but look when it is there already.
# Exit status: 0 it is there; 1 it cannot be had, with the reason on stderr.
set -eu

version=2.13.0
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/actscope/torch-2.13}
mark=$folder/.actscope-torch-$version # written last: without it the environment is half made
making=$folder/.actscope-making       # written first: what has it is ours to remove

say() { echo "make-torch-venv: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# A python that can make virtual environments with pip in them; Debian's own cannot without python3-venv.
find_python() {
  for python in python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

if [ -f "$mark" ] && [ -x "$folder/bin/python" ]; then
  echo "$folder/bin/python"
  exit 0
fi

base=$(find_python) || fail "no python3 >= 3.10 with venv and ensurepip; on Debian: apt-get install python3-venv"
if [ -e "$making" ]; then
  rm -rf "$folder"
elif [ -e "$folder" ]; then
  fail "$folder exists and was not made by this script; name another folder"
fi
mkdir -p "$folder" || fail "cannot make $folder"
: >"$making"
log=$folder.log

say "installing torch $version into $folder (a download of some 200 MB or more; log: $log)"
"$base" -m venv "$folder" >"$log" 2>&1 || fail "python -m venv failed: $(tail -n 1 "$log")"
"$folder/bin/python" -m pip install --disable-pip-version-check --no-input "torch==$version" >>"$log" 2>&1 ||
  fail "pip could not install torch==$version: $(grep -i error "$log" | tail -n 1)"
"$folder/bin/python" -W ignore -c 'import torch; torch.ones(2).sum().item()' >>"$log" 2>&1 ||
  fail "torch $version was installed but does not run: $(tail -n 1 "$log")"
mv "$making" "$mark"
say "torch $version is ready"
echo "$folder/bin/python"
