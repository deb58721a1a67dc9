-- Ends the script, before anything is written, if its caller may not write; stands in front of what
-- only a leader does.
--
-- KEYS  1 lease, 2 sequence
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote
-- Leaves `now`, the server's time in UTC ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'fenced', now}
end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then
  return {'stale', now}
end

