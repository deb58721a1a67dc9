-- Publishes and records a batch of slots, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress, 4 sent, 5 running
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 how many lists, then for each list the command that pushes, its key, the form of its
--       messages (see push.lua) and how many items it has, then for each item entry, slot (UTC ms),
--       record ("<slot> <outcome> <task id>"), message ('': skipped), then for each entry with
--       conditions its name, limit ('': none), max_queued ('': none), for how many ms a task may
--       keep the next from being sent ('': not at all) and what to keep of it but for its own id
--       (see running.lua), and how many lists its queue has (with max_queued) and their keys
--       The items of an entry share one list and stand in ascending order of their slots. The
--       lists are not among KEYS: if an ACL forbids one, only its own messages shall be refused.
-- Gives {'fenced', now}     the lease is another's or has run out; nothing was done
--       {'stale', now}      the sequence number differs; nothing was done
--       {'written', now, item, why, item, why, ...}
--                           all items are recorded but those named (counted from 1): 'done'
--                           (already recorded), 'early' (more than a second ahead of this
--                           clock), 'exhausted' (the entry's limit is reached), 'queue_full' or
--                           'still_running' (recorded as that instead), or the error with which
--                           a list, or what tells whether a task runs, refused

local lists = tonumber(ARGV[4])
local first = 5 + lists * 4
local items = 0
for list = 1, lists do
  items = items + ARGV[4 + list * 4]
end
local names = {}
for at = first, first + items * 4 - 1, 4 do
  names[#names + 1] = ARGV[at]
end
local recorded = redis.call('HMGET', KEYS[3], unpack(names))

local guards, limited, apart = {}, {}, {}
local at = first + items * 4
while at <= #ARGV do
  local entry, limit, max_queued, overlap, trace, keys = unpack(ARGV, at, at + 5)
  guards[entry] = {
    limit = tonumber(limit),
    max_queued = tonumber(max_queued),
    overlap = tonumber(overlap),
    trace = trace,
    queue = {unpack(ARGV, at + 6, at + 5 + keys)},
  }
  if limit ~= '' then
    limited[#limited + 1] = entry
  end
  if overlap ~= '' then
    apart[#apart + 1] = entry
  end
  at = at + 6 + keys
end
if #limited > 0 then
  for n, sent in ipairs(redis.call('HMGET', KEYS[4], unpack(limited))) do
    guards[limited[n]].sent = tonumber(sent or 0)
  end
end
if #apart > 0 then
  for n, last in ipairs(redis.call('HMGET', KEYS[5], unpack(apart))) do
    guards[apart[n]].last = last
  end
end

-- How many messages lie in these lists, or the error of one of them.
local function length(keys)
  local total = 0
  for _, key in ipairs(keys) do
    local found = redis.pcall('LLEN', key)
    if type(found) ~= 'number' then
      return found
    end
    total = total + found
  end
  return total
end

-- What is to become of an item instead: 'exhausted', 'still_running', 'queue_full', an error, or
-- nil. `queue` is kept for each list, and `pushed` are messages that go there first.
local function instead_of(message, guard, queue, pushed)
  if guard.limit and guard.sent >= guard.limit then
    return 'exhausted'
  end
  if guard.overlap and message ~= '' then
    if guard.runs == nil then
      guard.runs = still_runs(guard.last, guard.overlap, now)
    end
    if guard.runs then
      return guard.runs == true and 'still_running' or guard.runs
    end
  end
  if guard.max_queued and message ~= '' then
    queue.length = queue.length or length(guard.queue)
    if type(queue.length) ~= 'number' then
      return queue.length
    end
    if queue.length + pushed >= guard.max_queued then
      return 'queue_full'
    end
  end
end

-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[2], ARGV[3])

local reply = {'written', now}
local function except(item, why)
  reply[#reply + 1] = item
  reply[#reply + 1] = why
end

local item, at = 0, first
for list = 1, lists do
  local command, key, form, count = unpack(ARGV, 1 + list * 4, 4 + list * 4)
  -- What to push, and what to record and to answer once that is pushed: a full queue may be so by
  -- the messages in front, as a limit may be reached by them. `lead` are skips that stand before
  -- anything of their entry that waits for the push, and need not wait.
  local elements, records, sent, running, waiting, answers, lead = {}, {}, {}, {}, {}, {}, {}
  local waits, stopped, queue = {}, {}, {}
  for _ = 1, tonumber(count) do
    item = item + 1
    local entry, slot, last, message = names[item], tonumber(ARGV[at + 1]), recorded[item], ARGV[at + 3]
    local guard, stop, instead = guards[entry], stopped[entry], nil
    local done = last and slot <= tonumber(string.match(last, '^-?%d+'))
    if slot > now + 1000 then
      stop = stop or 'early'
    elseif guard and not done and not stop then
      instead = instead_of(message, guard, queue, #elements)
      if type(instead) == 'table' then
        stop = instead.err
      elseif instead == 'exhausted' and not waits[entry] then
        stop = instead
      end
    end
    local element
    if message ~= '' and not done and not stop and not instead then
      element, stop = prepare(form, message)
    end
    local record = instead and ARGV[at + 1] .. ' ' .. tostring(instead) .. ' -' or ARGV[at + 2]
    if done then
      except(item, 'done')
    elseif stop then
      stopped[entry] = stop
      except(item, stop)
    elseif not waits[entry] and (message == '' and not instead or instead == 'still_running') then
      lead[#lead + 1] = entry
      lead[#lead + 1] = record
      if instead then
        except(item, instead)
      end
    else
      waits[entry] = true
      waiting[#waiting + 1] = item
      answers[item] = instead
      if instead ~= 'exhausted' then
        records[#records + 1] = entry
        records[#records + 1] = record
      end
      if element then
        elements[#elements + 1] = element
        if guard and guard.limit then
          guard.sent = guard.sent + 1
          sent[#sent + 1] = entry
          sent[#sent + 1] = guard.sent
        end
        if guard and guard.overlap then
          guard.runs = true
          running[#running + 1] = entry
          running[#running + 1] = now .. ' ' .. guard.trace .. string.match(ARGV[at + 2], '%S+$')
        end
      end
    end
    at = at + 4
  end
  if #lead > 0 then
    redis.call('HSET', KEYS[3], unpack(lead))
  end
  local refusal = #elements > 0 and push(command, key, elements)
  if not refusal then
    if #records > 0 then
      redis.call('HSET', KEYS[3], unpack(records))
    end
    if #sent > 0 then
      redis.call('HSET', KEYS[4], unpack(sent))
    end
    if #running > 0 then
      redis.call('HSET', KEYS[5], unpack(running))
    end
    for decided, why in pairs(answers) do
      except(decided, why)
    end
  else
    for _, refused in ipairs(waiting) do
      except(refused, refusal)
    end
  end
end
return reply
