-- Everything in a server by value, one fact in a line: two servers may keep the same value differently.
local function hex(text) return (text:gsub('[^%w ]', function(c) return string.format('%%%02x', c:byte()) end)) end
local function flat(value)
  if type(value) ~= 'table' then return #tostring(value) .. ':' .. tostring(value) end
  local parts = {}
  for _, part in ipairs(value) do parts[#parts + 1] = flat(part) end
  return '[' .. table.concat(parts, ',') .. ']'
end
local function pairs_sorted(list)
  local rows = {}
  for at = 1, #list, 2 do rows[#rows + 1] = flat({ list[at], list[at + 1] }) end
  table.sort(rows)
  return rows
end
local function sorted(list) table.sort(list) return list end
local function stream(key)
  local parts = { redis.call('XRANGE', key, '-', '+') }
  local whole = redis.call('XINFO', 'STREAM', key)
  for at = 1, #whole, 2 do
    local name = whole[at]
    if name ~= 'radix-tree-keys' and name ~= 'radix-tree-nodes' then parts[#parts + 1] = flat({ name, whole[at + 1] }) end
  end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    parts[#parts + 1] = flat(group)
    for _, entry in ipairs(redis.call('XPENDING', key, group[2], '-', '+', 1000)) do
      parts[#parts + 1] = flat({ entry[1], entry[2], entry[4] })
    end
  end
  return parts
end
local read = {
  string = function(key) return redis.call('GET', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return sorted(redis.call('SMEMBERS', key)) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  hash = function(key) return pairs_sorted(redis.call('HGETALL', key)) end,
  stream = stream,
}
local facts = {}
for database = 0, 15 do
  redis.call('SELECT', database)
  for _, key in ipairs(sorted(redis.call('KEYS', '*'))) do
    local kind = redis.call('TYPE', key).ok
    local expiry = redis.call('PEXPIRETIME', key)
    local fields = ''
    if kind == 'hash' and redis.call('HLEN', key) < 3000 then
      local names = sorted(redis.call('HKEYS', key))
      local times = redis.pcall('HPEXPIRETIME', key, 'FIELDS', #names, unpack(names))
      if not times.err then fields = redis.sha1hex(flat(times)) end
    end
    local line = { database, hex(key), kind, expiry, redis.sha1hex(flat(read[kind](key))), fields }
    facts[#facts + 1] = table.concat(line, ' '):sub(1, 600)
  end
end
return facts
