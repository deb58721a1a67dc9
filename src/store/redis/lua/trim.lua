-- Drops the oldest records and keeps the last outcomes of their entries, or does nothing at all.
--
-- KEYS  1 lease, 2 outcomes, 3 head, 4 journal, 5 counters
-- ARGV  1 the caller's lease, 2 the id of the oldest record, 3 the id of the oldest that stays, 4 how
--       many words follow: entries and their outcomes, by turns
-- Returns 1 when that was done, 0 when the lease is another's, the journal is lost or its oldest record is
-- not that one.
local WORDS_AT_ONCE = 1000

if is_lost() or redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local oldest = redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', 1)
if not oldest[1] or oldest[1][1] ~= ARGV[2] then
  return 0
end
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then
  redis.call('DEL', KEYS[2])
end
for at = 5, 4 + ARGV[4], WORDS_AT_ONCE do
  local last = math.min(at + WORDS_AT_ONCE - 1, 4 + ARGV[4])
  redis.call('HSET', KEYS[2], unpack(ARGV, at, last))
end
redis.call('XTRIM', KEYS[4], 'MINID', '=', ARGV[3])
return 1
