# shellcheck shell=bash disable=SC2154
# Certificates and kubeconfigs: one authority, elliptic curves, openssl. Made once, kept with the rest of the state.

# certificate NAME SUBJECT USAGE [ALTERNATIVE NAMES]
certificate() {
  [ ! -e "$pki/$1.crt" ] || return 0
  printf 'keyUsage=digitalSignature\nextendedKeyUsage=%s\n%s\n' "$3" "${4:+subjectAltName=$4}" >"$pki/$1.extensions"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$pki/$1.key" 2>/dev/null |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 365 \
      -extfile "$pki/$1.extensions" -out "$pki/$1.crt" 2>/dev/null
}

# kubeconfig NAME: for the certificate of that name.
kubeconfig() {
  cat >"$kubeconfigs/$1" <<CONFIG
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters:
  - name: it
    cluster:
      server: https://$control_ip:6443
      certificate-authority: $pki/ca.crt
users:
  - name: it
    user:
      client-certificate: $pki/$1.crt
      client-key: $pki/$1.key
CONFIG
}

authority() {
  mkdir -p "$pki" "$kubeconfigs"
  if [ ! -e "$pki/ca.crt" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=cluster-ca \
      -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>/dev/null
    openssl genrsa -out "$pki/accounts.key" 2048 2>/dev/null
  fi
  local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  certificate apiserver /CN=kube-apiserver serverAuth "$names,IP:10.96.0.1,IP:$control_ip"
  certificate apiserver-to-kubelet /O=system:masters/CN=kube-apiserver clientAuth
  certificate admin /O=system:masters/CN=admin clientAuth
  kubeconfig admin
  local name
  for name in controller-manager scheduler proxy; do
    certificate "$name" "/CN=system:kube-$name" clientAuth
    kubeconfig "$name"
  done
}

# What node $1 needs.
node_certificate() {
  certificate "node$1" "/O=system:nodes/CN=system:node:node$1" clientAuth,serverAuth "DNS:node$1,IP:$(node_ip "$1")"
  kubeconfig "node$1"
}
