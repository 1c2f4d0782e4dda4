# What is in a database: measurements ($1 asks), retention policies ($2) but the one that every database
# is made with, and continuous queries, whose lines begin with $3.
if [ "$generation" = 2 ]; then
  # `influx restore` wants a bucket that is not there, empty or not.
  echo 1
  exit
fi
measurements=$(ask csv "$1")
policies=$(ask csv "$2")
queries=$(ask csv 'SHOW CONTINUOUS QUERIES')
{
  printf '%s\n' "$measurements" | sed 1d
  printf '%s\n' "$policies" | sed 1d | grep -v '^autogen,0s,' || :
  printf '%s\n' "$queries" | while IFS= read -r line; do
    case $line in "$3,"*) printf '%s\n' "$line" ;; esac
  done
} | wc -l
