# Dumps a database. What the server answers to $QUESTIONS tells what is left out, what is worth a warning
# and what is a failure, one word and one value in a line, and `end` in the last.
# shellcheck shell=sh disable=SC2154
tool=$(first mariadb-dump mysqldump) || { echo 'neither mariadb-dump nor mysqldump is there' >&2; exit 127; }
help=$("$tool" --no-defaults --help </dev/null) || exit
knows() { case $help in *"  --$1"*|*", --$1"*) ;; *) return 1;; esac; }
tab=$(printf '\t')
plan=$(printf '%s' "$QUESTIONS" | ask "$@") || exit
case $plan in *"end$tab") ;; *) echo 'the server did not answer what is to be dumped' >&2; exit 1;; esac
set -- "$@" --max-allowed-packet=1G --single-transaction --quick --hex-blob --tz-utc --triggers \
  --no-tablespaces --skip-dump-date
if knows set-gtid-purged; then set -- "$@" --set-gtid-purged=OFF; fi
if knows dump-history; then set -- "$@" --dump-history; fi
if knows init-command; then
  set -- "$@" '--init-command=SET SESSION max_execution_time = 0, SESSION wait_timeout = 86400'
fi
each() { printf '%s\n' "$plan" | while IFS="$tab" read -r what value; do
  case $what in "$1") printf '%s\n' "$value";; esac
done; }
failures=$(each failure)
case $failures in ?*) printf '%s\n' "$failures" >&2; exit 1;; esac
each warning >&2
each comment
case $(each nodata) in ?*)
  if ! knows ignore-table-data; then
    echo '-- Ringbolt: tables without their rows'
    (
      set -- "$@" --no-data --skip-comments --skip-routines --skip-events -- "$database"
      while IFS= read -r table; do set -- "$@" "$table"; done <<END
$(each nodata)
END
      "$tool" "$@"
    ) || exit
  fi;;
esac
while IFS="$tab" read -r what table; do
  case $what in
    ignore) set -- "$@" "--ignore-table=$database.$table";;
    nodata) if knows ignore-table-data; then set -- "$@" "--ignore-table-data=$database.$table"
      else set -- "$@" "--ignore-table=$database.$table"; fi;;
    whole) set -- "$@" --routines --events;;
  esac
done <<END
$plan
END
exec "$tool" "$@" -- "$database"
