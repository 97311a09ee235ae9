#!/bin/sh
# poll.sh NAME etag|none: one client of /routes. It writes one record for each poll:
#   poll NAME START END SENT STATUS BROKE VERSION PROMISED DIGEST COUNT ROUTES CHANGE
# With `etag` it sends the ETag of its last table, as a Skipper does; with `none` it asks anew each time. Each poll is a
# connection of its own, so that the Service chooses a replica each time.
set -eu
. "$(dirname "$0")/clock.sh"

name=$1
mode=$2
body="$RECORDS/body-$name"
etag=''

while before "$POLL_UNTIL"; do
  rm -f "$body"
  start=$(now)
  # A header without a value is not sent.
  answer=$(curl --silent --max-time "$POLL_TIMEOUT" --output "$body" --header "If-None-Match: $etag" \
    --write-out '%{http_code}|%header{x-table-version}|%header{etag}|%header{x-count}' "$URL") && broke=0 || broke=$?
  end=$(now)
  IFS='|' read -r status version tag count <<ANSWER
$answer
ANSWER
  sent=0
  if [ -n "$etag" ]; then sent=1; fi
  digest=''
  routes=''
  change=''
  if [ "$status" = 200 ] && [ "$broke" = 0 ]; then
    # An empty body leaves no file.
    [ -f "$body" ] || : >"$body"
    digest=$(sha256sum <"$body")
    digest=${digest%% *}
    routes=$(grep -c . "$body") || true
    change=$(sed -n 's|.*"/bellwether-chaos/\([0-9]*\)".*|\1|p' "$body" | head -n 1)
    if [ "$mode" = etag ]; then etag=$tag; fi
  fi
  promised=${tag#\"}
  promised=${promised%\"}
  echo "poll $name $start $end $sent ${status:-000} $broke ${version:--} ${promised:--} ${digest:--} ${count:--}" \
    "${routes:--} ${change:--}" >>"$RECORDS/records"
  sleep "$POLL_EVERY"
done
rm -f "$body"
