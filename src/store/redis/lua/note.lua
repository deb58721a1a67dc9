-- Records how far a manual message for a carrier has come; not fenced.
--
-- KEYS  1, 2 nothing, 3 head, 4 journal, 5 counters, 6 how far the run has come, 7 where it is about to continue
-- ARGV  1 'intended', 'published' or 'not published', 2 the message's place in its run, 3 for how many
--       seconds that is remembered once it is published, 4 for how many while it is intended, 5 its queue,
--       6 its line, 7 its counter's field, 8 its entry and queue (see run.lua)
-- Returns {'noted'}; or {'already'} (published before), {'busy'} (somebody else intends to) or {'other', entry
-- and queue of what the run has published}: nothing was done
local before, of = read_run(KEYS[6])
if before and of ~= ARGV[8] and ARGV[1] == 'intended' then
  return {'other', of}
end
if before and before >= tonumber(ARGV[2]) then
  return {'already'}
end
if ARGV[1] == 'intended' then
  -- A key that lasts longer is not one of ours.
  local left = redis.call('PTTL', KEYS[7])
  if left > 0 and left <= ARGV[4] * 1000 then
    return {'busy'}
  end
  redis.call('SET', KEYS[7], ARGV[2], 'EX', ARGV[4])
elseif ARGV[1] == 'published' then
  -- The first write: refused when memory is full, and then nothing has happened yet.
  redis.call('SET', KEYS[6], ARGV[2] .. '\t' .. ARGV[8], 'EX', ARGV[3])
  redis.call('DEL', KEYS[7])
  -- A lost journal is left alone, because its leader must notice.
  if not is_lost() then
    move_head(append('', ARGV[5], 1, ARGV[6]), 1)
  end
  count(ARGV[7], 1)
else
  redis.call('DEL', KEYS[7])
end
return {'noted'}
