# Whether a dump can be put into this server: one by itself, that nobody else rules. Behind `inform`.
single() {
  [ "$(field cluster_enabled)" != 1 ] ||
    fail "this is a node of a cluster: a dump is put back into a single server, and its keys into a cluster by 'redis-cli --cluster import'"
  [ "$(field role)" = master ] || fail "this is a replica of $(field master_host): restore into the master"
  case $(ask CLIENT LIST) in
    *" name=sentinel-"*) fail "Sentinel watches this server, and would take it for a failed master: take it out first" ;;
  esac
}
