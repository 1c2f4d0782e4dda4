# What docker/demo, docker/test and docker/bench share. Sourced, not run.
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

# Makes sure that an image of PostgreSQL is there: the official one where it can be pulled, else one
# from Debian's packages. The recipe's digest is a label, so a changed recipe builds anew.
postgres_image() { # MAJOR SUITE
  local major=$1 suite=$2 image=ringbolt-spec/postgres:$1 base=ringbolt-spec/debian-postgres:$1 recipe
  recipe=$({ cat docker/engines/postgres.*; declare -f postgres_image; } | sha256sum | cut -c1-16)
  if [ "$(docker image inspect --format '{{index .Config.Labels "org.ringbolt.recipe"}}' "$image" 2>/dev/null)" = "$recipe" ]; then
    return
  fi
  if timeout 300 docker pull --quiet "postgres:$major" >/dev/null 2>&1; then
    echo "FROM postgres:$major" | docker build --quiet --tag "$image" --label "org.ringbolt.recipe=$recipe" \
      --label org.ringbolt.spec=image - >/dev/null
    return
  fi
  say "Building $image from Debian $suite"
  need mmdebstrap=mmdebstrap
  # Dated suites of the archive are valid for as long as they are kept.
  mmdebstrap --quiet --variant=minbase --include="postgresql-$major" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -rf "$1"/var/lib/postgresql/* "$1"/var/lib/apt/lists/*' \
    "$suite" - | docker import --change "LABEL org.ringbolt.spec=image" - "$base" >/dev/null
  docker build --quiet --tag "$image" --file docker/engines/postgres.Dockerfile \
    --build-arg BASE="$base" --build-arg MAJOR="$major" \
    --label "org.ringbolt.recipe=$recipe" --label org.ringbolt.spec=image docker/engines >/dev/null
  prune_images
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
