# Also after a restore that went well, if what it brought is not what was dumped.
if [ -d "$state" ]; then
  undo
elif [ -e "$state.done" ]; then
  clear
  rm -f "$state.done"
fi
