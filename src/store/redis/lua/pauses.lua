-- Reads the version of the pauses. Whoever reads the pauses after that may find newer ones, and then
-- what they send is refused, never let through.
--
-- KEYS  1 revision
-- Returns {now, revision, version}
local time = redis.call('TIME')
local revision, version = read_mark(KEYS[1])
return {time[1] * 1000 + math.floor(time[2] / 1000), revision, version}
