# $1: the database.
make_folder
if [ "$generation" = 2 ]; then
  loudly influx backup --bucket "$1" "$folder/backup"
else
  loudly influxd backup -portable -host "127.0.0.1:${rpc##*:}" -db "$1" "$folder/backup"
fi
# A tar that ends where its end mark does, and not at the end of a tape's record.
case $(tar --version 2>&1) in
  *GNU* | *bsdtar*) record='-b 1' ;;
  *) record= ;;
esac
cd "$folder/backup"
tar -c $record -f - -- *
