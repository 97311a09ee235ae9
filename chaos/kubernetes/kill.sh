#!/bin/sh
# Deletes the leader's pod each KILL_EVERY seconds, in the ways of HOW in turn, and writes before each
#   kill AT POD HOW
# and, where the API server refuses, `spared AT POD`. Without a LEASE the pods of the set take turns.
set -eu
. "$(dirname "$0")/clock.sh"

note() { echo "$*" >>"$RECORDS/records"; }

# The name of the pod whose turn it is, or nothing.
victim() {
  if [ -z "$LEASE" ]; then
    echo "$SET-$((kills % $(kubectl get statefulset "$SET" --output 'jsonpath={.spec.replicas}')))"
    return
  fi
  holder=$(kubectl get lease "$LEASE" --output 'jsonpath={.spec.holderIdentity}')
  # The pod's name, its UID and a nonce, joined by what no name of a pod has.
  echo "${holder%%_*}"
}

# Sets `pod` once there is one to be killed: one more must be left that serves, and nobody leads between two terms.
choose() {
  while before "$UNTIL"; do
    ready=$(kubectl get statefulset "$SET" --output 'jsonpath={.status.readyReplicas}') || ready=0
    pod=$(victim) || pod=
    if [ "${ready:-0}" -ge 2 ] && [ -n "$pod" ]; then return 0; fi
    sleep 1
  done
  return 1
}

kills=0
while before "$UNTIL"; do
  for how in $HOW; do
    sleep "$KILL_EVERY"
    choose || exit 0
    case $how in
    gentle) set -- ;;
    now) set -- --grace-period=1 ;;
    force) set -- --grace-period=0 --force ;;
    *)
      echo "HOW has $how; known are: gentle now force"
      exit 2
      ;;
    esac
    at=$(now)
    note "kill $at $pod $how"
    echo "$at s: kill $pod ($how)"
    kubectl delete pod "$pod" --wait=false "$@" >/dev/null 2>"$RECORDS/refused" || {
      note "spared $at $pod"
      cat "$RECORDS/refused"
    }
    kills=$((kills + 1))
  done
done
