# $1: the database, $2: the statement that removes it.
if [ "$generation" = 2 ]; then
  influx bucket delete --name "$1"
else
  ask csv "$2"
fi
