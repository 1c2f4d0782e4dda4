# Empties the server, if a dump can be put into it then. What is at work in it already is left alone.
if [ -d "$state" ]; then
  fail "another restore is at work, or was broken off and left $state: restore without replacing first"
fi
inform
single
clear
