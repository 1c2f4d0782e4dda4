# What docker/demo, docker/test, docker/bench and docker/fleet share. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }

# Installs Debian packages, if one of the commands is missing.
need() { # COMMAND=PACKAGE[,PACKAGE]...
  local pair missing=()
  for pair in "$@"; do
    # shellcheck disable=SC2206 # packages are words
    command -v "${pair%%=*}" >/dev/null || missing+=(${pair#*=})
  done
  missing=(${missing[@]//,/ })
  [ ${#missing[@]} -eq 0 ] && return
  say "Installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# `docker compose` where there is one, else the old `docker-compose`.
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

# Waits for a server that answers over TCP: the entrypoint's first one listens on the socket only.
wait_for_postgres() { # CONTAINER
  local tries=300
  until docker exec "$1" pg_isready --quiet --host=127.0.0.1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { docker logs "$1" >&2; echo "PostgreSQL in $1 does not answer" >&2; return 1; }
    sleep 0.2
  done
}

# Where cargo puts what it builds.
target_folder() {
  cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# Every engine's image: ours is ringbolt-spec/NAME:TAG. It is the official one where that can be
# pulled, else it is built from Debian's packages by docker/engines/RECIPE.Dockerfile.
# NAME:TAG      official         suite     recipe    packages
engine_table='
postgres:15     postgres:15      bookworm  postgres  postgresql-15
postgres:17     postgres:17      trixie    postgres  postgresql-17
postgres:18     postgres:18      unstable  postgres  postgresql-18
mariadb:10.11   mariadb:10.11    bookworm  mysql     mariadb-server-core mariadb-client
mariadb:11.8    mariadb:11.8     trixie    mysql     mariadb-server-core mariadb-client
mysql:9.7       mysql:9.7        unstable  mysql     mysql-server-core mysql-client-core
redis:7         redis:7          bookworm  redis     redis-server
redis:8         redis:8          trixie    redis     redis-server
valkey:8        valkey/valkey:8  trixie    redis     valkey-server
influxdb:1.6    influxdb:1.6     bookworm  influxdb  influxdb influxdb-client
sqlite:3.40     -                bookworm  app       sqlite3
app:bookworm    -                bookworm  app
'
engine_row() { awk -v image="$1" '$1 == image' <<<"$engine_table"; } # NAME:TAG
suite_packages() { # SUITE
  awk -v suite="$1" '$3 == suite { for (i = 5; i <= NF; i++) print $i }' <<<"$engine_table" | sort -u | xargs
}

# Makes sure that the images are there. A recipe's digest is a label of what it built: a changed
# recipe builds anew, and nothing else does.
engine_images() { # [NAME:TAG]..., or every one of the table
  local image official suite digest wanted='' builds=() build failed=''
  # shellcheck disable=SC2046 # the names are words
  [ $# -gt 0 ] || set -- $(awk '{ print $1 }' <<<"$engine_table")
  for image in "$@"; do
    [ -n "$(engine_row "$image")" ] || { echo "no image of an engine is called $image" >&2; return 1; }
    read -r _ official suite _ <<<"$(engine_row "$image")"
    digest=$(engine_digest "$image")
    [ "$(built_by "ringbolt-spec/$image")" = "$digest" ] && continue
    if [ "$official" != - ] && pull "$official"; then
      echo "FROM $official" | docker build --quiet --tag "ringbolt-spec/$image" \
        --label "org.ringbolt.recipe=$digest" --label org.ringbolt.spec=image - >/dev/null
    else
      wanted+="$suite $image"$'\n'
    fi
  done
  [ -n "$wanted" ] || return 0
  need mmdebstrap=mmdebstrap
  # Suites at the same time: one waits for the network or the disk while another unpacks.
  for suite in $(awk '{ print $1 }' <<<"$wanted" | sort -u); do
    # shellcheck disable=SC2046 # the names are words
    suite_images "$suite" $(awk -v suite="$suite" '$1 == suite { print $2 }' <<<"$wanted") &
    builds+=($!)
  done
  for build in "${builds[@]}"; do wait "$build" || failed=yes; done
  [ -z "$failed" ] || { echo "not every image could be built" >&2; return 1; }
  prune_images
}

# Builds images from one suite's packages.
suite_images() { # SUITE NAME:TAG...
  local suite=$1 image recipe packages
  shift
  suite_base "$suite"
  for image in "$@"; do
    read -r _ _ _ recipe packages <<<"$(engine_row "$image")"
    say "Building ringbolt-spec/$image from Debian $suite"
    docker build --quiet --tag "ringbolt-spec/$image" --target "${image%:*}" \
      --file "docker/engines/$recipe.Dockerfile" --build-arg "BASE=ringbolt-spec/debian-$suite" \
      --build-arg "NAME=${image%:*}" --build-arg "TAG=${image#*:}" --build-arg "PACKAGES=$packages" \
      --label "org.ringbolt.recipe=$(engine_digest "$image")" --label org.ringbolt.spec=image \
      docker/engines >/dev/null
  done
}

# One import for a suite, with every server that the table wants of it, of which an engine's image
# then keeps its own: bootstrapping takes a minute or two, and there are a dozen images.
suite_base() { # SUITE
  local suite=$1 packages digest
  packages=$(suite_packages "$suite")
  digest=$(suite_digest "$suite")
  [ "$(built_by "ringbolt-spec/debian-$suite")" = "$digest" ] && return
  say "Bootstrapping Debian $suite with $packages"
  # Dated suites of the archive are valid for as long as they are kept. Unless it is told not to,
  # PostgreSQL's package initialises a cluster.
  mmdebstrap --quiet --variant=minbase --include="$packages" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook='mkdir -p "$1"/etc/postgresql-common' \
    --essential-hook='echo "create_main_cluster = false" >"$1"/etc/postgresql-common/createcluster.conf' \
    --customize-hook="echo '$packages' >\"\$1\"/usr/local/share/servers" \
    --customize-hook='install docker/engines/keep-only "$1"/usr/local/sbin/' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/lib/influxdb/* "$1"/var/lib/redis/*' \
    "$suite" - | docker import --change "LABEL org.ringbolt.spec=image" \
    --change "LABEL org.ringbolt.recipe=$digest" - "ringbolt-spec/debian-$suite" >/dev/null
}

# Pulls an official image. Without a registry one attempt decides for all that follow: where the
# network swallows the question instead of refusing it, each would cost half a minute.
registry=unknown
pull() { # IMAGE
  [ "$registry" != absent ] || return 1
  if timeout 300 docker pull --quiet "$1" >/dev/null 2>&1; then
    registry=present
    return
  fi
  [ "$registry" = present ] || registry=absent
  return 1
}

suite_digest() { # SUITE
  { suite_packages "$1"; cat docker/engines/keep-only; declare -f suite_base; } | sha256sum | cut -c1-16
}
engine_digest() { # NAME:TAG
  local recipe suite
  read -r _ _ suite recipe _ <<<"$(engine_row "$1")"
  { engine_row "$1"; suite_digest "$suite"; cat docker/engines/"$recipe".*; declare -f suite_images; } |
    sha256sum | cut -c1-16
}
built_by() { # IMAGE
  docker image inspect --format '{{index .Config.Labels "org.ringbolt.recipe"}}' "$1" 2>/dev/null || true
}

# Removes the images of ours that a newer build has taken the name of.
prune_images() { docker image prune --force --filter label=org.ringbolt.spec=image >/dev/null; }

# Builds the sidecar's image: one static binary on nothing.
sidecar_image() {
  say "Building ringbolt:local"
  need cc=gcc,libc6-dev
  local host folder
  host=$(rustc -vV | sed -n 's/^host: //p')
  folder=$(target_folder)
  RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target "$host"
  rm -rf "$folder/image" && mkdir -p "$folder/image/backups"
  cp "$folder/$host/release/ringbolt" "$folder/image/ringbolt"
  docker build --quiet --tag ringbolt:local --label org.ringbolt.spec=image \
    --file docker/Dockerfile "$folder/image" >/dev/null
  prune_images
}
