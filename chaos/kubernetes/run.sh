#!/bin/sh
# Clients poll the Service, the leader is killed again and again, an Ingress changes; then the judge reads what was
# written down. Settings come from the environment (settings.env). Exit code 0: nothing happened to anyone.
set -eu
cd "$(dirname "$0")"
. ./clock.sh

: "${RECORDS:=/records}"
# kubectl keeps what it learns of the API in its home.
export RECORDS HOME="$RECORDS"
records="$RECORDS/records"
: >"$records"

start=$(now)
start=${start%.*}
until curl --silent --fail --max-time "$POLL_TIMEOUT" --output /dev/null "$URL"; do
  if ! before $((start + WARM_UP)); then
    echo "no table from $URL within $WARM_UP s; curl says:"
    curl --show-error --silent --fail --max-time "$POLL_TIMEOUT" --output /dev/null "$URL"
    exit 1
  fi
  sleep 1
done

# Clients go on until the last kill and the last change have had their time.
start=$(now)
export UNTIL=$((${start%.*} + FOR))
export POLL_UNTIL=$((UNTIL + 1 + (TERM_LIMIT > CHANGE_LIMIT ? TERM_LIMIT : CHANGE_LIMIT)))
echo "$CLIENTS clients and a newcomer poll $URL; a kill each $KILL_EVERY s for $FOR s"

n=0
while [ "$n" -lt "$CLIENTS" ]; do
  n=$((n + 1))
  sh ./poll.sh "client-$n" etag &
done
sh ./poll.sh newcomer none &
sh ./kill.sh &
if [ "$CHANGE_EVERY" -gt 0 ]; then sh ./change.sh & fi
wait

echo "end $(now)" >>"$records"
awk -v kept="$KEPT_PERCENT" -v excuse="$EXCUSE" -v term_limit="$TERM_LIMIT" -v change_limit="$CHANGE_LIMIT" \
  -v changes_wanted="$CHANGE_EVERY" -f ./judge.awk "$records"
