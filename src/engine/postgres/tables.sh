# Restores some entries of the dump on standard input. $1: their numbers, one in a line; what follows is for
# pg_restore, which takes such a list from a file alone.
umask 077
list=$(mktemp) || exit
trap 'rm -f "$list"' EXIT
trap 'exit 143' HUP INT TERM
printf '%s\n' "$1" >"$list" || exit
shift
pg_restore --use-list="$list" "$@"
