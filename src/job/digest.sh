# Runs "$@", passes on what it writes, and says in the last line on stderr what `sha256sum` makes of it. Its exit
# code is that of "$@".
#
# No file is made, so none is left behind whoever is killed: `tee` opens the pipe to `sha256sum` by its number.
# Docker's own pipe could not be opened so, it belongs to root; this one belongs to the command's user.
for tool in tee sha256sum; do
  command -v $tool >/dev/null || { echo "the image has no \`$tool\`" >&2; exit 1; }
done
exec 3>&1
said=$({
  {
    { "$@" 3>&- 4>&- 5>&-; echo "exit=$?" >&4; } | tee /proc/self/fd/5 >&3 3>&- || echo "tee=$?" >&4
  } 5>&1 | sha256sum >&4
} 4>&1)
code=${said##*exit=}
code=${code%%[!0-9]*}
[ "${code:-1}" = 0 ] || exit "${code:-1}"
case $said in
  *tee=*) echo "\`tee\` could not pass all of it on" >&2; exit 1 ;;
esac
sum=${said%%"  "*}
printf '\nringbolt-sha256: %s\n' "${sum##*[!0-9a-f]}" >&2
