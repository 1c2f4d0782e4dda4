inform
count
echo "$total"
