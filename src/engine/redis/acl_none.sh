echo "# users of a Redis or Valkey server, as ACL LIST tells them"
echo "# 0 users"
