# Writes a consistent copy of the database file $1, checked, to standard output.
export LC_ALL=C
umask 077
fail() { printf '%s\n' "$1" >&2; exit 1; }
ask() { sqlite3 -init /dev/null -batch -bail "$@"; }
[ -f "$1" ] || fail "$1: there is no such file"
[ -r "$1" ] || fail "$1: user $(id -u) of the container may not read it"

# Read-only, `sqlite3` never writes a checkpoint into the application's file when it leaves. What a
# killed application left half written is undone by whoever comes next; for that one must write.
wait='.timeout 60000'
only=-readonly
size='SELECT page_count * page_size FROM pragma_page_count, pragma_page_size'
bytes=$(ask $only "$1" "$wait" "$size" 2>&1) || case $bytes in
  *readonly*) only=; bytes=$(ask "$1" "$wait" "$size") || exit ;;
  *) fail "$bytes" ;;
esac

# A copy in memory counts against the container's limit, so that comes last.
read -r host </proc/sys/kernel/hostname
need=$((bytes / 1024 + 1024))
folder=${1%/*}
copy=
for memory in no yes; do
  for place in "$TMPDIR" /tmp /var/tmp "${folder:-/}"; do
    [ -n "$place" ] && [ -d "$place" ] || continue
    case $(stat -f -c %T "$place" 2>/dev/null) in tmpfs | ramfs) here=yes ;; *) here=no ;; esac
    [ $here = $memory ] || continue
    for old in "$place/ringbolt-sqlite.$host."*; do
      process=${old##*"/ringbolt-sqlite.$host."}
      [ ! -d "$old" ] || [ -d "/proc/${process%%.*}" ] || rm -rf "$old"
    done
    free=$(df -P -k "$place" | { read -r _; read -r _ _ _ free _; echo "$free"; })
    [ "${free:-$need}" -ge "$need" ] || continue
    copy=$(mktemp -d "$place/ringbolt-sqlite.$host.$$.XXXXXX" 2>/dev/null) && break 2
  done
done
[ -n "$copy" ] ||
  fail "no place for a copy of $bytes bytes in TMPDIR ($TMPDIR), /tmp, /var/tmp or ${folder:-/}"
# Who ends a command ends its children first, over and over: this one is to do its work.
trap 'trap "" HUP INT TERM; rm -rf "$copy"' EXIT
trap 'exit 1' HUP INT TERM
cd "$copy" || exit

# The transaction holds one state of the database for all of the copy: `.backup` alone lets go of it every
# 100 pages, and begins anew whenever somebody has written.
ask $only "$1" "$wait" BEGIN 'SELECT count(*) FROM sqlite_master' '.backup main snapshot' COMMIT >/dev/null || exit
[ -s snapshot ] || fail "sqlite3 made no copy"
checked() { ask 'file:snapshot?immutable=1' "PRAGMA $1" 2>&1; }
if ! said=$(checked integrity_check); then
  case $said in
    # The application brings collations or functions of its own, without which no index can be checked.
    *'no such '* | *'unknown '*)
      printf '%s: checked without its indexes: %s\n' "$1" "$said" >&2
      said=$(checked quick_check) || case $said in *'no such '* | *'unknown '*) said=ok ;; esac ;;
  esac
fi
[ "$said" = ok ] || fail "$1 is damaged: $said"
exec 3<snapshot
cd / && rm -rf "$copy"
exec cat <&3
