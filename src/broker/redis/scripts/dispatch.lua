-- Publishes and records a batch of slots, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 how many lists, the lists, then
--       five for each item: entry, slot (UTC ms), record ("<slot> <outcome> <task id>"), number
--       of its list (0: nothing to send), message
--       Items of one entry stand in ascending order of their slots and share one list. The lists
--       are not among KEYS: if an ACL forbids one, only its own messages shall be refused.
-- Gives {'fenced', now}     the lease is another's or has run out; nothing was done
--       {'stale', now}      the sequence number differs; nothing was done
--       {'written', now, sequence, item, why, item, why, ...}
--                           all items are recorded but those named (counted from 1): 'done'
--                           (already recorded), 'early' (more than a second ahead of this
--                           clock), or the error with which the list refused the message
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'fenced', now}
end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then
  return {'stale', now}
end

local before = 3 + tonumber(ARGV[3])
local count = (#ARGV - before) / 5
local function first(item)
  return before + item * 5 - 4
end
local names = {}
for item = 1, count do
  names[item] = ARGV[first(item)]
end
local recorded = redis.call('HMGET', KEYS[3], unpack(names))

-- Sort the new items by list. Of every entry keep the record to write when its list takes the
-- messages (`final`) and the one of the skips before the first message (`lead`).
local exceptions = {}
local lists, final, lead, blocked = {}, {}, {}, {}
for item = 1, count do
  local at = first(item)
  local entry, slot, list = names[item], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
  local last = recorded[item]
  if last and slot <= tonumber(string.match(last, '^-?%d+')) then
    exceptions[#exceptions + 1] = item
    exceptions[#exceptions + 1] = 'done'
  elseif blocked[entry] or slot > now + 1000 then
    blocked[entry] = true
    exceptions[#exceptions + 1] = item
    exceptions[#exceptions + 1] = 'early'
  else
    if list > 0 then
      local group = lists[list]
      if not group then
        group = {messages = {}, items = {}}
        lists[list] = group
      end
      group.messages[#group.messages + 1] = ARGV[at + 4]
      group.items[#group.items + 1] = item
      final[entry] = {list = list, record = ARGV[at + 2]}
    elseif final[entry] then
      final[entry].record = ARGV[at + 2]
      final[entry].after = final[entry].after or {}
      table.insert(final[entry].after, item)
    else
      lead[entry] = ARGV[at + 2]
    end
  end
end

-- The first write: refused when memory is full, and then nothing has happened yet.
local sequence = redis.call('INCR', KEYS[2])

for list, group in pairs(lists) do
  local pushed = redis.pcall('LPUSH', ARGV[3 + list], unpack(group.messages))
  local records = {}
  local seen = {}
  for _, item in ipairs(group.items) do
    local entry = names[item]
    if type(pushed) == 'table' then
      exceptions[#exceptions + 1] = item
      exceptions[#exceptions + 1] = pushed.err
    end
    if not seen[entry] then
      seen[entry] = true
      if type(pushed) ~= 'table' then
        records[#records + 1] = entry
        records[#records + 1] = final[entry].record
        lead[entry] = nil
      else
        for _, skip in ipairs(final[entry].after or {}) do
          exceptions[#exceptions + 1] = skip
          exceptions[#exceptions + 1] = pushed.err
        end
      end
    end
  end
  if #records > 0 then
    redis.call('HSET', KEYS[3], unpack(records))
  end
end
for entry, record in pairs(lead) do
  redis.call('HSET', KEYS[3], entry, record)
end

local reply = {'written', now, sequence}
for index = 1, #exceptions do
  reply[3 + index] = exceptions[index]
end
return reply
