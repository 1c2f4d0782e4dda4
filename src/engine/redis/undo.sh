# What a restore leaves behind when it does not end well, and how that is taken back. Its place has a fixed
# name, so that it is found by whoever comes next.
state=/tmp/ringbolt-restore
[ -w /tmp ] || state=/dev/shm/ringbolt-restore
server=
# Whether the target's credentials for its master are its own again.
put_back() {
  for name in masterauth masteruser; do
    answer=$(ask -x CONFIG SET $name <"$state/$name")
    [ "$answer" = OK ] || return 1
  done
}
# The target is empty again.
clear() {
  answer=$(ask FLUSHALL ASYNC)
  [ "$answer" = OK ] || fail "FLUSHALL: $answer"
  ask FUNCTION FLUSH ASYNC >/dev/null
}
# The target is a master of its own again, and as empty as it was. While it loads, it refuses to be.
undo() {
  # Whoever ends this command ends all of it; this part must not be ended halfway.
  trap '' HUP INT TERM
  # Whoever comes later knows our second server by where it works: its number may be another's by now.
  if [ -z "$server" ] && read -r server 2>/dev/null <"$state/server"; then
    [ "$(readlink "/proc/$server/cwd")" = "$state" ] || server=
  fi
  [ -z "$server" ] || kill -9 "$server" 2>/dev/null
  if [ -e "$state/begun" ]; then
    patience=600
    until answer=$(ask REPLICAOF NO ONE) && case $answer in OK*) true ;; *) false ;; esac; do
      patience=$((patience - 1))
      [ $patience -gt 0 ] || fail "REPLICAOF NO ONE: $answer"
      pause
    done
    put_back || fail "CONFIG SET masterauth: $answer"
    clear
  fi
  rm -rf "$state"
}
