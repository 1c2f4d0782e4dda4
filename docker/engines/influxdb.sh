#!/bin/sh
# The entrypoint of the InfluxDB image that is built where the official one cannot be pulled.
# Knows the official 1.x image's variables: INFLUXDB_DB, and where INFLUXDB_HTTP_AUTH_ENABLED is
# `true`, INFLUXDB_ADMIN_USER, INFLUXDB_ADMIN_PASSWORD, and INFLUXDB_USER, INFLUXDB_READ_USER,
# INFLUXDB_WRITE_USER with ..._PASSWORD; *.iql and *.sh in /docker-entrypoint-initdb.d. Every other
# INFLUXDB_... is the server's own. Unlike there, the server does not run as root.
#
# Ready when: `influx -host "$(hostname)" -execute exit` ends with 0. It needs no password, and the
# first, temporary server answers on 127.0.0.1 only (the official image's on the usual port).
set -eu

case "${1:-}" in -*) set -- influxd "$@" ;; esac
if [ "${1:-}" != influxd ]; then
  exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
  find /var/lib/influxdb ! -user influxdb -exec chown influxdb {} +
  exec setpriv --reuid=influxdb --regid=influxdb --init-groups "$0" "$@"
fi

ask() { influx -host 127.0.0.1 -port 8087 -execute "$1"; }
name() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }
text() { printf "'%s'" "$(printf %s "$1" | sed "s/[\\\\']/\\\\&/g")"; }
account() { # VARIABLE of the name, VARIABLE of the password, what it may: ADMIN or a privilege
  eval "user=\${$1:-} password=\${$2:-}"
  [ -n "$user" ] || return 0
  if [ -z "$password" ]; then
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')
    echo "$2:$password"
  fi
  if [ "$3" = ADMIN ]; then
    ask "CREATE USER $(name "$user") WITH PASSWORD $(text "$password") WITH ALL PRIVILEGES"
  else
    ask "CREATE USER $(name "$user") WITH PASSWORD $(text "$password")"
    [ -z "$database" ] || ask "GRANT $3 ON $(name "$database") TO $(name "$user")"
  fi
}

case "${INFLUXDB_HTTP_AUTH_ENABLED:-}" in
  [Tt][Rr][Uu][Ee]) accounts=${INFLUXDB_ADMIN_USER:-} ;; # none without an administrator
  *) accounts= ;;
esac
database=${INFLUXDB_DB:-}
scripts=$(find /docker-entrypoint-initdb.d -type f)
if [ -n "$database$accounts$scripts" ] && [ ! -e "${INFLUXDB_META_DIR:-/var/lib/influxdb/meta}" ]; then
  INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:8087 INFLUXDB_BIND_ADDRESS=127.0.0.1:8089 \
    INFLUXDB_HTTP_AUTH_ENABLED=false INFLUXDB_HTTP_HTTPS_ENABLED=false "$@" >/dev/null 2>&1 &
  server=$!
  until ask exit >/dev/null 2>&1; do
    kill -0 $server
    sleep 0.1
  done
  [ -z "$database" ] || ask "CREATE DATABASE $(name "$database")"
  if [ -n "$accounts" ]; then
    account INFLUXDB_ADMIN_USER INFLUXDB_ADMIN_PASSWORD ADMIN
    account INFLUXDB_USER INFLUXDB_USER_PASSWORD ALL
    account INFLUXDB_READ_USER INFLUXDB_READ_USER_PASSWORD READ
    account INFLUXDB_WRITE_USER INFLUXDB_WRITE_USER_PASSWORD WRITE
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    # shellcheck disable=SC1090 # scripts are whatever the user put there
    case "$script" in
      *.iql) ask "$(cat "$script")" ;;
      *.sh) . "$script" ;;
    esac
  done
  kill $server
  wait $server
fi
exec "$@"
