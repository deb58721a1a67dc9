#!/usr/bin/env bash
# A throw-away copy of this machine: processes, mounts, network, name and control groups of its own,
# over a view of the root folder whose changes are forgotten. Nothing of it reaches the real one.
#
#   machine.sh systemd|bare FOLDER BINARY UNITS
#
# FOLDER is empty. BINARY becomes /usr/bin/downbeat, the folder UNITS a copy in /usr/share/downbeat.
# With `systemd`, that is process 1; with `bare`, a shell that does nothing.
# Prints the number of that process, as the caller sees it, once it is up; stays until standard input
# ends. Status 77: the kernel does not let us.
set -euo pipefail

refuse() {
  echo "$*" >&2
  exit 77
}

# Everything is mounted where only this script and its children see it.
build() {
  mount -t tmpfs -o mode=755 machine "$folder" || refuse "cannot mount"
  cd "$folder"
  mkdir upper work root cgroup
  mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root || refuse "no overlayfs"
  rm -f root/usr/bin/downbeat
  touch root/usr/bin/downbeat
  mount --bind "$binary" root/usr/bin/downbeat
  cp -r "$units" root/usr/share/downbeat
  : >root/etc/fstab
  tr -d - </proc/sys/kernel/random/uuid >root/etc/machine-id
  # Nothing starts but the journal and what the tests start.
  rm -rf root/etc/systemd/system/*.wants root/{usr/,}lib/systemd/system/*.wants
  mkdir -p root/etc/systemd/system/sysinit.target.wants
  for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    ln -s /lib/systemd/system/$unit root/etc/systemd/system/sysinit.target.wants/
  done
}

# What the manager of a container prepares, and then process 1.
prepare_and_start() {
  mount -t proc proc root/proc
  mount --bind root/proc/sys root/proc/sys
  mount -o remount,bind,ro root/proc/sys
  mount -t sysfs -o ro sysfs root/sys
  mount -t tmpfs -o mode=755 dev root/dev
  for node in null zero full random urandom tty; do
    touch root/dev/$node
    mount --bind /dev/$node root/dev/$node
  done
  ln -s /proc/self/fd root/dev/fd
  # Without these, systemd gives no service devices of its own.
  ln -s pts/ptmx root/dev/ptmx
  mkdir root/dev/pts root/dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts
  mount -t tmpfs -o mode=1777 tmp root/tmp
  ip link set lo up
  hostname downbeat-test
  # Neither the clock nor the kernel is a copy.
  # shellcheck disable=SC2054
  init=(setpriv --bounding-set -sys_time,-sys_module,-syslog --)
  if [[ $kind == systemd ]]; then
    mount -t cgroup2 cgroup2 root/sys/fs/cgroup
    init+=(/lib/systemd/systemd --system)
  else
    # A shell reaps whatever is left to it.
    init+=(bash -c 'while :; do sleep 3600 & wait; done')
  fi
  cd root
  pivot_root . run
  umount -l run
  mount -t tmpfs -o mode=755 run run
  touch run/prepared
  # Without this, systemd shows services no credentials.
  mount --make-rshared /
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    container=downbeat-test "${init[@]}" </dev/null >/dev/null 2>&1
}

tear_down() {
  # That it was killed need not be told.
  exec 2>/dev/null
  kill -KILL "$launcher" || true
  wait || true
  # The kernel takes a moment to notice that the group is empty.
  for _ in {1..100}; do
    [[ -d cgroup/$group ]] || return 0
    find "cgroup/$group" -depth -type d -exec rmdir {} + || sleep 0.02
  done
}

launch() {
  build
  group=
  if [[ $kind == systemd ]]; then
    group=downbeat-test-$$
    mount -t cgroup2 cgroup2 cgroup || refuse "no version 2 of control groups"
    mkdir "cgroup/$group" || refuse "no control group of its own"
  fi
  unshare --mount --pid --uts --ipc --net --propagation private --fork --kill-child -- \
    "$BASH" "$self" enter "$kind" "$folder" "$group" <&- >&2 &
  launcher=$!
  trap tear_down EXIT
  local first=
  until first=$(<"/proc/$launcher/task/$launcher/children") && first=${first%% *} && is_up "$first"; do
    kill -0 "$launcher"
    sleep 0.02
  done
  echo "$first"
  # The caller has gone, or has no more use for it.
  cat >/dev/null
}

is_up() {
  [[ -n $1 && -e /proc/$1/root/run/prepared ]] || return 1
  [[ $kind == bare ]] && return
  [[ -S /proc/$1/root/run/systemd/private ]] &&
    nsenter -t "$1" -m -p -n -u -i -C -- systemctl is-system-running --wait >/dev/null
}

self=$(realpath "${BASH_SOURCE[0]}")
case $1 in
systemd | bare)
  [[ $EUID -eq 0 ]] || refuse "only root can make a machine of its own"
  unshare --mount --pid --uts --ipc --net --cgroup --fork true || refuse "no namespaces"
  exec unshare --mount --propagation private -- "$BASH" "$self" launch "$@"
  ;;
launch)
  kind=$2 folder=$3 binary=$4 units=$5
  launch
  ;;
enter)
  kind=$2 folder=$3 group=$4
  cd "$folder"
  # In the group first: what a process is in when the namespace is made becomes its root.
  [[ -z $group ]] || echo 0 >"cgroup/$group/cgroup.procs"
  exec unshare --cgroup -- "$BASH" "$self" init "$kind" "$folder"
  ;;
init)
  kind=$2 folder=$3
  cd "$folder"
  prepare_and_start
  ;;
esac
