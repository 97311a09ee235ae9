# shellcheck shell=bash disable=SC2154
# The machine `control`: etcd, the API server, the controllers, the scheduler, and a kube-proxy, so that a client on it
# reaches Services whatever becomes of the nodes.

control_on() {
  switch_on control
  # A default route is never used, but some want to see one.
  inside control sh -ec "
    ip link add fabric type bridge
    ip address add $control_ip/24 dev fabric
    ip link set fabric up
    ip route add default via 10.200.0.1
    sysctl -qw net.ipv4.ip_forward=1
    sysctl -qw net.bridge.bridge-nf-call-iptables=0 || true"

  mkdir -p "$run/etcd"
  daemon control etcd "$here/../peers/bin/etcd" --data-dir="$run/etcd" --unsafe-no-fsync \
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
    --listen-peer-urls=http://127.0.0.1:2380
  daemon control apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --bind-address="$control_ip" --advertise-address="$control_ip" --allow-privileged \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/apiserver-to-kubelet.crt" --kubelet-client-key="$pki/apiserver-to-kubelet.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --service-cluster-ip-range="$service_range" --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/accounts.key" --service-account-signing-key-file="$pki/accounts.key"
  until_it 60 kubectl get --raw /readyz
  # A node that says nothing is not ready after 12 s, in place of 40.
  daemon control controller-manager "$bin/kube-controller-manager" --kubeconfig="$kubeconfigs/controller-manager" \
    --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials --root-ca-file="$pki/ca.crt" \
    --service-account-private-key-file="$pki/accounts.key" --service-cluster-ip-range="$service_range" \
    --node-monitor-period=1s --node-monitor-grace-period=12s
  daemon control scheduler "$bin/kube-scheduler" --kubeconfig="$kubeconfigs/scheduler" \
    --bind-address=127.0.0.1 --leader-elect=false
}

# proxy MACHINE ADDRESS NODE: a kube-proxy there. It writes no rule before it has seen the object of a node of its name.
proxy() {
  cat >"$run/$1-proxy.yaml" <<CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: $2
hostnameOverride: $3
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: {kubeconfig: $kubeconfigs/proxy}
clusterCIDR: 10.244.0.0/16
mode: nftables
nftables: {minSyncPeriod: 100ms}
# These settings of the kernel belong to the whole machine.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
CONFIG
  daemon "$1" proxy "$bin/kube-proxy" --config="$run/$1-proxy.yaml"
}
