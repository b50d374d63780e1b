#!/bin/bash
# Runs once, when InfluxDB's container sets itself up: a bucket for what is kept for good (the alarm journal, KPIs), and
# logins for parkwatch (reads and writes) and Grafana (reads), so that neither holds the administrator's token.
# It can be run again (docs/containers.md, "Upgrading"): what is there stays, logins are made anew.
set -euo pipefail

bucket() { # NAME: its id, or nothing
  influx bucket list --org park --hide-headers | awk -F '\t' -v name="$1" '$2 == name { print $1 }'
}

login() { # NAME PASSWORD PERMISSION...
  influx v1 auth delete --username "$1" >/dev/null 2>&1 || true
  influx v1 auth create --org park --username "$1" --password "$2" "${@:3}" >/dev/null
}

mapping() { # POLICY BUCKET [--default]
  # InfluxDB also lists mappings that it makes up from a bucket's name: those know no default.
  influx v1 dbrp list --org park --bucket-id "$2" |
    awk -F '\t' -v bucket="$2" '/^VIRTUAL/ { exit } index($0, bucket) { found = 1 } END { exit !found }' ||
    influx v1 dbrp create --org park --db park --rp "$1" --bucket-id "$2" "${@:3}" >/dev/null
}

raw=$(bucket park/raw)
kept=$(bucket park/kept)
: "${kept:=$(influx bucket create --org park --name park/kept --retention 0 --hide-headers | cut -f1)}"
parkwatch=$(cat /run/secrets/influx-parkwatch) # name:password
login "${parkwatch%%:*}" "${parkwatch#*:}" \
  --read-bucket "$raw" --write-bucket "$raw" --read-bucket "$kept" --write-bucket "$kept"
login grafana "$(cat /run/secrets/influx-grafana)" --read-bucket "$raw" --read-bucket "$kept"
# So that a query that names no retention policy means this one, as in 1.x.
mapping raw "$raw" --default
mapping kept "$kept"
