-- Writes which entries are live, and what became of slots whose registration ended; or does nothing at
-- all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 registrations, 7 progress, 8 intents,
--       9 running, 10 marker, 11 outcomes
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 the one to leave behind, 4 the
--       tenure's term, 5 the number of the format with the last part of a change, else ''; then the
--       records (see records.lua); then, each as a count of words and the words: entries and their
--       registrations, by turns; entries and their progress, by turns; entries whose progress is
--       dropped; entries whose intent is dropped; entries of which everything is dropped
-- Returns {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--         {'written', now, head}
if is_lost() then
  return {'lost', now}
end
redis.call('SET', KEYS[2], ARGV[3])
local at = append_all(ARGV[4], 6)
at = write_hash('HSET', KEYS[6], at)
at = write_hash('HSET', KEYS[7], at)
at = write_hash('HDEL', KEYS[7], at)
at = write_hash('HDEL', KEYS[8], at)
for n = 6, #KEYS do
  if n ~= 10 then
    write_hash('HDEL', KEYS[n], at)
  end
end
if ARGV[5] ~= '' then
  -- The seals: without them a hash was evicted or deleted.
  for n = 6, 7 do
    if redis.call('TYPE', KEYS[n]).ok ~= 'hash' then
      redis.call('DEL', KEYS[n])
    end
    redis.call('HSET', KEYS[n], '', ARGV[5])
  end
  redis.call('SET', KEYS[10], ARGV[5])
end
return {'written', now, head}
