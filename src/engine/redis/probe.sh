"$client" --version 2>/dev/null || "$client" --version 2>&1
echo $?
inform
section() {
  printf '\n-- ringbolt: %s\n' "$1"
}
section info
printf '%s\n' "$info"
for name in rdbchecksum save; do
  section "$name"
  ask CONFIG GET "$name"
done
section users
ask ACL LIST | while read -r word name _; do
  [ "$word" != user ] || printf '%s\n' "$name"
done
