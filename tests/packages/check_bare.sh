#!/usr/bin/env bash
# Tries the packages on a bare Debian 12 (what is essential, and apt), which needs root, mmdebstrap and a mirror.
#
#   check_bare.sh make            makes a bare system, below /var/tmp
#   check_bare.sh tar PACKAGES    in it: unpacks PACKAGES/*.tar.gz, uses it, moves it, uses it
#   check_bare.sh deb PACKAGES    in it: installs PACKAGES/*.deb, uses it, takes it off, looks for what is left
#   check_bare.sh remove          takes it away
#   check_bare.sh all PACKAGES    these in turn; the .tar.gz first, which is to do without what the .deb brings

source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

BARE=/var/tmp/actscope-bare

# The mirror that this machine uses is the one to take; no address of it is printed.
make_bare() {
  local mirror
  mirror=$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true) |
    sed -nE 's/^deb (\[[^]]*\] )?([^ ]+) bookworm main.*/\2/p; s/^URIs: ([^ ]+).*/\1/p' | head -n 1)
  remove
  # It need not survive a power cut; what apt has fetched of the lists stays.
  mmdebstrap --variant=apt --mode=root --skip=cleanup/apt --dpkgopt=force-unsafe-io bookworm "$BARE" "$mirror" 2>&1 |
    sed -E 's#[a-z+]+://[^ ]+#MIRROR#g'
  rm -rf "$BARE/etc/apt"
  cp -rL /etc/apt "$BARE/etc/apt"
  cp -L /etc/resolv.conf /etc/hosts "$BARE/etc/"
}

remove() {
  umount -q "$BARE/proc" 2>/dev/null || true
  rm -rf --one-file-system "$BARE"
}

inside() { # inside COMMAND...
  mountpoint -q "$BARE/proc" || mount -t proc proc "$BARE/proc"
  env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root \
    ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} chroot "$BARE" "$@"
}

expect() { # expect PATTERN: reads to the end, since whom nobody listens to dies of it; shows what was there instead
  local text
  text=$(cat)
  grep -qE "$1" <<<"$text" || { printf 'no %s in:\n%s\n' "$1" "$text" && return 1; }
}

# Everything that needs no compiler and no Python: perl belongs to every Debian.
use() { # use ACTSCOPE
  local actscope=$1
  inside "$actscope" --version
  inside "$actscope" record -o /tmp/run.act -- perl -e 'my @x = map { "x" x 100000 } 1 .. 300; print scalar @x, "\n"'
  inside "$actscope" report /tmp/run.act | expect '[0-9.]+ MiB'
  inside "$actscope" report /tmp/run.act --format html | expect '</html>'
  inside "$actscope" analyze /tmp/run.act -o /tmp/run.sqlite
  inside "$actscope" report /tmp/run.sqlite --format json | expect '"actscope.report/1"'
  inside "$actscope" quantize gelu --bits 3 --weight uniform:-10:10 | expect ' 0\.0080[89]'
  inside "$actscope" verify mlp --bits 3 --min-cosine 0.9 --json | expect '"passed": true'
  inside "$actscope" plan gpt --json | expect '"peak_bytes"'
  inside rm -f /tmp/run.act /tmp/run.sqlite
}

ours() { (cd "$BARE" && find . -xdev -path ./proc -prune -o -path ./tmp -prune -o -print | grep -iE 'actscope|fewbit' | sort); }

check_deb() {
  local left
  inside apt-get -q update
  inside apt-get -q -y install --no-install-recommends man-db python3
  cp "$1"/*.deb "$BARE/tmp/actscope.deb"
  inside apt-get -q -y install --no-install-recommends /tmp/actscope.deb
  inside dpkg -V actscope
  use actscope
  inside man -w actscope-record
  inside python3 -c 'import sys; sys.path.insert(0, "/usr/lib/actscope/python"); import actscope.fewbit'
  inside apt-get -q -y autoremove --purge actscope
  left=$(ours || true)
  [ -z "$left" ] || { printf 'left behind:\n%s\n' "$left" && return 1; }
}

check_tar() {
  mkdir -p "$BARE/opt/tools"
  tar xzf "$1"/*.tar.gz -C "$BARE/opt/tools" --strip-components 1
  use /opt/tools/bin/actscope
  mv "$BARE/opt/tools" "$BARE/root/elsewhere"
  use /root/elsewhere/bin/actscope
  rm -r "$BARE/root/elsewhere"
}

# Each part is a process of its own: within a function that is asked for its status, bash does not heed a failure.
all() {
  local self=${BASH_SOURCE[0]} logs=$1 status=0
  trap remove EXIT
  quietly "$logs/bare.log" "a bare Debian 12" bash "$self" make || return
  quietly "$logs/tar.log" "the .tar.gz: unpack, use, move, use" bash "$self" tar "$1" || status=1
  quietly "$logs/deb.log" "the .deb: install, use, remove" bash "$self" deb "$1" || status=1
  return "$status"
}

case ${1:-} in
  make) make_bare ;;
  deb) check_deb "$(realpath "${2:?}")" ;;
  tar) check_tar "$(realpath "${2:?}")" ;;
  remove) remove ;;
  all)
    [ "$(id -u)" -eq 0 ] || die "a bare system is made by mmdebstrap and chroot, which need root"
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
    all "$(realpath "${2:?}")"
    ;;
  *) usage >&2 && exit 2 ;;
esac
