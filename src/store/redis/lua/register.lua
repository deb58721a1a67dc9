-- Writes which entries are live, and what became of slots whose registration ended; or does nothing at
-- all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 registrations, 7 progress, 8 intents,
--       9 running, 10 marker
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 the one to leave behind, 4 the
--       tenure's term, 5 the number of the format with the last part of a change, else ''; then the
--       records (see records.lua); then, each as a count of words and the words: entries and their
--       registrations, by turns; entries and their progress, by turns; entries whose progress is
--       dropped; entries whose intent is dropped; entries of which everything is dropped
-- Gives {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--       {'written', now, head}
if is_lost then
  return {'lost', now}
end
redis.call('SET', KEYS[2], ARGV[3])
local at = append_all(ARGV[4], 6)
local registrations, progress, unsettled, undoubted, forgotten
registrations, at = read_list(at)
progress, at = read_list(at)
unsettled, at = read_list(at)
undoubted, at = read_list(at)
forgotten, at = read_list(at)
write_hash('HSET', KEYS[6], registrations)
write_hash('HSET', KEYS[7], progress)
write_hash('HDEL', KEYS[7], unsettled)
write_hash('HDEL', KEYS[8], undoubted)
for n = 6, 9 do
  write_hash('HDEL', KEYS[n], forgotten)
end
if ARGV[5] ~= '' then
  -- The seals: without them a hash was evicted or deleted.
  write_hash('HSET', KEYS[6], {'', ARGV[5]})
  write_hash('HSET', KEYS[7], {'', ARGV[5]})
  redis.call('SET', KEYS[10], ARGV[5])
end
return {'written', now, head}
