-- Tells the other replicas of the caller, and the caller of them.
--
-- KEYS  1 replicas
-- ARGV  1 holder, 2 what it says of itself (JSON), or '' when it leaves,
--       3 ms after which a silent replica is forgotten
-- Gives {now, holder, JSON, holder, JSON, ...}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
end
local reply = {now}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local seen, said = string.match(all[at + 1], '^(%d+) (.*)$')
  if not seen or now - seen > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[at])
  else
    reply[#reply + 1] = all[at]
    reply[#reply + 1] = said
  end
end
return reply
