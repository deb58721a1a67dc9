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

local first = 4 + ARGV[3]
local names = {}
for at = first, #ARGV, 5 do
  names[#names + 1] = ARGV[at]
end
local recorded = redis.call('HMGET', KEYS[3], unpack(names))

-- Sort the new items by list: what to push, and what to record once that is pushed. A skip goes
-- with the messages of its entry that stand before it; `lead` are the skips that follow none.
local reply = {'written', now, 0}
local lead, messages, records, items, list_of, early = {}, {}, {}, {}, {}, {}
for item = 1, #names do
  local at = first + (item - 1) * 5
  local entry, slot, list = names[item], tonumber(ARGV[at + 1]), ARGV[at + 3]
  local last = recorded[item]
  if last and slot <= tonumber(string.match(last, '^-?%d+')) then
    reply[#reply + 1] = item
    reply[#reply + 1] = 'done'
  elseif early[entry] or slot > now + 1000 then
    early[entry] = true
    reply[#reply + 1] = item
    reply[#reply + 1] = 'early'
  else
    if list == '0' then
      list = list_of[entry]
    else
      list_of[entry] = list
      if not messages[list] then
        messages[list], records[list], items[list] = {}, {}, {}
      end
      local pushed = messages[list]
      pushed[#pushed + 1] = ARGV[at + 4]
    end
    local record = lead
    if list then
      record = records[list]
      items[list][#items[list] + 1] = item
    end
    record[#record + 1] = entry
    record[#record + 1] = ARGV[at + 2]
  end
end

-- The first write: refused when memory is full, and then nothing has happened yet.
reply[3] = redis.call('INCR', KEYS[2])
if #lead > 0 then
  redis.call('HSET', KEYS[3], unpack(lead))
end
for list, pushed in pairs(messages) do
  local answer = redis.pcall('LPUSH', ARGV[3 + list], unpack(pushed))
  if type(answer) == 'number' then
    redis.call('HSET', KEYS[3], unpack(records[list]))
  else
    for _, item in ipairs(items[list]) do
      reply[#reply + 1] = item
      reply[#reply + 1] = answer.err
    end
  end
end
return reply
