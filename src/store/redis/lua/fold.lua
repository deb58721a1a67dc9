-- Moves progress, and how far the journal is folded; or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 progress, 7 folded
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 the one to leave behind, 4 the newest
--       record that is folded then, 'unchanged', or 'anew': a chain begins with a record of no slots, in an
--       empty journal if something else is in its place; 'damaged': the same, and progress loses its seal;
--       5 how many words follow: entries and their progress, by turns
-- Returns {'fenced', now}, {'stale', now} or {'lost', now}: nothing was done
--         {'written', now, head}
local is_anew = ARGV[4] == 'anew' or ARGV[4] == 'damaged'
if not is_anew and ARGV[4] ~= 'unchanged' and is_lost() then
  return {'lost', now}
end

-- The number of slots so far, from the newest record.
local function newest_total()
  local newest = redis.pcall('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
  local fields = newest[1] and newest[1][2] or {}
  for n = 1, math.min(#fields, 20), 2 do
    local slots = fields[n] == 'total' and #fields[n + 1] <= 15 and tonumber(fields[n + 1])
    if slots then
      return slots
    end
  end
  return 0
end

-- Returns the id of the first record, or an error.
local function begin_chain()
  local term = string.match(ARGV[1], '^%d+') or ''
  return redis.pcall('XADD', KEYS[4], '*', 'before', '', 'term', term, 'queue', '', 'total', total,
    'lines', '')
end

redis.call('SET', KEYS[2], ARGV[3])
write_hash('HSET', KEYS[6], 5)
if ARGV[4] == 'damaged' then
  redis.pcall('HDEL', KEYS[6], '')
end
if is_anew then
  -- The newest record may be of any size and somebody else's: from now on it is one of ours.
  if total == 0 and not is_large_journal(KEYS[4]) then
    total = newest_total()
  end
  local id = begin_chain()
  if type(id) == 'table' then
    -- Not a journal, or one whose greatest id leaves no room for another.
    redis.call('DEL', KEYS[4])
    id = begin_chain()
  end
  move_head(id, 0)
  redis.call('SET', KEYS[7], id)
elseif ARGV[4] ~= 'unchanged' then
  redis.call('SET', KEYS[7], ARGV[4])
end
return {'written', now, head}
