printf '%s\n' "$version" | head -n 1
if [ "$generation" = 2 ]; then
  influx bucket list --json
else
  ask json 'SHOW DATABASES'
  # Only an administrator may ask this; others go without what it is for.
  ask json 'SHOW CONTINUOUS QUERIES; SHOW USERS' 2>/dev/null || :
fi
echo tool
influxd version 2>&1 && echo 0 || echo $?
