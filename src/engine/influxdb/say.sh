# Every argument is a statement, for InfluxDB 1.x.
for statement; do
  ask csv "$statement"
done
