#!/bin/sh
# Changes the path of the Ingress bellwether-chaos each CHANGE_EVERY seconds, so that there is something new to be served.
# Writes after each
#   change AT NUMBER
set -eu
. "$(dirname "$0")/clock.sh"

number=0
while before "$UNTIL"; do
  number=$((number + 1))
  patch='[{"op":"replace","path":"/spec/rules/0/http/paths/0/path","value":"/bellwether-chaos/'$number'"}]'
  until kubectl patch ingress bellwether-chaos --type=json --patch="$patch" >/dev/null; do sleep 1; done
  echo "change $(now) $number" >>"$RECORDS/records"
  sleep "$CHANGE_EVERY"
done
