-- Converts a part of an older format, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 registrations, 4 progress, 5 marker, 6 and following what only the
--       older format has
-- ARGV  1 the caller's lease, 2 its TTL in ms, by which it is renewed, 3 the sequence number to leave
--       behind, 4 the number of the format with the last part, else ''; then, each as a count of
--       words and the words: entries and their registrations, by turns; entries and their progress
-- Returns 1 when that was done, 0 when the lease is another's.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local at = 5
for n = 3, 4 do
  local words = tonumber(ARGV[at])
  if redis.call('TYPE', KEYS[n]).ok ~= 'hash' then
    redis.call('DEL', KEYS[n])
  end
  if words > 0 then
    redis.call('HSET', KEYS[n], unpack(ARGV, at + 1, at + words))
  end
  if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[n], '', ARGV[4])
  end
  at = at + words + 1
end
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[5], ARGV[4])
  redis.call('UNLINK', unpack(KEYS, 6))
end
return 1
