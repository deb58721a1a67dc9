-- Reads fields of a hash, whatever their size.
--
-- KEYS  1 hash
-- ARGV  1 bytes of the longest value that is given, then the fields
-- Returns a value for each field, or the length of a longer one, or nil if there is none; ends early once the
-- values exceed 4 MiB. Returns {} when it is no hash.
local longest, reply, bytes = tonumber(ARGV[1]), {}, 0
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  for n = 2, #ARGV do
    local length = redis.call('HSTRLEN', KEYS[1], ARGV[n])
    if length > longest then
      reply[n - 1] = length
    else
      reply[n - 1] = redis.call('HGET', KEYS[1], ARGV[n])
      bytes = bytes + length
    end
    if bytes > MAX_BYTES then
      return reply
    end
  end
end
return reply
