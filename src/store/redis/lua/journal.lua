-- Appends records to the journal and counts; precedes the scripts that do.
--
-- KEYS  3 head, 4 journal, 5 counters
-- Leaves `head`, the id of the newest record ('' before the first), and `total`, the number of slots so far.
local head, total, is_head_readable = '', 0, true
do
  local said = redis.pcall('GETRANGE', KEYS[3], 0, 63)
  if said ~= '' then
    local id, slots = string.match(type(said) == 'string' and said or '', '^(%d+%-%d+) (%d+)$')
    if id and #slots <= 15 then
      head, total = id, tonumber(slots)
    else
      is_head_readable = false
    end
  end
end

-- Whether the newest record is not the one that `head` names. Ask before anything is appended.
local function is_lost()
  local newest = redis.pcall('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
  return not is_head_readable or newest.err or (newest[1] and newest[1][1] or '') ~= head
end

-- Appends a record that `head` does not name yet. Returns its id.
local function append(term, queue, slots, lines)
  return redis.call('XADD', KEYS[4], '*', 'before', head, 'term', term, 'queue', queue,
    'total', total + slots, 'lines', lines)
end

-- Makes the record that was appended last count.
local function move_head(id, slots)
  head, total = id, total + slots
  redis.call('SET', KEYS[3], id .. ' ' .. string.format('%.0f', total))
end

-- Never fails: the messages are sent.
local function count(field, slots)
  local counted = redis.pcall('HINCRBY', KEYS[5], field, slots)
  if type(counted) == 'table' then
    if redis.call('TYPE', KEYS[5]).ok ~= 'hash' then
      redis.pcall('DEL', KEYS[5])
    end
    redis.pcall('HSET', KEYS[5], field, slots)
  end
end

