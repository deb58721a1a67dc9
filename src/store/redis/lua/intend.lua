-- Records that carriers are about to publish slots, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 head, 4 journal, 5 counters, 6 running, 7 revision, 8 intents
-- ARGV  1 the caller's lease, 2 the sequence number it last saw or wrote, 3 the one to leave behind,
--       4 the tenure's term, 5 the newest slot (UTC ms), 6 the state's database, 7 the revision of the pauses
--       that the caller last read, 8 ''; then for each slot its
--       entry, slot, queue, what precedes the outcome in a counter's field, for how many ms a
--       task may keep the next from being sent ('': not at all), the kind of its workers, the database
--       where they tell ('': the state's) and the key at which they do, but for the task's id
-- Returns {'fenced', now}, {'stale', now}, {'revised', now}, {'early', now}, {'lost', now} or {'astray', now}:
--         nothing was done, as with dispatch.lua
--         {'written', now, head, item, why, item, why, ...}
--                             all are uncertain from now on but these, counted from 1: 'still_running'
--                             (recorded as that), or the error of what tells whether a task runs
if tonumber(ARGV[5]) > now + MAX_AHEAD_MS then
  return {'early', now}
end
if is_lost() then
  return {'lost', now}
end

-- An uncertain slot passed the guards before, and may have been published.
local function is_in_doubt(entry, slot)
  local length = redis.pcall('HSTRLEN', KEYS[8], entry)
  return type(length) == 'number' and length < 100 and redis.call('HGET', KEYS[8], entry) == slot
end

local runs = {}
for at = 9, #ARGV, 8 do
  local entry, slot, _, _, longest, kind, there, prefix = unpack(ARGV, at, at + 7)
  local answer = false
  if longest ~= '' and not is_in_doubt(entry, slot) then
    answer = still_runs(entry, tonumber(longest), kind, there, ARGV[6], prefix)
    if answer == nil then
      return {'astray', now}
    end
  end
  runs[#runs + 1] = answer
end

redis.call('SET', KEYS[2], ARGV[3])
local reply, intents = {'written', now, ''}, {}
local records, queues = {}, {}
for n, answer in ipairs(runs) do
  local entry, slot, queue, field = unpack(ARGV, 8 * n + 1, 8 * n + 4)
  if answer == false then
    intents[#intents + 1] = entry
    intents[#intents + 1] = slot
  else
    reply[#reply + 1] = n
    reply[#reply + 1] = answer == true and 'still_running' or answer.err
    if answer == true then
      if not records[queue] then
        records[queue] = {field = field}
        queues[#queues + 1] = queue
      end
      table.insert(records[queue], entry .. '\t' .. slot .. '\tstill_running')
    end
  end
end
if #intents > 0 then
  if redis.call('TYPE', KEYS[8]).ok ~= 'hash' then
    redis.call('DEL', KEYS[8])
  end
  redis.call('HSET', KEYS[8], unpack(intents))
end
for _, queue in ipairs(queues) do
  local record = records[queue]
  move_head(append(ARGV[4], queue, #record, table.concat(record, '\n')), #record)
  count(record.field .. 'still_running', #record)
end
reply[3] = head
return reply
