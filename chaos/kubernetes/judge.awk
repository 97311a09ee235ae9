# Judges the records of one run (poll.sh, kill.sh and change.sh say what is in them) as docs/chaos/README.md does. Prints
# what was seen and each violation; exit code 1 where there is one, or where nothing was shown.
#   awk -v kept=50 -v excuse=3 -v term_limit=10 -v change_limit=10 -v changes_wanted=1 -f judge.awk RECORDS

function violation(kind, at, what) {
  violations++
  if (violations <= 20) printf "violation: %s at %.2f s: %s\n", kind, at - began, what
}

# Whether version a (EPOCH.SEQUENCE) is below b.
function below(a, b,  x, y) {
  split(a, x, ".")
  split(b, y, ".")
  return x[1] + 0 < y[1] + 0 || (x[1] + 0 == y[1] + 0 && x[2] + 0 < y[2] + 0)
}

# A poll that may have gone to a replica that was dead while the Service still pointed at it. Who is given time to stop
# is never excused.
function excused(start, end) {
  return dead != "" && start <= dead + excuse && end >= dead
}

function times(name, values, n, limit,  i, j, value, line) {
  for (i = 2; i <= n; i++) {
    value = values[i]
    for (j = i - 1; j >= 1 && values[j] > value; j--) values[j + 1] = values[j]
    values[j + 1] = value
  }
  line = n ? sprintf("p50 %.1f s, worst %.1f s", values[int((n + 1) / 2)], values[n]) : "never"
  printf "%-22s %s (limit %d s)\n", name, line, limit
}

began == "" && $1 == "poll" { began = $3 }

$1 == "kill" {
  kills++
  killed_at[kills] = $2
  epoch_then[kills] = epoch
  ways[$4]++
  if ($4 != "gentle") dead = $2
}

$1 == "spared" { violation("no kill", $2, $3 " could not be deleted") }

$1 == "changes" { base = $2 }

$1 == "change" { changed_at[$3] = $2; changes = $3 }

$1 == "end" { ended = $2 }

$1 == "poll" {
  client = $2; start = $3; end = $4; sent = $5; status = $6; broke = $7
  version = $8; promised = $9; digest = $10; count = $11; routes = $12
  # What an earlier run left is not judged.
  change = base != "" && $13 != "-" && $13 + 0 > base + 0 ? $13 + 0 : 0
  polls++
  clients[client]

  if (broke || (status != 200 && status != 304)) {
    lost++
    cut = broke && status == 200
    if (broke && excused(start, end)) { forgiven++; next }
    if (cut) violation("cut", end, client ": the body broke off, curl says " broke)
    else violation("poll not answered", end, client ": " (broke ? "curl says " broke : "status " status))
    next
  }

  if (version != "-") {
    split(version, parts, ".")
    if (parts[1] + 0 > epoch + 0) {
      epoch = parts[1]
      for (k = kills; k >= 1 && !(k in led_at) && epoch_then[k] + 0 < epoch + 0; k--) led_at[k] = end
    }
  }
  if (status == 304) { same++; next }

  tables++
  if (promised != digest) violation("lie", end, client ": the ETag says " promised ", the body hashes to " digest)
  if (least == "") least = int(routes * kept / 100)
  if (routes == 0 || routes < least || (count != "-" && routes != count))
    violation("wipe", end, client ": " routes " routes, X-Count " count ", expected at least " least)
  if (version != "-") {
    if (version in digest_of && digest_of[version] != digest)
      violation("fork", end, client ": " version " is " digest " here and " digest_of[version] " elsewhere")
    digest_of[version] = digest
  }

  # Who shows no ETag may be started with an older table, by design.
  if (sent && version != "-" && client in newest && below(version, newest[client]) && digest != last[client])
    violation("step back", end, client ": version " version " after " newest[client])
  if (version != "-" && (!(client in newest) || below(newest[client], version))) newest[client] = version
  last[client] = digest
  if (change && client != "newcomer") {
    if (!(client in has)) has[client] = base
    if (sent && change < has[client] + 0) violation("step back", end, client ": change " change " after " has[client])
    for (c = has[client] + 1; c <= change; c++) got[client, c] = end
    if (change > has[client] + 0) has[client] = change
  }
}

END {
  for (k = 1; k <= kills; k++) {
    if (k in led_at) {
      terms[++led] = led_at[k] - killed_at[k]
      if (terms[led] > term_limit)
        violation("late term", killed_at[k], "a new leader's table came after " terms[led] " s")
    } else if (epoch != "" && killed_at[k] + term_limit <= ended)
      violation("no new term", killed_at[k], "no table of a new leader within " term_limit " s after the kill")
  }
  for (c = base + 1; c <= changes; c++) {
    worst = 0
    for (client in clients) {
      if (client == "newcomer") continue
      if (!((client, c) in got)) {
        if (changed_at[c] + change_limit <= ended)
          violation("change not served", changed_at[c], client " never got change " c)
        continue
      }
      late = got[client, c] - changed_at[c]
      if (late > change_limit) violation("late change", changed_at[c], client " got change " c " after " late " s")
      if (late > worst) worst = late
    }
    fresh[++reached] = worst
  }

  n = split("now force gentle", known, " ")
  for (i = 1; i <= n; i++)
    if (known[i] in ways) said = said (said == "" ? "" : ", ") ways[known[i]] " " known[i]
  n = 0
  for (client in clients) n++
  printf "%-22s %d (%s) in %.0f s\n", "kills of the leader", kills, said, ended - began
  printf "%-22s %d by %d clients: %d tables, %d times nothing new, %d not answered\n", "polls", polls, n, tables, same, lost
  printf "%-22s %d within %d s after a kill without grace\n", "not answered, excused", forgiven, excuse
  if (epoch != "") times("a new term served", terms, led, term_limit)
  if (changes) times("a change with everyone", fresh, reached, change_limit)
  if (!kills) violation("nothing shown", began, "nobody was killed")
  if (!tables) violation("nothing shown", began, "no table was served")
  if (changes_wanted && !changes) violation("nothing shown", began, "nothing was changed")
  if (ended == "") violation("nothing shown", began, "the run did not end")
  printf "%-22s %d\n%s\n", "violations", violations, violations ? "FAILED" : "PASSED"
  exit violations > 0
}
