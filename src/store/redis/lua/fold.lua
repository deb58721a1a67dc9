-- Moves progress, and how far the journal is folded; or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 progress, 7 folded
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 the one to leave behind, 4 the newest
--       record that is folded then, 'unchanged', or 'anew': a chain begins behind the newest record, or
--       with an empty journal if something else is in its place; 'damaged': the same, and progress loses
--       its seal; 5 how many words follow: entries and their progress, by turns
-- Gives {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--       {'written', now, head}
local is_anew = ARGV[4] == 'anew' or ARGV[4] == 'damaged'
if is_lost and not is_anew and ARGV[4] ~= 'unchanged' then
  return {'lost', now}
end
redis.call('SET', KEYS[2], ARGV[3])
write_hash('HSET', KEYS[6], 5)
if ARGV[4] == 'damaged' then
  redis.pcall('HDEL', KEYS[6], '')
end
if is_anew then
  -- Behind the greatest id there is no place for another.
  local is_full = newest[1] and string.find(newest[1][1], '^18446744073709551615%-')
  if newest.err or is_full then
    redis.call('DEL', KEYS[4])
    newest = {}
  end
  if newest[1] then
    head = newest[1][1]
    local fields = newest[1][2]
    for n = 1, math.min(#fields, 20), 2 do
      local slots = fields[n] == 'total' and #fields[n + 1] <= 15 and tonumber(fields[n + 1])
      total = slots or total
    end
    redis.call('SET', KEYS[3], head .. ' ' .. string.format('%.0f', total))
    redis.call('SET', KEYS[7], head)
  else
    head = ''
    redis.call('DEL', KEYS[3], KEYS[7])
  end
elseif ARGV[4] ~= 'unchanged' then
  redis.call('SET', KEYS[7], ARGV[4])
end
return {'written', now, head}
