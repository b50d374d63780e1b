#!/bin/bash
# Runs once, when InfluxDB's container sets itself up: logins for parkwatch (reads and writes readings) and Grafana
# (reads them), so that neither holds the administrator's token.
set -euo pipefail

login() { # NAME PASSWORD PERMISSION...
  influx v1 auth create --org park --username "$1" --password "$2" "${@:3}" >/dev/null
}

bucket=$DOCKER_INFLUXDB_INIT_BUCKET_ID
parkwatch=$(cat /run/secrets/influx-parkwatch) # name:password
login "${parkwatch%%:*}" "${parkwatch#*:}" --read-bucket "$bucket" --write-bucket "$bucket"
login grafana "$(cat /run/secrets/influx-grafana)" --read-bucket "$bucket"
# So that a query that names no retention policy means this one, as in 1.x.
influx v1 dbrp create --org park --db park --rp raw --bucket-id "$bucket" --default >/dev/null
