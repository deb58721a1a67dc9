-- Records what carriers did, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 running, 7 intents
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 the tenure's term; then the records (see records.lua); then, each as a count of words and
--       the words: entries that are no longer uncertain; entries and the ids of their tasks, by turns, of
--       those that do not overlap with themselves
-- Returns {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--         {'written', now, head}
if is_lost() then
  return {'lost', now}
end
redis.call('SET', KEYS[2], ARGV[3])
local at = append_all(ARGV[4], 5)
at = write_hash('HDEL', KEYS[7], at)
local running = {}
for n = at + 1, at + ARGV[at], 2 do
  running[#running + 1] = ARGV[n]
  running[#running + 1] = string.format('%.0f', now) .. ' ' .. ARGV[n + 1]
end
if #running > 0 then
  if redis.call('TYPE', KEYS[6]).ok ~= 'hash' then
    redis.call('DEL', KEYS[6])
  end
  redis.call('HSET', KEYS[6], unpack(running))
end
return {'written', now, head}
