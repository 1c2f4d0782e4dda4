# Finds client and socket and puts what every call needs into $@. $1 is the user, $2 the database.
# shellcheck shell=sh disable=SC2034
#
# --help tells the socket that the option files name, without logging in; where none is named, it says
# (No default value), and the client knows by itself.
first() { for each in "$@"; do command -v "$each" && return; done; return 1; }
export LC_ALL=C MYSQL_TEST_LOGIN_FILE=/nonexistent
# The clients heed these, the dump tools do not: they would talk to two servers.
unset MYSQL_HOST MARIADB_HOST
user=$1 database=$2
client=$(first mariadb mysql) || { echo 'neither mariadb nor mysql is there' >&2; exit 127; }
socket=$("$client" --help 2>/dev/null </dev/null | while read -r name value; do
  case $name in socket) echo "$value"; break;; esac
done)
case $socket in /*) set -- "--socket=$socket";; *) set --;; esac
set -- --no-defaults "$@" --host=localhost "--user=$user" --default-character-set=utf8mb4
ask() { "$client" "$@" --batch --raw --skip-column-names --comments --max-allowed-packet=1G; }
