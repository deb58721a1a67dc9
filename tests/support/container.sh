#!/usr/bin/env bash
# Runs downbeat as a container runtime does: as nobody, as process 1, in a root folder that has
# nothing else in it and that nobody can write to. The network is the caller's.
#
#   container.sh FOLDER BINARY|IMAGE MOUNT… -- ARGUMENT…
#
# FOLDER is empty. BINARY becomes /usr/bin/downbeat, and the libraries it needs are where it looks for
# them; the folder IMAGE becomes the root as it is. A MOUNT is FROM:TO, which can only be read, tmpfs:TO, which that nobody owns, or emptydir:TO,
# which root owns and everybody may write to, as Kubernetes' emptyDir with an fsGroup.
# Status 77: the kernel does not let us.
set -euo pipefail

refuse() {
  echo "$*" >&2
  exit 77
}

show() {
  local from=$1 to=$folder$2
  if [[ -d $from ]]; then
    mkdir -p "$to"
  else
    mkdir -p "${to%/*}" && touch "$to"
  fi
  mount --bind "$from" "$to"
  mount -o remount,bind,ro "$to"
}

if [[ $1 != apart ]]; then
  [[ $EUID -eq 0 ]] || refuse "only root can make a container"
  unshare --mount --pid --fork true || refuse "no namespaces"
  exec unshare --mount --propagation private -- "$BASH" "${BASH_SOURCE[0]}" apart "$@"
fi
folder=$2 binary=$3
shift 3
if [[ -d $binary ]]; then
  mount --bind "$binary" "$folder" || refuse "cannot mount"
else
  mount -t tmpfs -o mode=755 container "$folder" || refuse "cannot mount"
  show "$binary" /usr/bin/downbeat
  for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
    show "$(realpath "$library")" "$library"
  done
fi
while [[ $1 != -- ]]; do
  if [[ $1 == tmpfs:* ]]; then
    mkdir -p "$folder${1#tmpfs:}"
    mount -t tmpfs -o mode=700,uid=65532,gid=65532 container "$folder${1#tmpfs:}"
  elif [[ $1 == emptydir:* ]]; then
    mkdir -p "$folder${1#emptydir:}"
    mount -t tmpfs -o mode=2777,gid=65532 container "$folder${1#emptydir:}"
  else
    show "${1%%:*}" "${1#*:}"
  fi
  shift
done
mount -o remount,bind,ro "$folder"
exec unshare --pid --fork --root="$folder" --wd=/ --setgid 65532 --setuid 65532 -- \
  /usr/bin/downbeat "${@:2}"
