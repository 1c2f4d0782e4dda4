rm -f "$state.done"
