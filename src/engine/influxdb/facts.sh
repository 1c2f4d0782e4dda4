# Counts the shards that answer and have data. `influxd restore` does not wait for the server, which
# takes them in after it has ended: so they are waited for, as many as there must be ($2). What names
# the database in the server's answer is $1.
if [ "$generation" = 2 ]; then
  exit
fi
rounds=0
while :; do
  statistics=$(ask json "SHOW STATS FOR 'tsm1_filestore'")
  shards=$(printf '%s\n' "$statistics" | sed 's/"name":"tsm1_filestore"/\
/g' | grep -F -- "$1" | grep -v ',0]]' | wc -l)
  if [ "$shards" -ge "$2" ] || [ "$rounds" -ge 600 ]; then
    break
  fi
  rounds=$((rounds + 1))
  sleep 1
done
echo "$shards"
