-- Publishes and records a batch of slots, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 running, 7 revision
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 the tenure's term, 5 the newest slot (UTC ms), 6 the state's database,
--       7 the revision of the pauses that the caller last read, 8 their version, if slots are recorded as
--       paused, else '', 9 how many entries do not overlap with themselves, then for each its name, for how many ms
--       a task may keep the next from being sent, the kind of its workers, the database where they
--       tell ('': the state's) and the key at which they do, but for the task's id;
--       then how many parts, then for each part its queue, the command that pushes ('': nothing is
--       sent) and its key; and then one of
--       'flat', how many slots, the record's lines, how many counters, for each its field and by how
--           much it grows; how many commands come first, for each how many words and its words (see
--           push.lua); how many elements are pushed, and these;
--       'guarded', what precedes the outcome in a counter's field, how many lists the queue
--           has and their keys, how many slots, and for each its entry, slot, the rest of its line,
--           what the line has of it when it is skipped, how many slots it stands for, its outcome, the
--           number of its entry among those that do not overlap (0: none), its max_queued (0: none),
--           the task's id; how many commands come first and these, as above; how many elements (0: it
--           is skipped anyway, else 1) and that.
-- Returns {'fenced', now}     the lease is another's or has expired; nothing was done
--         {'stale', now}      the sequence number differs; nothing was done
--         {'revised', now}    the pauses are others by now; nothing was done
--         {'early', now}      a slot is more than a second ahead of this clock; nothing was done
--         {'lost', now}       `head` does not name the newest record; nothing was done
--         {'astray', now}     another database than the state's was chosen; nothing was done
--         {'written', now, head, item, why, item, why, ...}
--                             all is sent and recorded but these: a part, counted from -1 down, which
--                             was refused with that error, or a slot, counted from 1 over all guarded
--                             parts: 'queue_full' or 'still_running' (recorded as that instead), or
--                             the error with which it was refused
if tonumber(ARGV[5]) > now + MAX_AHEAD_MS then
  return {'early', now}
end
if is_lost() then
  return {'lost', now}
end

local at = 10
local alone = {}
for n = 1, tonumber(ARGV[9]) do
  local entry, longest, kind, there, prefix = unpack(ARGV, at, at + 4)
  local runs = still_runs(entry, tonumber(longest), kind, there, ARGV[6], prefix)
  if runs == nil then
    return {'astray', now}
  end
  alone[n] = {runs = runs}
  at = at + 5
end

-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[2], ARGV[3])

local reply = {'written', now, ''}
local function except(item, why)
  reply[#reply + 1] = item
  reply[#reply + 1] = why
end

-- Never fails: the messages are sent.
local function keep_running(running)
  if #running > 0 and type(redis.pcall('HSET', KEYS[6], unpack(running))) == 'table' then
    redis.pcall('DEL', KEYS[6])
    redis.pcall('HSET', KEYS[6], unpack(running))
  end
end

-- The number of messages in these lists and sorted sets, or the error of one of them.
local function length(keys)
  local found = 0
  for _, key in ipairs(keys) do
    local kind = redis.pcall('TYPE', key)
    local here = kind.err and kind or redis.pcall(kind.ok == 'zset' and 'ZCARD' or 'LLEN', key)
    if type(here) ~= 'number' then
      return here
    end
    found = found + here
  end
  return found
end

local item = 0

-- The longer form, from ARGV[at] on. Returns the index after it.
local function send_guarded(part, queue, command, key, at)
  local field, lists = ARGV[at], tonumber(ARGV[at + 1])
  local keys = {unpack(ARGV, at + 2, at + 1 + lists)}
  at = at + 2 + lists
  local items = tonumber(ARGV[at])
  at = at + 1
  local lines, slots, counts, elements, places, running = {}, 0, {}, {}, {}, {}
  local waiting, answers, begun, stopped, queued = {}, {}, {}, {}, nil
  for n = item + 1, item + items do
    local entry, slot, rest, delay, stands_for, outcome, guard, max_queued, id = unpack(ARGV, at, at + 8)
    local found = {}
    at = read_commands(at + 9, found)
    local element = ARGV[at] == '1' and at + 1
    at = at + 1 + tonumber(ARGV[at])
    guard, max_queued = alone[tonumber(guard)], tonumber(max_queued)
    local stop, instead = stopped[entry], nil
    if element and guard and not stop then
      if type(guard.runs) == 'table' then
        stop = guard.runs.err
      elseif guard.runs then
        instead = 'still_running'
      end
    end
    if element and max_queued > 0 and not stop and not instead then
      queued = queued or length(keys)
      if type(queued) ~= 'number' then
        stop = queued.err
      elseif queued + #elements >= max_queued then
        instead = 'queue_full'
      end
    end
    if stop then
      stopped[entry] = stop
      except(n, stop)
    else
      waiting[#waiting + 1] = n
      slots = slots + stands_for
      outcome = instead or outcome
      counts[outcome] = (counts[outcome] or 0) + stands_for
      lines[#lines + 1] = entry .. '\t' .. slot .. (instead and '\t' .. instead .. delay or rest)
      if instead then
        answers[#answers + 1] = {n, instead}
      elseif element then
        elements[#elements + 1] = ARGV[element]
        for _, place in ipairs(found) do
          places[#places + 1] = place
        end
        if guard then
          guard.runs = true
          begun[#begun + 1] = guard
          running[#running + 1] = entry
          running[#running + 1] = string.format('%.0f', now) .. ' ' .. id
        end
      end
    end
  end
  item = item + items
  if #lines == 0 then
    return at
  end
  local id = append(ARGV[4], queue, slots, table.concat(lines, '\n'))
  local refused = #elements > 0 and store_and_push(places, command, key, elements, 1, #elements)
  if refused then
    redis.call('XDEL', KEYS[4], id)
    for _, n in ipairs(waiting) do
      except(n, refused)
    end
    for _, guard in ipairs(begun) do
      guard.runs = false
    end
    return at
  end
  move_head(id, slots)
  for outcome, n in pairs(counts) do
    count(field .. outcome, n)
  end
  keep_running(running)
  for _, answer in ipairs(answers) do
    except(answer[1], answer[2])
  end
  return at
end

local parts = tonumber(ARGV[at])
at = at + 1
for part = 1, parts do
  local queue, command, key, form = unpack(ARGV, at, at + 3)
  if form == 'guarded' then
    at = send_guarded(part, queue, command, key, at + 4)
  else
    local slots, id, counters, places = tonumber(ARGV[at + 4]), nil, at + 7, {}
    id = append(ARGV[4], queue, slots, ARGV[at + 5])
    at = read_commands(counters + 2 * tonumber(ARGV[at + 6]), places)
    local elements = tonumber(ARGV[at])
    local refused = elements > 0 and
      store_and_push(places, command, key, ARGV, at + 1, at + elements)
    if refused then
      redis.call('XDEL', KEYS[4], id)
      except(-part, refused)
    else
      move_head(id, slots)
      for counter = counters, counters + 2 * tonumber(ARGV[counters - 1]) - 1, 2 do
        count(ARGV[counter], ARGV[counter + 1])
      end
    end
    at = at + elements + 1
  end
end
reply[3] = head
return reply
