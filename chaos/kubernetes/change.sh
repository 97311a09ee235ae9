#!/bin/sh
# Changes the path of the Ingress bellwether-chaos each CHANGE_EVERY seconds, so that there is something new to be served.
# Writes before the first
#   changes NUMBER
# above which all its numbers are, and above those of earlier runs; and after each
#   change AT NUMBER
set -eu
. "$(dirname "$0")/clock.sh"

number=$(date +%s)
echo "changes $number" >>"$RECORDS/records"
while before "$UNTIL"; do
  number=$((number + 1))
  patch='[{"op":"replace","path":"/spec/rules/0/http/paths/0/path","value":"/bellwether-chaos/'$number'"}]'
  until kubectl patch ingress bellwether-chaos --type=json --patch="$patch" >/dev/null; do sleep 1; done
  echo "change $(now) $number" >>"$RECORDS/records"
  sleep "$CHANGE_EVERY"
done
