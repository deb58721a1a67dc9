-- Reads the messages waiting in a queue; writes nothing.
--
-- KEYS  the places where messages wait, in the order in which workers look into them
-- ARGV  1 how many messages to give, 2 how many bytes of them in all; then for each place: how it is
--       read ('left', 'right', 'lowest' or 'oldest'), where the messages of its ids are ('', 'hash',
--       'text' or 'field'), that key or what precedes the id in it, the number of fields to read
--       of a hash, and their names
-- Returns {'wrong', key, its type}, or {how many wait in all, the groups of a stream, message…}. A
-- group is {name, entries not given to it or nil, entries given but not acknowledged}. A message is
-- {number of its place, element, what is stored for it…}, or, when there are not that many bytes
-- left, {number of its place, its bytes}.
local wanted, budget = tonumber(ARGV[1]), tonumber(ARGV[2])
local types = {left = 'list', right = 'list', lowest = 'zset', oldest = 'stream'}
local total, groups, messages = 0, {}, {}

-- The text at a key and when that expires; false for what there is not.
local function text(key)
  if redis.call('TYPE', key).ok ~= 'string' then
    return false, false
  end
  local left, time = redis.call('PTTL', key), redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return redis.call('GET', key), left > 0 and string.format('%.0f', now + left)
end

-- What is stored for a message's id, which has this score; nothing if the key holds something else.
local function stored(kind, store, fields, id, score)
  if kind == '' then
    return {}
  elseif kind == 'text' then
    local value, expires_at = text(store .. id)
    return {value, expires_at, score}
  elseif kind == 'hash' then
    store = store .. id
  else
    fields = {id}
  end
  local found = redis.call('TYPE', store).ok
  return (found == 'hash' or found == 'none') and redis.call('HMGET', store, unpack(fields)) or {}
end

local function add(place, element, more)
  local bytes = #element
  for _, value in ipairs(more) do
    bytes = bytes + (value and #value or 0)
  end
  if bytes > budget then
    table.insert(messages, {place, bytes})
    return
  end
  budget = budget - bytes
  local message = {place, element}
  for _, value in ipairs(more) do
    table.insert(message, value)
  end
  table.insert(messages, message)
end

-- The id of the newest entry delivered to every group, and all groups.
local function read_groups(key)
  local earliest
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = {}
    for n = 1, #fields, 2 do
      group[fields[n]] = fields[n + 1]
    end
    local id = group['last-delivered-id']
    local left = redis.call('XRANGE', key, '(' .. id, '+', 'COUNT', 1)
    local first = left[1] and left[1][1] or ''
    -- Of two groups, the one whose next entry comes earlier in the stream.
    if #left > 0 and (not earliest or #redis.call('XRANGE', key, first, earliest, 'COUNT', 1) > 0) then
      earliest = first
    end
    -- Versions before 7 do not count undelivered entries.
    local lag = group.lag or (#left == 0 and 0) or false
    table.insert(groups, {group.name, lag, group.pending})
  end
  return earliest
end

local at = 3
for place, key in ipairs(KEYS) do
  local how, kind, store, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local fields = {unpack(ARGV, at + 4, at + 3 + count)}
  at = at + 4 + count
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= types[how] then
    return {'wrong', key, found}
  end
  local left = wanted - #messages
  if found == 'none' then
    -- No message waits there.
  elseif how == 'oldest' then
    total = total + redis.call('XLEN', key)
    local start = read_groups(key) or (#groups > 0 and '+') or '-'
    local entries = start == '+' and {} or redis.call('XRANGE', key, start, '+', 'COUNT', left)
    for _, entry in ipairs(entries) do
      add(place, entry[1], entry[2])
    end
  elseif how == 'lowest' then
    total = total + redis.call('ZCARD', key)
    local found = left > 0 and redis.call('ZRANGE', key, 0, left - 1, 'WITHSCORES') or {}
    for n = 1, #found, 2 do
      add(place, found[n], stored(kind, store, fields, found[n], found[n + 1]))
    end
  else
    local length = redis.call('LLEN', key)
    total = total + length
    -- One by one: a message that is too large does not leave Redis.
    for n = 1, math.min(left, length) do
      local element = redis.call('LINDEX', key, how == 'left' and n - 1 or -n)
      add(place, element, stored(kind, store, fields, element))
    end
  end
end
table.insert(messages, 1, groups)
table.insert(messages, 1, total)
return messages
