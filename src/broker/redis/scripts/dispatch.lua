-- Publishes and records a batch of slots, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 how many lists, then for each list its key and how many items it has, then for each item
--       entry, slot (UTC ms), record ("<slot> <outcome> <task id>"), message ('': skipped)
--       The items of an entry share one list and stand in ascending order of their slots. The
--       lists are not among KEYS: if an ACL forbids one, only its own messages shall be refused.
-- Gives {'fenced', now}     the lease is another's or has run out; nothing was done
--       {'stale', now}      the sequence number differs; nothing was done
--       {'written', now, item, why, item, why, ...}
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

local lists = tonumber(ARGV[4])
local first = 5 + lists * 2
local names = {}
for at = first, #ARGV, 4 do
  names[#names + 1] = ARGV[at]
end
local recorded = redis.call('HMGET', KEYS[3], unpack(names))

-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[2], ARGV[3])

local reply = {'written', now}
local function except(item, why)
  reply[#reply + 1] = item
  reply[#reply + 1] = why
end

local item, at = 0, first
for list = 1, lists do
  -- What to push, and what to record once that is pushed. `lead` are skips that stand before the
  -- first message of their entry, and need not wait for it.
  local messages, records, waiting, lead = {}, {}, {}, {}
  local sends, early = {}, {}
  for _ = 1, tonumber(ARGV[4 + list * 2]) do
    item = item + 1
    local entry, slot, last, message = names[item], tonumber(ARGV[at + 1]), recorded[item], ARGV[at + 3]
    if last and slot <= tonumber(string.match(last, '^-?%d+')) then
      except(item, 'done')
    elseif slot > now + 1000 or early[entry] then
      early[entry] = true
      except(item, 'early')
    elseif message == '' and not sends[entry] then
      lead[#lead + 1] = entry
      lead[#lead + 1] = ARGV[at + 2]
    else
      if message ~= '' then
        sends[entry] = true
        messages[#messages + 1] = message
      end
      records[#records + 1] = entry
      records[#records + 1] = ARGV[at + 2]
      waiting[#waiting + 1] = item
    end
    at = at + 4
  end
  if #lead > 0 then
    redis.call('HSET', KEYS[3], unpack(lead))
  end
  if #messages > 0 then
    local pushed = redis.pcall('LPUSH', ARGV[3 + list * 2], unpack(messages))
    if type(pushed) == 'number' then
      redis.call('HSET', KEYS[3], unpack(records))
    else
      for _, refused in ipairs(waiting) do
        except(refused, pushed.err)
      end
    end
  end
end
return reply
