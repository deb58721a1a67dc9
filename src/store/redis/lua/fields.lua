-- Reads fields of a hash.
--
-- KEYS  1 hash
-- ARGV  1 how many bytes of a value are given, then the fields
-- Gives a value for each field, '' for none and for what is longer, or {} when it is no hash.
local reply = {}
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  for n = 2, #ARGV do
    local length = redis.call('HSTRLEN', KEYS[1], ARGV[n])
    local fits = length > 0 and length <= tonumber(ARGV[1])
    reply[n - 1] = fits and redis.call('HGET', KEYS[1], ARGV[n]) or ''
  end
end
return reply
