-- Writes down how far messages have come that AMQP brokers take, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress, 4 sent, 5 intents
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       then for each message its stage, entry, slot (UTC ms), record, limit ('': none). No entry
--       has two messages. The stages:
--       'intended'    it is about to be published: from now on it is in doubt
--       'dispatched'  it was published: recorded, and in doubt no more
--       'skipped'     its slot is left out: recorded, and in doubt no more
--       'withdrawn'   it was not published: in doubt no more
-- Gives {'fenced', now} or {'stale', now}: nothing was done
--       {'written', now, item, why, item, why, ...}
--                           all is written but these (counted from 1): 'done' (the slot was
--                           already recorded), and of intents 'early' (more than a second ahead of
--                           this clock) or 'exhausted' (the entry's limit is reached)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'fenced', now}
end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then
  return {'stale', now}
end
-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[2], ARGV[3])

local reply = {'written', now}
local function except(item, why)
  reply[#reply + 1] = item
  reply[#reply + 1] = why
end

for at = 4, #ARGV, 5 do
  local stage, entry, slot, record, limit = unpack(ARGV, at, at + 4)
  local item = (at + 1) / 5
  local last = redis.call('HGET', KEYS[3], entry)
  local sent = limit ~= '' and tonumber(redis.call('HGET', KEYS[4], entry) or 0)
  if last and tonumber(slot) <= tonumber(string.match(last, '^-?%d+')) then
    except(item, 'done')
  elseif stage ~= 'intended' then
    if record ~= '' then
      redis.call('HSET', KEYS[3], entry, record)
    end
    if sent and stage == 'dispatched' then
      redis.call('HSET', KEYS[4], entry, sent + 1)
    end
    redis.call('HDEL', KEYS[5], entry)
  elseif tonumber(slot) > now + 1000 then
    except(item, 'early')
  elseif sent and sent >= tonumber(limit) then
    except(item, 'exhausted')
  else
    redis.call('HSET', KEYS[5], entry, record)
  end
end
return reply
