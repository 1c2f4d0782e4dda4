users=$(ask ACL LIST) || exit
case $users in
  "user "*) ;;
  *) fail "ACL LIST: $users" ;;
esac
echo "# users of a Redis or Valkey server, as ACL LIST tells them"
printf '%s\n' "$users"
echo "# $(printf '%s\n' "$users" | wc -l | tr -d ' ') users"
