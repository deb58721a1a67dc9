-- Notes what becomes of a manual message that a carrier takes; nobody's tenure or sequence matters.
--
-- KEYS  1, 2 nothing, 3 head, 4 journal, 5 counters, 6 how far the run has come, 7 where it is about to go on
-- ARGV  1 'intended', 'published' or 'not published', 2 the message's place in its run, 3 for how many
--       seconds that is remembered once it is published, 4 for how many while it is intended, 5 its queue,
--       6 its line, 7 its counter's field
-- Gives 'noted'; or 'already' (published before) or 'busy' (somebody else intends to): nothing was done
local before = redis.pcall('GET', KEYS[6])
before = type(before) == 'string' and #before <= 15 and string.match(before, '^%d+$')
if before and tonumber(before) >= tonumber(ARGV[2]) then
  return 'already'
end
if ARGV[1] == 'intended' then
  -- What lasts longer is none of ours.
  local left = redis.call('PTTL', KEYS[7])
  if left > 0 and left <= ARGV[4] * 1000 then
    return 'busy'
  end
  redis.call('SET', KEYS[7], ARGV[2], 'EX', ARGV[4])
elseif ARGV[1] == 'published' then
  -- The first write: refused when memory is full, and then nothing has happened yet.
  redis.call('SET', KEYS[6], ARGV[2], 'EX', ARGV[3])
  redis.call('DEL', KEYS[7])
  -- While the journal is lost its leader must see that.
  if not is_lost then
    move_head(append('', ARGV[5], 1, ARGV[6]), 1)
  end
  count(ARGV[7], 1)
else
  redis.call('DEL', KEYS[7])
end
return 'noted'
