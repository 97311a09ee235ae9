# shellcheck shell=bash disable=SC2154
# A node: containerd, kubelet, kube-proxy, on a machine of its own with a range of addresses for its pods.

debian=$bin/debian/usr
hierarchies="blkio cpu cpuacct cpuset devices freezer memory pids systemd"

ctr() {
  local name=$1
  shift
  inside "$name" "$debian/bin/ctr" --address /run/containerd/containerd.sock --namespace k8s.io "$@"
}

# node_on I NODES: boots node I of that many.
node_on() {
  local i=$1 nodes=$2 name=node$1 ip state=$run/node$1 control pid j archive
  ip=$(node_ip "$i")
  # A boot empties /run.
  rm -rf "$state/run"
  mkdir -p "$state"/{containerd,kubelet,logs/pods,logs/containers,run/containerd,run/netns,cni}
  switch_on "$name"
  read -r control _ <"$run/control.pid"
  read -r pid _ <"$run/$name.pid"

  within control ip link delete "$name" 2>/dev/null || true
  nsenter --target "$control" --net ip link add "$name" type veth peer name eth0 netns "$pid"
  within control ip link set "$name" master fabric up
  within control ip route replace "$(pods_of "$i")" via "$ip"
  within "$name" sh -ec "
    ip address add $ip/24 dev eth0
    ip link set eth0 up
    ip route add default via $control_ip"
  inside "$name" sysctl -qw net.ipv4.ip_forward=1
  for j in $(seq "$nodes"); do
    [ "$j" = "$i" ] || within "$name" ip route add "$(pods_of "$j")" via "$(node_ip "$j")"
  done

  # Folders whose names are built into kubelet and containerd.
  inside "$name" sh -ec "
    mkdir -p /var/log/pods /var/log/containers /var/lib/kubelet /run/netns /run/containerd
    mount --bind $state/logs/pods /var/log/pods
    mount --bind $state/logs/containers /var/log/containers
    mount --bind $state/kubelet /var/lib/kubelet
    mount --bind $state/run/containerd /run/containerd
    mount --bind $state/run/netns /run/netns
    mount --make-shared /run/netns"
  groups_for "$name"

  # Routes instead of a bridge: then Services need nothing of the kernel's bridge code.
  cat >"$state/cni/pods.conflist" <<CONFIG
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "mtu": 1500, "ipam": {
  "type": "host-local", "dataDir": "$state/run/ipam", "ranges": [[{"subnet": "$(pods_of "$i")"}]],
  "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONFIG
  containerd_config "$state" >"$state/containerd.toml"
  daemon "$name" containerd env "PATH=$debian/bin:$debian/sbin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "$debian/bin/containerd" --config "$state/containerd.toml"
  until_it 30 ctr "$name" version
  for archive in "$bin"/images/*.tar; do
    ctr "$name" images import --snapshotter overlayfs "$archive" >>"$run/log/$name-images.log" 2>&1
  done

  echo "nameserver $control_ip" >"$state/resolv.conf"
  kubelet_config "$name" "$ip" >"$state/kubelet.yaml"
  daemon "$name" kubelet "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$kubeconfigs/$name" \
    --hostname-override="$name" --node-ip="$ip"
  proxy "$name" "$ip" "$name"
}

# The control groups of a node. What a power cut left must go first: kubelet looks at each for seconds.
groups_for() {
  local hierarchy group level
  if [ ! -d /sys/fs/cgroup/memory ]; then
    echo "control groups of version 1 are needed, each in its place below /sys/fs/cgroup"
    return 1
  fi
  find /sys/fs/cgroup/*/chaos-cluster/"$1" -mindepth 1 -depth -type d -exec rmdir {} \; 2>/dev/null || true
  for hierarchy in $hierarchies; do
    group=/sys/fs/cgroup/$hierarchy/chaos-cluster/$1
    mkdir -p "$group"
    [ "$hierarchy" = cpuset ] || continue
    for level in "${group%/*}" "$group"; do
      cat /sys/fs/cgroup/cpuset/cpuset.cpus >"$level/cpuset.cpus"
      cat /sys/fs/cgroup/cpuset/cpuset.mems >"$level/cpuset.mems"
    done
  done
}

# Where a negative oom_score_adj is refused, runc fails without saying so: hence restrict_oom_score_adj.
containerd_config() {
  cat <<CONFIG
version = 2
root = "$1/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_tcp_service = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$debian/sbin/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$debian/lib/cni"
    conf_dir = "$1/cni"
CONFIG
}

# Images are never collected, as they could not be had again.
kubelet_config() {
  cat <<CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $2
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/$1.crt
tlsPrivateKeyFile: $pki/$1.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /chaos-cluster/$1
failCgroupV1: false
failSwapOn: false
resolvConf: $run/$1/resolv.conf
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 10
CONFIG
}
