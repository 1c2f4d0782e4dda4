# $1: a database as a field of CSV. A restore makes it; what is there is not touched.
[ "$generation" = 1 ] || exit 0
if ask csv 'SHOW DATABASES' | grep -qxF -- "databases,$1"; then
  echo "database $1 is there already" >&2
  exit 1
fi
