-- Everything that a restore must bring back. Runs on every version; what a version does not know is left out.
local function try(...) return redis.pcall(...) end
redis.call('SELECT', 0)
redis.call('SET', 'number', '12345')
redis.call('SET', 'small', '-7')
redis.call('SET', 'wide', '2147483647')
redis.call('SET', 'long', '9223372036854775807')
redis.call('SET', 'empty', '')
redis.call('SET', '😀 emoji', 'Grüße, 世界 🚀')
redis.call('SET', 'a "quoted" \n name', 'line\r\nbreaks\0and nulls')
redis.call('SET', '', 'the key without a name')
local every = {}
for byte = 0, 255 do every[#every + 1] = string.char(byte) end
redis.call('SET', table.concat(every), table.concat(every))
for byte = 0, 255 do redis.call('SET', 'byte' .. string.char(byte), string.char(byte, 255 - byte)) end
redis.call('SET', 'squeezed', string.rep('the same again ', 350000))
redis.call('SETBIT', 'bits', 100000, 1)
redis.call('PFADD', 'loglog', 'a', 'b', 'c')
redis.call('SET', 'expires', 'in 2100', 'PXAT', '4102444800123')
redis.call('RPUSH', 'gone soon', 'x')
redis.call('PEXPIRE', 'gone soon', 1)
redis.call('RPUSH', 'list small', 'a', '1', '-300', '70000', '', string.rep('x', 100))
for from = 1, 100000, 1000 do
  local items = {}
  for number = from, from + 999 do items[#items + 1] = 'element ' .. number end
  redis.call('RPUSH', 'list big', unpack(items))
end
redis.call('RPUSH', 'list fat', string.rep('f', 20000), 'thin', string.rep('g', 300000))
redis.call('SADD', 'set numbers', 1, -2, 300000, '9223372036854775807')
redis.call('SADD', 'set small', 'a', 'b', '3')
for number = 1, 2000 do redis.call('SADD', 'set big', 'member ' .. number) end
redis.call('ZADD', 'sorted small', '1.5', 'a', '-inf', 'b', '+inf', 'c', '0', 'd')
for number = 1, 2000 do redis.call('ZADD', 'sorted big', number / 7, 'member ' .. number) end
redis.call('GEOADD', 'places', '13.361389', '38.115556', 'Palermo')
redis.call('HSET', 'hash small', 'field', 'value', 'n', '5')
for number = 1, 2000 do redis.call('HSET', 'hash big', 'field ' .. number, number) end
for number = 1, 500 do redis.call('XADD', 'stream', number .. '-1', 'kind', 'k' .. number % 3, 'n', number) end
redis.call('XDEL', 'stream', '7-1')
redis.call('XGROUP', 'CREATE', 'stream', 'readers', '0')
redis.call('XGROUP', 'CREATE', 'stream', 'idle', '$')
redis.call('XREADGROUP', 'GROUP', 'readers', 'first', 'COUNT', '10', 'STREAMS', 'stream', '>')
redis.call('XREADGROUP', 'GROUP', 'readers', 'second', 'COUNT', '10', 'STREAMS', 'stream', '>')
redis.call('XACK', 'stream', 'readers', '3-1', '12-1')
redis.call('XGROUP', 'CREATE', 'stream empty', 'g', '0', 'MKSTREAM')
redis.call('SELECT', 3)
for number = 1, 300 do redis.call('SET', 'key ' .. number, string.rep('v', number)) end
redis.call('SELECT', 15)
redis.call('SET', 'expires alone', 1, 'PXAT', '4102444800000')
redis.call('SELECT', 5)
redis.call('HSET', 'fields fade', 'a', '1', 'b', '2')
try('HPEXPIREAT', 'fields fade', '4102444800000', 'FIELDS', '1', 'a')
for number = 1, 1000 do redis.call('HSET', 'fields fade big', number, string.rep('w', 10)) end
try('HPEXPIREAT', 'fields fade big', '4102444800000', 'FIELDS', '2', '3', '9')
return 'seeded'
