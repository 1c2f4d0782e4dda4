#!/bin/sh
# The entrypoint of the PostgreSQL image that is built where the official one cannot be pulled.
# Knows the official image's variables, so that examples and tests are the same for both:
# POSTGRES_USER, POSTGRES_PASSWORD[_FILE], POSTGRES_DB, POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, and scripts in /docker-entrypoint-initdb.d.
set -eu

case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" != postgres ]; then
  exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  fi
  : "${POSTGRES_USER:=postgres}" "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    echo "POSTGRES_PASSWORD is not set" >&2
    exit 1
  fi
  secret=$(mktemp)
  printf '%s\n' "${POSTGRES_PASSWORD:-}" >"$secret"
  [ -n "${POSTGRES_PASSWORD:-}" ] && with_password="--pwfile=$secret" || with_password=
  # Nobody cuts the power while a test's server starts: waiting for the disk is half the time.
  # shellcheck disable=SC2086 # the official image splits these arguments, too
  initdb --no-sync --username="$POSTGRES_USER" $with_password ${POSTGRES_INITDB_ARGS:-} >/dev/null
  rm "$secret"
  printf 'host all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"

  # Only the socket: who waits for TCP does not meet this server, but the final one.
  pg_ctl --wait --silent --options="-c listen_addresses='' -c fsync=off" start >/dev/null
  export PGPASSWORD="${POSTGRES_PASSWORD:-}"
  database=${POSTGRES_DB:-$POSTGRES_USER}
  if [ "$database" != postgres ]; then
    createdb --username="$POSTGRES_USER" --maintenance-db=postgres "$database"
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sql) psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" \
        --dbname="$database" --file="$script" ;;
      *.sh) . "$script" ;;
    esac
  done
  unset PGPASSWORD
  pg_ctl --wait --silent --mode=fast stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
