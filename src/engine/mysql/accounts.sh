# Dumps accounts. The SQL in $QUESTIONS makes the statements that show them.
# shellcheck shell=sh disable=SC2154
questions=$(printf '%s' "$QUESTIONS" | ask "$@") || exit
answers=$(printf '%s\n' "$questions" | ask "$@") || exit
echo '-- Ringbolt: accounts and their rights'
printf '%s\n' "$answers" | while IFS= read -r line; do
  case $line in
    '-- '*) account=$line; printf '%s\n' "$line";;
    CREATE\ *|ALTER\ *|GRANT\ *|REVOKE\ *|SET\ *) printf '%s;\n' "$line";;
    # Nothing of the line itself: a hash may have been broken over it.
    *) echo "an account is shown in a way that is not known, behind: $account" >&2; exit 1;;
  esac
done || exit
echo '-- Ringbolt: accounts complete'
