-- Reads everything but the hashes and the journal, as of one instant.
--
-- KEYS  1 sequence, 2 marker, 3 folded, 4 head
-- Returns {now, sequence, marker, folded, head}: of the texts the first bytes, '' where there is none, or a
-- type in brackets
local time = redis.call('TIME')
local reply = {time[1] * 1000 + math.floor(time[2] / 1000)}
for n = 1, 4 do
  local found = redis.call('TYPE', KEYS[n]).ok
  if found == 'string' then
    reply[n + 1] = redis.call('GETRANGE', KEYS[n], 0, 79)
  else
    reply[n + 1] = found == 'none' and '' or '(' .. found .. ')'
  end
end
return reply
