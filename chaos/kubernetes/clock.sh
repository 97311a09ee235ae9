# shellcheck shell=sh
# The time that all records have: seconds since the machine started, which nobody sets back.

now() {
  read -r up _ </proc/uptime
  echo "$up"
}

# Whether it is earlier than whole second $1.
before() {
  read -r up _ </proc/uptime
  [ "${up%.*}" -lt "$1" ]
}
