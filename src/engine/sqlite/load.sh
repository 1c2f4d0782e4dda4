# Reads a dump into the new file $1, which becomes the database $2 later.
export LC_ALL=C
umask 077
fail() { printf '%s\n' "$1" >&2; exit 1; }
folder=${1%/*}
[ -d "${folder:-/}" ] || fail "there is no folder ${folder:-/}: make it first"
# SQLite would take what an earlier database left for this one's latest changes.
for left in "$2-wal" "$2-journal"; do
  [ ! -s "$left" ] || fail "$left of an earlier database is still there: move it away first"
done
set -C
cat >"$1" || exit
sync "$1"
said=$(sqlite3 -init /dev/null -batch -bail "$1" 'PRAGMA integrity_check' 2>&1)
case $said in ok | *'no such '* | *'unknown '*) ;; *) fail "what was restored is damaged: $said" ;; esac
