-- Writes down how far messages have come that AMQP brokers take, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress, 4 sent, 5 intents, 6 running
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       then for each message its stage, entry, slot (UTC ms), record, limit ('': none), for how
--       many ms a task may keep the next from being sent ('': not at all), and what to keep of it
--       but for its own id (see running.lua). No entry has two messages. The stages:
--       'intended'    it is about to be published: from now on it is in doubt
--       'dispatched'  it was published: recorded, and in doubt no more
--       'skipped'     its slot is left out: recorded, and in doubt no more
--       'withdrawn'   it was not published: in doubt no more
-- Gives {'fenced', now} or {'stale', now}: nothing was done
--       {'written', now, item, why, item, why, ...}
--                           all is written but these (counted from 1): 'done' (the slot was
--                           already recorded), and of intents 'early' (more than a second ahead of
--                           this clock), 'exhausted' (the entry's limit is reached),
--                           'still_running' (recorded as that instead), or the error of what
--                           tells whether a task runs
-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[2], ARGV[3])

local reply = {'written', now}
local function except(item, why)
  reply[#reply + 1] = item
  reply[#reply + 1] = why
end

-- Whether the entry's last task still runs, or an error. What is in doubt was let through before,
-- and may have been published.
local function stands_back(entry, slot, overlap)
  local doubtful = redis.call('HGET', KEYS[5], entry)
  if doubtful and string.match(doubtful, '^-?%d+') == slot then
    return false
  end
  return still_runs(redis.call('HGET', KEYS[6], entry), overlap, now)
end

for at = 4, #ARGV, 7 do
  local stage, entry, slot, record, limit, overlap, trace = unpack(ARGV, at, at + 6)
  local item = (at + 3) / 7
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
    if overlap ~= '' and stage == 'dispatched' then
      redis.call('HSET', KEYS[6], entry, now .. ' ' .. trace .. string.match(record, '%S+$'))
    end
    redis.call('HDEL', KEYS[5], entry)
  elseif tonumber(slot) > now + 1000 then
    except(item, 'early')
  elseif sent and sent >= tonumber(limit) then
    except(item, 'exhausted')
  else
    local runs = overlap ~= '' and stands_back(entry, slot, tonumber(overlap))
    if not runs then
      redis.call('HSET', KEYS[5], entry, record)
    elseif runs == true then
      redis.call('HSET', KEYS[3], entry, slot .. ' still_running -')
      except(item, 'still_running')
    else
      except(item, runs.err)
    end
  end
end
return reply
