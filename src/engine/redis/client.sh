# What every script begins with: the client, and `ask`, which talks to the server. $1 is the user, or empty.
# A client prints an error where an answer would be, and calls it a success; so whoever asks looks at the
# answer's shape.
export LC_ALL=C
user=$1
port=${REDIS_PORT_NUMBER:-${VALKEY_PORT_NUMBER:-6379}}
if command -v redis-cli >/dev/null; then
  client=redis-cli
elif command -v valkey-cli >/dev/null; then
  client=valkey-cli
else
  echo "neither redis-cli nor valkey-cli is there" >&2
  exit 127
fi
ask() {
  if [ -n "$user" ]; then
    "$client" -p "$port" --user "$user" "$@"
  else
    "$client" -p "$port" "$@"
  fi
}
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}
pause() {
  sleep 0.2 2>/dev/null || sleep 1
}
# Asks for INFO and keeps it in $info.
inform() {
  info=$(ask INFO) || exit
  case $info in
    *redis_version:*"# Keyspace"*) info=$(printf '%s\n' "$info" | tr -d '\r') ;;
    *) fail "$info" ;;
  esac
}
# One value of $info.
field() {
  printf '%s\n' "$info" | sed -n "s/^$1://p"
}
# A setting's value; nothing if it may not be read.
setting() {
  ask CONFIG GET "$1" | sed -n "1{/^$1\$/!q;};2p"
}
# How many keys and libraries of functions there are.
count() {
  total=0
  for number in $(printf '%s\n' "$info" | sed -n 's/^db[0-9]*:keys=\([0-9]*\),.*/\1/p; s/^number_of_libraries://p'); do
    total=$((total + number))
  done
}
