-- Takes the lease if nobody holds it.
--
-- KEYS  1 lease, 2 term, 3 marker
-- ARGV  1 holder, 2 TTL in ms, 3 '1' when the caller may lead a namespace without a marker
-- Gives {'acquired', now, term}
--       {'held', now, lease, ms until it can expire}
--       {'unmarked', now}  nobody leads and nothing is known here: wait a TTL for somebody who
--                          remembers, then ask again with '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('GET', KEYS[1])
if lease then
  return {'held', now, lease, redis.call('PTTL', KEYS[1])}
end
if ARGV[3] ~= '1' and redis.call('EXISTS', KEYS[3]) == 0 then
  return {'unmarked', now}
end
local term = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], term .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {'acquired', now, term}
