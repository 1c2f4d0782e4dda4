# Saves in the background and waits for the end of it, for as long as something goes on.
save() {
  inform
  while [ "$(field rdb_bgsave_in_progress)" = 1 ]; do
    pause
    inform
  done
  # The time of the last save is in seconds: ours is to end in a later one.
  before=$(field rdb_last_save_time)
  rounds=0
  while [ "$(date +%s)" -le "$before" ]; do
    [ $rounds -lt 50 ] || fail "the last save was at $before, in the future: is the clock right?"
    rounds=$((rounds + 1))
    pause
  done
  answer=$(ask BGSAVE SCHEDULE)
  case $answer in
    "Background saving "*) ;;
    *) fail "BGSAVE: $answer" ;;
  esac
  idle=0
  while inform && [ "$(field rdb_last_save_time)" = "$before" ]; do
    case $info in
      *rdb_bgsave_in_progress:1* | *aof_rewrite_in_progress:1*) idle=0 ;;
      *) idle=$((idle + 1)) ;;
    esac
    [ $idle -lt 50 ] || fail "BGSAVE did not save (status $(field rdb_last_bgsave_status)); the server's log says why"
    pause
  done
}
