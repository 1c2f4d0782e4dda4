# What the server held when a restore had filled it and nobody could write to it yet.
if [ -e "$state.done" ]; then
  cat "$state.done"
else
  inform
  printf '%s\n' "$info"
fi
