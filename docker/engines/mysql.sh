#!/bin/sh
# The entrypoint of the MariaDB and MySQL images that are built where the official ones cannot be
# pulled. Knows the official images' variables: MYSQL_ROOT_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD,
# MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_ROOT_HOST, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD, each also
# as ..._FILE, for MariaDB also as MARIADB_... (and MARIADB_ALLOW_EMPTY_ROOT_PASSWORD); *.sql,
# *.sql.gz and *.sh in /docker-entrypoint-initdb.d. Unlike there, the tables of time zones are empty.
#
# Tests start dozens of servers, and MySQL takes three to five seconds to initialise: the first
# start copies the data folder that was initialised with the image. MariaDB makes the accounts in
# its bootstrap mode; MySQL has none, its server makes them before it takes the first connection (and
# goes on when it refuses one, with an [ERROR] in the log). A temporary server is needed only for
# scripts; it listens on the socket, as in the official images.
#
# Ready when: `mariadb-admin --host=127.0.0.1 ping` (`mysqladmin --host=127.0.0.1 ping`) ends with 0.
# It needs no password, but an account that may come from there, as root may by default.
set -eu

if command -v mariadbd >/dev/null; then
  server=mariadbd client=mariadb prefixes='MARIADB MYSQL'
else
  server=mysqld client=mysql prefixes=MYSQL
fi
case "${1:-}" in -*) set -- $server "$@" ;; esac
case "${1:-}" in mariadbd | mysqld) ;; *) exec "$@" ;; esac

data=/var/lib/mysql socket=/run/mysqld/mysqld.sock
for option in "$@"; do
  case "$option" in --datadir=*) data=${option#*=} ;; esac
done
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/mysqld
  find "$data" /run/mysqld ! -user mysql -exec chown mysql:mysql {} +
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

initialise() { # [OPTION]... of the server
  case "$*" in
    # What is settled for ever when a data folder is made cannot be copied.
    *lower?case?table?names* | *page?size* | *data?file?path*)
      if [ $server = mariadbd ]; then
        mariadb-install-db --datadir="$data" --skip-test-db --skip-log-bin \
          --auth-root-authentication-method=normal "$@" >/dev/null
      else
        mysqld --initialize-insecure --datadir="$data" "$@"
      fi
      ;;
    *) cp --archive --sparse=always /usr/local/share/initialised/. "$data" ;;
  esac
}

value() { # NAME without its prefix: what the variable says, or the file that it names
  for prefix in $prefixes; do
    eval "found=\${${prefix}_$1:-} file=\${${prefix}_$1_FILE:-}"
    [ -z "$file" ] || found=$(cat "$file")
    [ -z "$found" ] || break
  done
  printf %s "$found"
}
text() { printf "'%s'" "$(printf %s "$1" | sed "s/[\\\\']/\\\\&/g")"; }
name() { printf '`%s`' "$(printf %s "$1" | sed 's/`/``/g')"; }

accounts() { # as SQL, for a server that has read no grants yet or all of them
  sql "SET @@SESSION.SQL_LOG_BIN = 0"
  if [ $server = mariadbd ]; then
    # It makes accounts for every name of the host that it was initialised on.
    sql "DELETE FROM mysql.global_priv WHERE user = 'root' AND host <> 'localhost'"
    sql "DELETE FROM mysql.proxies_priv WHERE host <> 'localhost'"
    sql "FLUSH PRIVILEGES"
  fi
  sql "ALTER USER 'root'@'localhost' IDENTIFIED BY $(text "$root_password")"
  if [ "$root_host" != localhost ]; then
    sql "CREATE USER 'root'@$(text "$root_host") IDENTIFIED BY $(text "$root_password")"
    sql "GRANT ALL ON *.* TO 'root'@$(text "$root_host") WITH GRANT OPTION"
  fi
  [ -z "$database" ] || sql "CREATE DATABASE IF NOT EXISTS $(name "$database")"
  if [ -n "$user" ] && [ -n "$password" ]; then
    sql "CREATE USER $(text "$user")@'%' IDENTIFIED BY $(text "$password")"
    # In a grant the name is a pattern, where an underscore stands for any character.
    pattern=$(printf %s "$database" | sed 's/_/\\_/g')
    [ -z "$database" ] || sql "GRANT ALL ON $(name "$pattern").* TO $(text "$user")@'%'"
  fi
}
sql() { printf '%s;\n' "$1"; }

run_scripts() { # SERVER [OPTION]...
  "$@" --skip-networking --socket="$socket" &
  pid=$!
  until ask --execute='SELECT 1' >/dev/null 2>&1; do
    kill -0 $pid
    sleep 0.1
  done
  for script in /docker-entrypoint-initdb.d/*; do
    # shellcheck disable=SC1090 # scripts are whatever the user put there
    case "$script" in
      *.sql) ask <"$script" ;;
      *.sql.gz) gzip --decompress --stdout "$script" | ask ;;
      *.sh) . "$script" ;;
    esac
  done
  kill $pid
  wait $pid
}
ask() {
  MYSQL_PWD=$root_password $client --protocol=socket --socket="$socket" --user=root \
    ${database:+"--database=$database"} "$@"
}

if [ ! -d "$data/mysql" ]; then
  root_password=$(value ROOT_PASSWORD) root_host=$(value ROOT_HOST) database=$(value DATABASE)
  user=$(value USER) password=$(value PASSWORD)
  : "${root_host:=%}"
  if [ -n "$(value RANDOM_ROOT_PASSWORD)" ]; then
    root_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')
    echo "GENERATED ROOT PASSWORD: $root_password"
  elif [ -z "$root_password$(value ALLOW_EMPTY_PASSWORD)$(value ALLOW_EMPTY_ROOT_PASSWORD)" ]; then
    echo "none of ROOT_PASSWORD, RANDOM_ROOT_PASSWORD and ALLOW_EMPTY_PASSWORD is set" >&2
    exit 1
  fi
  program=$1
  shift
  initialise "$@"
  set -- "$program" "$@"
  if [ $server = mariadbd ]; then
    accounts | "$@" --bootstrap
    first=
  else
    # The server opens the file by its descriptor: it is in memory, and has no name any more.
    secret=$(mktemp --tmpdir=/dev/shm)
    accounts >"$secret"
    exec 3<"$secret"
    rm "$secret"
    first=--init-file=/dev/fd/3
  fi
  if [ -n "$(find /docker-entrypoint-initdb.d -type f)" ]; then
    run_scripts "$@" $first
    exec 3<&-
  else
    set -- "$@" $first
  fi
fi
exec "$@"
