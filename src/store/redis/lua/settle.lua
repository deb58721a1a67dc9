-- Records what carriers did, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 running, 7 intents
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 the tenure's term; then the records (see records.lua); then, each as a count of words and
--       the words: entries that are in doubt no more; entries and the ids of their tasks, by turns, of
--       those that do not overlap with themselves
-- Gives {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--       {'written', now, head}
if is_lost then
  return {'lost', now}
end
redis.call('SET', KEYS[2], ARGV[3])
local at = append_all(ARGV[4], 5)
local undoubted, running
undoubted, at = read_list(at)
running, at = read_list(at)
for n = 2, #running, 2 do
  running[n] = string.format('%.0f', now) .. ' ' .. running[n]
end
write_hash('HDEL', KEYS[7], undoubted)
write_hash('HSET', KEYS[6], running)
return {'written', now, head}
