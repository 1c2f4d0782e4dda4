# Which InfluxDB this is, and where its own environment has put it.
set -eu
export LC_ALL=C
version=$(influxd version 2>/dev/null || influx -version 2>/dev/null || influx version)
case $version in
  *'InfluxDB v2'* | *'InfluxDB 2'* | *'Influx CLI'*) generation=2 ;;
  *) generation=1 ;;
esac

rpc=${INFLUXDB_BIND_ADDRESS:-127.0.0.1:8088}
http=${INFLUXDB_HTTP_BIND_ADDRESS:-:8086}
host=${http%:*}
case $host in '' | 0.0.0.0 | '[::]') host=127.0.0.1 ;; esac
case ${INFLUXDB_HTTP_HTTPS_ENABLED:-} in
  [Tt]* | 1) encrypted='-ssl -unsafeSsl' ;;
  *) encrypted= ;;
esac

# ask FORMAT QUERY: for InfluxDB 1.x.
ask() { influx -host "$host" -port "${http##*:}" $encrypted -format "$1" -execute "$2"; }

# loudly COMMAND...: what it says is told only if it fails.
loudly() {
  "$@" >"$folder/said" 2>&1 || {
    code=$?
    cat "$folder/said" >&2
    exit "$code"
  }
}

# A folder that is gone when the script ends, and those that killed scripts have left behind.
make_folder() {
  base=${TMPDIR:-/tmp}
  for old in "$base"/ringbolt-influxdb.*; do
    process=${old#"$base"/ringbolt-influxdb.}
    [ ! -d "$old" ] || [ -d "/proc/${process%%.*}" ] || rm -rf "$old"
  done
  folder=$(mktemp -d "$base/ringbolt-influxdb.$$.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 143' HUP INT TERM
  mkdir "$folder/backup"
}
