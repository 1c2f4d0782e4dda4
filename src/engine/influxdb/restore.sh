# $1: the dumped database, $2: its new name, and this as an identifier ($3) and as a field of CSV ($4).
make_folder
tar -xf - -C "$folder/backup"
if [ "$generation" = 2 ]; then
  loudly influx restore --bucket "$1" --new-bucket "$2" "$folder/backup"
  exit
fi
identifier() { # A field of CSV as an identifier.
  case $1 in
    '"'*) name=$(printf %s "$1" | sed 's/^"//; s/"$//; s/""/"/g') ;;
    *) name=$1 ;;
  esac
  printf '"%s"' "$(printf %s "$name" | sed 's/[\\"]/\\&/g')"
}
grant() {
  while IFS= read -r line; do
    ask csv "$line" </dev/null
  done <"$folder/grants"
}
: >"$folder/grants"
if ask csv 'SHOW DATABASES' | grep -qxF -- "databases,$4"; then
  # Only a database that is not there can be restored. This one is there and empty, so it is dropped;
  # with it goes what users may do in it, which is said again at the end.
  ask csv 'SHOW USERS' >"$folder/users"
  sed 1d "$folder/users" | while IFS= read -r line; do
    user=$(identifier "${line%,*}")
    ask csv "SHOW GRANTS FOR $user" >"$folder/may"
    sed 1d "$folder/may" | while IFS= read -r line; do
      case $line in
        "$4,NO PRIVILEGES") ;;
        "$4,"*) printf 'GRANT %s ON %s TO %s\n' "${line##*,}" "$3" "$user" ;;
      esac
    done
  done >"$folder/grants"
  [ "$(ask csv "SHOW MEASUREMENTS ON $3" | sed 1d | wc -l)" -eq 0 ] || {
    echo "database $4 is not empty any more" >&2
    exit 1
  }
  ask csv "DROP DATABASE $3"
  # What was there and empty is so again if the restore fails, with those who may use it.
  put_back() {
    ask csv "CREATE DATABASE $3" && grant
  } >/dev/null
  trap 'code=$?; [ $code -eq 0 ] || put_back "$@" || :; rm -rf "$folder"' EXIT
fi
restored() { influxd restore -portable -host "127.0.0.1:${rpc##*:}" -db "$1" -newdb "$2" "$folder/backup"; }
set -- "$@" "$folder"/backup/*.tar.gz
if [ -e "$5" ]; then
  loudly restored "$1" "$2"
else
  # Without shards, `influxd restore` calls what it has done a failure.
  restored "$1" "$2" >"$folder/said" 2>&1 || ask csv 'SHOW DATABASES' | grep -qxF -- "databases,$4" || {
    cat "$folder/said" >&2
    exit 1
  }
fi
grant
