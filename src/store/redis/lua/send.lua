-- Publishes one manual message and appends it to the journal; not fenced.
--
-- KEYS  1, 2 nothing, 3 head, 4 journal, 5 counters, 6 how far the run has come
-- ARGV  1 the message's place in its run, 2 for how many seconds that is remembered, 3 its queue, 4 its
--       line, 5 its counter's field, 6 the command that pushes, 7 its key, 8 its entry and queue (see
--       run.lua); then how many commands come first, for each how many words and its words (see push.lua);
--       1 and the element
-- Returns {'sent', now} or {'already', now}; or {'refused', now, why} or {'other', now, entry and queue of what
-- the run has sent}: nothing was done
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before, of, text = read_run(KEYS[6])
if before and of ~= ARGV[8] then
  return {'other', now, of}
end
if before and before >= tonumber(ARGV[1]) then
  return {'already', now}
end
-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[6], ARGV[1] .. '\t' .. ARGV[8], 'EX', ARGV[2])
-- A lost journal is left alone, because its leader must notice.
local id = not is_lost() and append('', ARGV[3], 1, ARGV[4])
local places = {}
local at = read_commands(9, places)
local refused = store_and_push(places, ARGV[6], ARGV[7], ARGV, at + 1, at + 1)
if refused then
  if id then
    redis.call('XDEL', KEYS[4], id)
  end
  if before then
    redis.call('SET', KEYS[6], text, 'EX', ARGV[2])
  else
    redis.call('DEL', KEYS[6])
  end
  return {'refused', now, refused}
end
if id then
  move_head(id, 1)
end
count(ARGV[5], 1)
return {'sent', now}
