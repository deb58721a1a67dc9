-- Ends the script, before anything is written, if its caller may not write; precedes what
-- only a leader does.
--
-- KEYS  1 lease, 2 sequence
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote
-- Returns {'fenced', now} or {'stale', now}, or leaves `now`, the server's time in UTC ms.
-- Reads no more of a value than needed, because one that is not ours may be large.

-- No slot may be further ahead of the server's clock.
local MAX_AHEAD_MS = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] then
  return {'fenced', now}
end
-- Anything that is not a number of ours counts as 0, for readers as well.
local sequence = redis.pcall('GETRANGE', KEYS[2], 0, 18)
if type(sequence) ~= 'string' or #sequence > 18 or not string.find(sequence, '^[1-9]%d*$') then
  sequence = '0'
end
if sequence ~= ARGV[2] then
  return {'stale', now}
end

