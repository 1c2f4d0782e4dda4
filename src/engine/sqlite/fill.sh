# Reads a dump and puts it into the empty database file $1 in one transaction, as its users may have
# it open.
export LC_ALL=C
fail() { printf '%s\n' "$1" >&2; exit 1; }
folder=${1%/*}
[ -d "${folder:-/}" ] || fail "there is no folder ${folder:-/}: make it first"
copy=$(mktemp -d "$folder/.ringbolt-sqlite.$$.XXXXXX") || exit
# Who ends a command ends its children first, over and over: this one is to do its work.
trap 'trap "" HUP INT TERM; rm -rf "$copy"' EXIT
trap 'exit 1' HUP INT TERM
cd "$copy" || exit
cat >dump || exit
said=$(sqlite3 -init /dev/null -batch -bail dump 'PRAGMA integrity_check' 2>&1)
case $said in ok | *'no such '* | *'unknown '*) ;; *) fail "what is to be restored is damaged: $said" ;; esac
things=$(sqlite3 -init /dev/null -batch -bail "$1" '.timeout 60000' 'SELECT count(*) FROM sqlite_master') || exit
[ "$things" = 0 ] || fail "$1 is not empty any more"
sqlite3 -init /dev/null -batch -bail "$1" '.timeout 60000' '.restore main dump' || exit
