# Writes an RDB file to standard output: as a replica gets it, or where that cannot be, by BGSAVE.
snapshot() {
  save
  place=$(setting dir)
  name=$(setting dbfilename)
  [ -n "$place" ] && [ -n "$name" ] || fail "BGSAVE has saved, but CONFIG GET does not tell where"
  cat "$place/$name"
}
inform
# To a client that does not say its version, Valkey 9 sends fields of hashes without their times to live.
case $info in
  *keys_with_volatile_items=[1-9]*)
    snapshot
    exit
    ;;
esac
for place in /tmp /dev/shm; do
  work=$(mktemp -d "$place/ringbolt-dump.XXXXXX" 2>/dev/null) && break
done
[ -n "$work" ] || fail "neither /tmp nor /dev/shm can be written"
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM
mkfifo "$work/said" || exit
# A server that streams (`repl-diskless-sync`) ends with a mark of 40 bytes, which the client cuts off a file
# but not off a pipe. It says beforehand whether there will be one.
pass() {
  exec 5<"$work/said"
  while IFS= read -r line <&5; do
    printf '%s\n' "$line" >>"$work/words"
    case $line in
      "SYNC sent "*"EOF mark"*)
        : >"$work/begun"
        head -c -40
        break
        ;;
      "SYNC sent "*)
        : >"$work/begun"
        cat
        break
        ;;
    esac
  done
  cat <&5 >>"$work/words"
}
exec 3>&1
code=$({ { ask --rdb - 2>"$work/said" 3>&- 4>&-; echo $? >&4; } | pass >&3 4>&-; } 4>&1)
[ "$code" != 0 ] || exit 0
case $(cat "$work/words") in
  *NOPERM* | *"unknown command"*)
    if [ ! -e "$work/begun" ]; then
      echo "the user may not replicate (+sync +psync +replconf), so BGSAVE wrote this dump to the server's disk first" >&2
      snapshot
      exit
    fi
    ;;
esac
cat "$work/words" >&2
exit "${code:-1}"
