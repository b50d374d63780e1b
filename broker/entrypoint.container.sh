#!/bin/sh
# The broker's start in a container: its users from the secret, hashed, in memory; one more for the health check.
set -eu
umask 077
run=/run/mosquitto

users() { grep -v -e '^#' -e '^[[:space:]]*$' /run/secrets/mqtt-users; }

health=$(head -c 32 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')
{
  users
  printf 'health:%s\n' "$health"
} >"$run/users"
mosquitto_passwd -U "$run/users"

# Everybody with a login may publish readings and read what becomes of them; broker/acl.container says who may more.
{
  users | cut -d : -f 1 | while read -r name; do
    printf 'user %s\ntopic write park/#\ntopic read parkwatch/feedback/#\n' "$name"
  done
  cat /etc/parkwatch/acl
} >"$run/acl"

# Options of mosquitto_sub, which the health check calls.
cat >"$run/mosquitto_sub" <<END
-h localhost
-p 8883
--cafile /run/secrets/mqtt-ca.crt
-u health
-P $health
END
exec mosquitto -c /mosquitto/config/mosquitto.conf
