#!/usr/bin/env bash
# check_bare.sh PACKAGES: installs the .deb and unpacks the .tar.gz of that folder, each on a bare Debian 12 of its own
# (debootstrap, minbase), uses them there, and takes them off again. Needs root, debootstrap and a mirror.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

packages=$(cd "$1" && pwd)
part=${2:-}
[ "$(id -u)" -eq 0 ] || die "a bare system is made by debootstrap and chroot, which need root"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
work=${3:-$(mktemp -d /var/tmp/actscope-bare.XXXXXX)}
[ -n "$part" ] || trap 'umount -q "$work"/*/proc 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

# The mirror that this machine uses is the one to take; no address of it is printed.
make_bare() {
  local mirror
  mirror=$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true) |
    sed -nE 's/^deb (\[[^]]*\] )?([^ ]+) bookworm main.*/\2/p; s/^URIs: ([^ ]+).*/\1/p' | head -n 1)
  debootstrap --variant=minbase bookworm "$work/bare" "$mirror"
  rm -rf "$work/bare/etc/apt"
  cp -rL /etc/apt "$work/bare/etc/apt"
  cp -L /etc/resolv.conf /etc/hosts "$work/bare/etc/"
}

inside() { # inside SYSTEM COMMAND...
  local system=$work/$1
  shift
  mountpoint -q "$system/proc" || mount -t proc proc "$system/proc"
  env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root \
    ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} chroot "$system" "$@"
}

# Everything that needs no compiler and no Python: perl belongs to every Debian.
use() { # use SYSTEM ACTSCOPE
  local system=$1 actscope=$2
  inside "$system" "$actscope" --version
  inside "$system" "$actscope" record -o /tmp/run.act -- perl -e 'my @x = map { "x" x 100000 } 1 .. 300; print scalar @x, "\n"'
  inside "$system" "$actscope" report /tmp/run.act | grep -q '[0-9.]* MiB'
  inside "$system" "$actscope" analyze /tmp/run.act -o /tmp/run.sqlite
  inside "$system" "$actscope" report /tmp/run.sqlite --format json | grep -q '"actscope.report/1"'
  inside "$system" "$actscope" quantize gelu --bits 3 | grep -q '0.0081'
  inside "$system" "$actscope" verify mlp --bits 3 --json | grep -q '"passed"'
  inside "$system" "$actscope" plan gpt --json | grep -q peak_bytes
  inside "$system" rm -f /tmp/run.act /tmp/run.sqlite
}

files_of() { (cd "$work/$1" && find . -xdev -path ./proc -prune -o -path ./var -prune -o -path ./tmp -prune -o -print | sort); }

check_deb() {
  inside deb apt-get -q update
  inside deb apt-get -q -y install --no-install-recommends man-db python3-minimal
  files_of deb >"$work/before"
  cp "$packages"/*.deb "$work/deb/tmp/actscope.deb"
  inside deb apt-get -q -y install --no-install-recommends /tmp/actscope.deb
  inside deb dpkg -V actscope
  use deb actscope
  inside deb man -w actscope-record
  inside deb python3 -c 'import sys; sys.path.insert(0, "/usr/lib/actscope/python"); import actscope.fewbit'
  inside deb apt-get -q -y autoremove --purge actscope
  files_of deb >"$work/after"
  diff <(grep -i -e actscope -e fewbit "$work/before" || true) <(grep -i -e actscope -e fewbit "$work/after" || true)
}

check_tar() {
  mkdir -p "$work/tar/opt/a folder"
  tar xzf "$packages"/*.tar.gz -C "$work/tar/opt/a folder" --strip-components 1
  use tar "/opt/a folder/bin/actscope"
  mv "$work/tar/opt/a folder" "$work/tar/root/elsewhere"
  use tar /root/elsewhere/bin/actscope
}

# Each part is a run of this script of its own: a failure within a function that is asked for its status is none to bash.
if [ -n "$part" ]; then
  "$part"
  exit
fi
quietly "$packages/bare.log" "making a bare Debian 12" bash "$0" "$packages" make_bare "$work"
cp -a "$work/bare" "$work/deb"
mv "$work/bare" "$work/tar"
quietly "$packages/deb.log" "the .deb: install, use, remove" bash "$0" "$packages" check_deb "$work"
quietly "$packages/tar.log" "the .tar.gz: unpack, use, move, use" bash "$0" "$packages" check_tar "$work"
