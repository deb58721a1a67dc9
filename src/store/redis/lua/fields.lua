-- Reads fields of a hash, whatever the size of what stands there.
--
-- KEYS  1 hash
-- ARGV  1 bytes of the longest value that is given, then the fields
-- Gives a value for each field, the length of what is longer in its place, nil for none, but ends once the
-- values have 4 MiB; or {} when it is no hash.
local reply, bytes = {}, 0
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  for n = 2, #ARGV do
    local length = redis.call('HSTRLEN', KEYS[1], ARGV[n])
    if length > tonumber(ARGV[1]) then
      reply[n - 1] = length
    else
      reply[n - 1] = redis.call('HGET', KEYS[1], ARGV[n])
      bytes = bytes + length
    end
    if bytes > 4194304 then
      return reply
    end
  end
end
return reply
