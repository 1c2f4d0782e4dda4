#!/bin/sh
# The entrypoint of the Redis and Valkey images that are built where the official ones cannot be
# pulled. As there, what follows the image's name goes to the server, with or without its name.
# Unlike there, an image of Valkey has no redis-* names for its tools.
#
# Ready when: `redis-cli ping` (`valkey-cli ping`) ends with 0; it does so, too, when a password is
# required. There is no first, temporary server.
set -eu

if command -v valkey-server >/dev/null; then name=valkey; else name=redis; fi
case "${1:-}" in -* | *.conf) set -- "$name-server" "$@" ;; esac
if [ "${1:-}" != "$name-server" ]; then
  exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
  find . ! -user "$name" -exec chown "$name:$name" {} +
  exec setpriv --reuid="$name" --regid="$name" --init-groups "$0" "$@"
fi

# The official images' servers are built with the protected mode off: without a password they
# answer other containers. Who names the setting, as an argument or in a file, has the last word.
[ -f "${2:-}" ] && file=$2 || file=/dev/null
if ! { printf '%s\n' "$@"; cat "$file"; } | grep -q -i -E '^(--)?protected-mode'; then
  set -- "$@" --protected-mode no
fi
umask 0077
exec "$@"
