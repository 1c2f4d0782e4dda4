printf '%s: there is no such file in the container\n' "$1" >&2
exit 1
