-- Whether an entry's last task still runs; precedes the scripts that ask.
--
-- KEYS  1 lease, 6 running
-- ARGV  1 the caller's lease

-- The length of a task's record: when it was sent, and its id.
local MAX_RUNNING = 1000

local ends = {
  finished = true, failed = true, stopped = true, canceled = true,
  SUCCESS = true, FAILURE = true, REVOKED = true,
}

-- The state in what a Celery worker stored, of which these are the first bytes: JSON, MessagePack or a
-- pickle.
local function celery_state(stored)
  local state = string.match(stored, '^{"status": ?"([^"]*)')
  if state then
    return state
  end
  local packed = string.match(stored, '^[\129-\143]\166status([\160-\191])')
  if packed then
    return string.sub(stored, 10, 9 + string.byte(packed) - 160)
  end
  -- A string's opcode and length come before it, and after the key perhaps a memo's.
  local long, short = string.match(stored, '^\128.-status[q\148].?X(.)%z%z%z'), nil
  if not long then
    short = string.match(stored, '^\128.-status\148?\140(.)')
  end
  local length = string.byte(long or short or '\0')
  local from = select(2, string.find(stored, long and 'status[q\148].?X.%z%z%z' or 'status\148?\140.'))
  return length > 0 and from and string.sub(stored, from + 1, from + length) or nil
end

-- Returns true or false, an error, or nil when the connection has strayed into another database. `kind`
-- is that of the workers, `there` the database in which they write what became of a task, '' for the
-- state's own, which is `here`, and `prefix` the key but for the task's id (for arq, the set with the ids).
local function still_runs(entry, longest, kind, there, here, prefix)
  -- "<sent at> <task id>"; anything else says nothing.
  local length = redis.pcall('HSTRLEN', KEYS[6], entry)
  if type(length) ~= 'number' or length == 0 or length > MAX_RUNNING then
    return false
  end
  local last = redis.call('HGET', KEYS[6], entry)
  local at, id = string.match(last, '^(%d+) .-([%x%-]+)$')
  at, id = tonumber(at), id and string.sub(id, -36)
  if not at or #id ~= 36 or at > now + MAX_AHEAD_MS or now - at >= longest then
    return false
  end
  local key = prefix .. id
  if there ~= '' then
    local chosen = redis.pcall('SELECT', there)
    if chosen.err then
      return chosen
    end
  end
  local told, runs
  if kind == 'rq' then
    told = redis.pcall('HSTRLEN', key, 'status')
    if type(told) == 'number' then
      told = told > 0 and told < 64 and redis.pcall('HGET', key, 'status') or ''
      runs = told ~= '' and not ends[told]
    end
  elseif kind == 'arq' then
    told = redis.pcall('ZSCORE', prefix, id)
    runs = type(told) == 'string'
  elseif kind == 'taskiq' then
    told = redis.pcall('EXISTS', key)
    runs = told == 0
  elseif kind == 'bullmq' then
    told = redis.pcall('HEXISTS', key, 'name')
    if told == 1 then
      told = redis.pcall('HEXISTS', key, 'finishedOn')
      runs = told == 0
    end
  else
    -- The result itself may be large.
    told = redis.pcall('GETRANGE', key, 0, 63)
    if told == '' then
      runs = true
    elseif type(told) == 'string' then
      -- Until its end a task may have any state, with any name.
      local state = celery_state(told)
      runs = state ~= nil and not ends[state]
    end
  end
  if there ~= '' then
    redis.call('SELECT', here)
    if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
      return nil
    end
  end
  if type(told) == 'table' then
    return told
  end
  return runs or false
end

