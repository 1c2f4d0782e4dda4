# Says which version `sqlite3` has, and what the paths are in this container. Fields end with a NUL; the
# first is the tool's answer as `tool.rs` reads it, then come three for each file.
export LC_ALL=C
IFS=
answer=$(sqlite3 --version 2>/dev/null || sqlite3 --version 2>&1; echo $?)
printf '%s\0' "$answer"
[ "${answer##*[!0-9]}" = 0 ] || exit 0
tell() { printf '%s\0%s\0%s\0' "$1" "$(stat -L -c '%s %u:%g %a' "$2")" "$2"; }
for path; do
  if [ -e "$path" ]; then tell named "$path"; continue; fi
  case $path in *[*?[]*) ;; *) continue ;; esac
  # Unquoted, a variable is a pattern; without a separator it is never split, and it is not run.
  for file in $path; do
    # In an empty file there is nothing yet.
    [ -f "$file" ] && [ -s "$file" ] || continue
    if [ "$(head -c 15 "$file" 2>/dev/null)" = 'SQLite format 3' ]; then tell found "$file"; continue; fi
    case $file in *-wal | *-shm | *-journal) ;; *) tell other "$file" ;; esac
  done
done
