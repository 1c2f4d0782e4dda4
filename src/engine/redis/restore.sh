# Fills the running, empty server with the RDB file on standard input: a second server of the same kind loads
# it, and the first one replicates that. So nothing is placed, nothing restarts, and what cannot be loaded
# never reaches the first one.
umask 077
if [ -d "$state" ]; then
  if read -r other 2>/dev/null <"$state/script" && grep -q ringbolt-restore "/proc/$other/cmdline" 2>/dev/null; then
    fail "another restore is at work (process $other)"
  fi
  inform
  count
  [ "$total" = 0 ] || fail "this server is not empty, and an earlier restore that was broken off left $state in it"
  undo
  server=
  trap - HUP INT TERM
fi
rm -f "$state.done"
inform
single
count
[ "$total" = 0 ] || fail "this server is not empty"
append=$(setting appendonly)
databases=$(setting databases)
case $append in yes | no) ;; *) fail "CONFIG GET: $(ask CONFIG GET appendonly)" ;; esac
case $(field server_name) in
  valkey) programs="valkey-server redis-server" ;;
  *) programs="redis-server valkey-server" ;;
esac
for program in $programs; do
  ! command -v "$program" >/dev/null || break
done
command -v "$program" >/dev/null || fail "there is no $program here, which would load the dump"

mkdir "$state" || exit
trap 'code=$?; trap - EXIT; undo; exit $code' EXIT
trap 'exit 143' HUP INT TERM
echo $$ >"$state/script"
for name in masterauth masteruser; do
  setting $name | tr -d '\n' >"$state/$name" || exit
done
secret=$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
[ ${#secret} = 48 ] || fail "/dev/urandom gives nothing"
temporary() {
  REDISCLI_AUTH=$secret VALKEYCLI_AUTH=$secret "$client" -p "$other" "$@"
}
alive() {
  { read -r _ _ status _ <"/proc/$server/stat"; } 2>/dev/null && [ "$status" != Z ]
}
# The last words of the second server.
words() {
  sed -n 's/^.* # //p' "$state/log" | grep -v -e WARNING -e oO0 -e version= -e '^Configuration' -e '^Server init' | tail -n 3
}

# The file is a pipe, so that nothing of the dump touches the disk, however large it is. Its name is gone as soon
# as both ends are open: from 7.2 a server opens the file again when it has loaded it, and would wait there.
mkfifo "$state/dump.rdb" || exit
exec 3<&0
for attempt in 1 2 3 4 5; do
  other=$((20000 + $(od -An -N2 -tu2 /dev/urandom | tr -d ' ') % 40000))
  {
    printf '%s\n' "port $other" "bind 127.0.0.1" "requirepass $secret" "dir \"$state\"" "dbfilename dump.rdb" \
      'save ""' "appendonly no" "databases ${databases:-16}" "daemonize no" 'logfile ""' "maxmemory 0" \
      "repl-diskless-sync yes" "repl-diskless-sync-delay 0" "repl-timeout 3600" \
      "client-output-buffer-limit replica 0 0 0"
    ask MODULE LIST | sed -n '/^path$/{n;s/^\/.*/loadmodule "&"/p;}'
  } >"$state/conf"
  # Should there be too little memory for both, it is the second one that the kernel ends.
  (
    echo 1000 2>/dev/null >/proc/self/oom_score_adj
    exec "$program" "$state/conf"
  ) >"$state/log" 2>&1 3<&- </dev/null &
  server=$!
  echo "$server" >"$state/server"
  {
    rm "$state/dump.rdb" && cat <&3
  } >"$state/dump.rdb" &
  feeder=$!
  while alive && [ "$(temporary PING 2>/dev/null)" != PONG ]; do
    pause
  done
  alive && break
  kill "$feeder" 2>/dev/null
  grep -q "in use" "$state/log" || break
done
alive || fail "$program does not load this dump: $(words)"
wait "$feeder" || fail "the dump did not reach $program"
# The dump was loaded for a while, and an application may have come meanwhile.
inform
count
[ "$total" = 0 ] || fail "this server is not empty any more"

: >"$state/begun"
answer=$(printf %s "$secret" | ask -x CONFIG SET masterauth)
[ "$answer" = OK ] || fail "CONFIG SET masterauth: $answer"
answer=$(ask -x CONFIG SET masteruser </dev/null)
[ "$answer" = OK ] || fail "CONFIG SET masteruser: $answer"
answer=$(ask REPLICAOF 127.0.0.1 "$other")
case $answer in OK*) ;; *) fail "REPLICAOF: $answer" ;; esac
keys() {
  printf '%s\n' "$info" | sed -n 's/^\(db[0-9]*:keys=[0-9]*\),.*/\1/p'
}
# It may take as long as something moves.
idle=0
moved=
until inform && [ "$(field master_link_status) $(field master_sync_in_progress) $(field loading)" = "up 0 0" ]; do
  alive || fail "$program ended before its data was taken over: $(words)"
  now="$(keys) $(printf '%s\n' "$info" | grep -e ^master_sync_read_bytes -e ^loading_loaded_bytes)"
  if [ "$now" = "$moved" ]; then
    idle=$((idle + 1))
  else
    idle=0
  fi
  moved=$now
  [ $idle -lt 600 ] || fail "the server does not take over what $program has loaded; its log says why"
  [ "$(temporary INFO stats | tr -d '\r' | sed -n 's/^sync_full://p')" -lt 4 ] ||
    fail "the server began to take over again and again; its log says why"
  pause
done
idle=0
while :; do
  inform
  here=$(keys)
  taken=$info
  info=$(temporary INFO keyspace | tr -d '\r')
  [ "$here" != "$(keys)" ] || break
  idle=$((idle + 1))
  [ $idle -lt 300 ] || fail "the server has not the keys that $program has"
  pause
done
answer=$(ask REPLICAOF NO ONE)
case $answer in OK*) ;; *) fail "REPLICAOF NO ONE: $answer" ;; esac
put_back || fail "CONFIG SET: $answer"
kill -9 "$server"

# What was restored outlives the server's next start.
if [ "$append" = yes ]; then
  while inform && [ "$(field aof_rewrite_in_progress) $(field aof_rewrite_scheduled)" != "0 0" ]; do
    pause
  done
  [ "$(field aof_enabled) $(field aof_last_bgrewrite_status)" = "1 ok" ] ||
    fail "the append-only file could not be written anew; the server's log says why"
elif [ -n "$(setting save)" ] && [ "$(setting repl-diskless-load)" != disabled ]; then
  save
fi
# What is compared with the dump is how it was before anybody could write to it.
printf '%s\n' "$taken" >"$state.done" || exit
trap - EXIT
rm -rf "$state"
