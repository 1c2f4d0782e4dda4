# Gives the restored file $1 its owner $3, its mode $4 and its name $2, which nobody has taken meanwhile.
export LC_ALL=C
rm -f "$1-wal" "$1-shm" "$1-journal"
# The workload may write into this folder: nothing that it puts here leads us elsewhere.
[ ! -L "$1" ] || { echo "$1 has become a link" >&2; exit 1; }
# Others than root own what they make, and can give nothing away.
[ -z "$3" ] || [ "$(id -u)" != 0 ] || chown -h "$3" "$1" || exit
[ -z "$4" ] || chmod "$4" "$1" || exit
sync "$1"
# Unlike `mv`, this never replaces a file.
ln "$1" "$2" || exit
rm -f "$1"
folder=${2%/*}
sync "${folder:-/}"
