# Asks the tool for its version, then the server what everybody may know, then what only some may.
# shellcheck shell=sh disable=SC2154
tool=$(first mariadb-dump mysqldump) || tool=$0
"$tool" --no-defaults --version 2>/dev/null || "$tool" --no-defaults --version 2>&1; echo $?
strict='' lenient='' part=strict
while IFS= read -r line; do
  case $part$line in
    'strict-- next') part=lenient;;
    strict*) strict="$strict$line
";;
    *) lenient="$lenient$line
";;
  esac
done
echo '-- next'
printf '%s' "$strict" | ask "$@" || exit
echo '-- next'
printf '%s' "$lenient" | ask "$@" 2>/dev/null || true
