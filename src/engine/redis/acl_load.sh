# Makes the users that standard input lists, but for `default`, whom everybody may be just now.
lines=$(sed -n 's/^user //p' | sed '/^default /d; s/\\/\\\\/g; s/"/\\"/g; s/ /" "/g; s/.*/ACL SETUSER "&"/')
[ -n "$lines" ] || exit 0
answers=$(printf '%s\n' "$lines" | ask)
made=$(printf '%s\n' "$answers" | grep -c '^OK$')
if [ "$made" != "$(printf '%s\n' "$lines" | wc -l | tr -d ' ')" ]; then
  printf '%s\n' "$answers" | grep -v -e '^OK$' -e '^$' >&2
  exit 1
fi
# Users of a file are kept there; others live as long as the server, unless its owner writes them down.
if [ -n "$(setting aclfile)" ]; then
  answer=$(ask ACL SAVE)
  [ "$answer" = OK ] || fail "ACL SAVE: $answer"
fi
