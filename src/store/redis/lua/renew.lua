-- Renews the caller's own lease.
--
-- KEYS  1 lease
-- ARGV  1 the caller's lease, 2 TTL in ms
-- Returns {1, now} when renewed, {0, now} when the lease is another's or has expired.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return {0, now}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1, now}
