# shellcheck shell=bash
# A machine is a set of namespaces (mount, host name, IPC, network, processes) whose first process is bin/pause. To kill that one
# is a power cut: every process, mount and device of the machine goes with it, so that nothing can be left behind.
# The machine `control` has the bridge `fabric`, on which the nodes are; nothing leads out, and the host's own
# network is left alone.
# shellcheck disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$here/bin
run=${RUN:-$here/run}
pki=$run/pki
kubeconfigs=$run/kubeconfigs

control_ip=10.200.0.10
node_ip() { echo "10.200.0.$((10 + $1))"; }
pods_of() { echo "10.244.$1.0/24"; }
service_range=10.96.0.0/16
dns_ip=10.96.0.10

# When process $1 was started, in ticks; with the pid this names a process for ever.
started() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null || true; }

# Whether machine $1 runs.
is_on() {
  local pid start
  read -r pid start 2>/dev/null <"$run/$1.pid" || return 1
  [ "$(started "$pid")" = "$start" ]
}

# inside NAME COMMAND…: runs it in that machine.
inside() {
  local pid
  read -r pid _ <"$run/$1.pid"
  shift
  nsenter --target "$pid" --mount --uts --ipc --net --pid -- "$@"
}

# within NAME COMMAND…: runs it with that machine's network, but the files of this one.
within() {
  local pid
  read -r pid _ <"$run/$1.pid"
  shift
  nsenter --target "$pid" --net -- "$@"
}

# daemon NAME LOG COMMAND…: the same as `inside`, for as long as the machine is on.
daemon() {
  local name=$1 log=$run/log/$1-$2.log pid
  read -r pid _ <"$run/$1.pid"
  shift 2
  setsid nsenter --target "$pid" --mount --uts --ipc --net --pid -- \
    env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" >>"$log" 2>&1 </dev/null &
}

# Switches machine $1 on.
switch_on() {
  local name=$1 holder pid=
  # shellcheck disable=SC2016
  setsid unshare --mount --uts --ipc --net --pid --fork --kill-child=SIGKILL --mount-proc --propagation private \
    bash -c 'hostname "$1"; mount --make-rshared /; ip link set lo up; exec "$2"' - "$name" "$bin/pause" \
    >/dev/null 2>>"$run/log/$name.log" </dev/null &
  holder=$!
  for _ in $(seq 200); do
    read -r pid <"/proc/$holder/task/$holder/children" 2>/dev/null || true
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = pause ]; then
      echo "$pid $(started "$pid")" >"$run/$name.pid"
      return 0
    fi
    sleep 0.05
  done
  echo "machine $name does not start: see $run/log/$name.log"
  return 1
}

# A power cut for machine $1; returns when it is gone.
switch_off() {
  local pid
  is_on "$1" || return 0
  read -r pid _ <"$run/$1.pid"
  kill -KILL "$pid"
  for _ in $(seq 200); do
    is_on "$1" || return 0
    sleep 0.05
  done
  echo "machine $1 (process $pid) does not end"
  return 1
}

# until_it SECONDS COMMAND…: runs it until it succeeds.
until_it() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "not so in time: $*"
      return 1
    fi
    sleep 0.2
  done
}

kubectl() { within control "$bin/kubectl" --kubeconfig "$kubeconfigs/admin" "$@"; }
