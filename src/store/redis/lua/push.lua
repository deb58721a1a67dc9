-- Adds messages to the queues that workers take them from; precedes the scripts that send. The keys are
-- not among KEYS: if an ACL forbids one, only its own messages are refused.

-- Why a command was refused, and which one.
local function refusal(error, command, key)
  return error .. ' (' .. command .. ' ' .. key .. ')'
end

-- The list that BullMQ's job ids go to (`wait` is the usual one), and whether its
-- workers are to be woken; or nil and why it is refused.
--
-- While a queue is paused, versions before 6 put jobs into another list, which replaces `wait` when
-- the queue resumes: what was pushed to `wait` meanwhile would be lost.
local function bullmq_list(wait)
  local queue = string.sub(wait, 1, -6)
  local meta = redis.pcall('HMGET', queue .. ':meta', 'paused', 'version')
  if meta.err then
    return nil, refusal(meta.err, 'HMGET', queue .. ':meta')
  end
  local paused, said = meta[1], meta[2]
  local version = said and tonumber(string.match(said, '^bullmq:(%d+)%.'))
  if said and not (version and version >= 4 and version <= 6) then
    local shown = string.sub(said, 1, 60)
    return nil, 'the queue is kept by `' .. shown .. '`, and only versions 4 to 6 of BullMQ are known'
  end
  if not paused then
    return wait, true
  elseif version then
    return version < 6 and queue .. ':paused' or wait, false
  elseif redis.pcall('EXISTS', queue .. ':paused') == 1 then
    return queue .. ':paused', false
  end
  return nil, 'the queue is paused, and does not say by which version of BullMQ'
end

-- Adds ids to a sorted set, from which workers take what is due: they are, now. Microseconds keep their order.
local function add_due(key, elements, first, last)
  local time = redis.call('TIME')
  local due = time[1] * 1000 + time[2] / 1000
  local pairs = {}
  for n = first, last do
    -- As text: of so large a number, Lua would write only the first digit behind the point.
    pairs[#pairs + 1] = string.format('%.3f', due + (n - first) / 1000)
    pairs[#pairs + 1] = elements[n]
  end
  local added = redis.pcall('ZADD', key, unpack(pairs))
  return type(added) == 'table' and refusal(added.err, 'ZADD', key) or nil
end

-- The jobs that RQ would hold this one back for: all that it depends on, if one of them exists and has not
-- finished, or failed if that is enough; else none. Or nil and an error.
local function rq_dependencies(job)
  local said = redis.pcall('HMGET', job, 'dependency_ids', 'allow_dependency_failures')
  if said.err then
    return nil, refusal(said.err, 'HMGET', job)
  end
  local ids = said[1] and cjson.decode(said[1]) or {}
  for _, id in ipairs(ids) do
    local other = redis.pcall('HMGET', 'rq:job:' .. id, 'status', 'data')
    if other.err then
      return nil, refusal(other.err, 'HMGET', 'rq:job:' .. id)
    end
    local status, exists = other[1], other[2]
    if exists and status ~= 'finished' and not (status == 'failed' and said[2] == '1') then
      return ids
    end
  end
  return {}
end

-- Pushes ids of RQ's jobs, or defers the jobs as RQ does; all or none. Returns why it was refused, or nil.
local function push_rq(list, elements, first, last)
  local undo = {}
  local function try(undone_by, command, key, ...)
    local answer = redis.pcall(command, key, ...)
    if type(answer) == 'table' then
      return refusal(answer.err, command, key)
    end
    -- What was there before stays.
    if answer ~= 0 then
      undo[#undo + 1] = {undone_by, key, ...}
    end
  end
  local function defer(id, job, others)
    local deferred, left = 'rq:deferred:' .. string.sub(list, #'rq:queue:' + 1), redis.call('PTTL', job)
    local dependencies = 'rq:job::' .. id .. ':dependencies'
    -- When the job expires: from 2.0 on, some versions fail jobs whose score is past.
    local score = left > 0 and redis.call('TIME')[1] + math.ceil(left / 1000) or '+inf'
    redis.call('HSET', job, 'status', 'deferred')
    redis.call('HDEL', job, 'enqueued_at')
    local refused = redis.pcall('ZADD', deferred, score, id)
    if type(refused) == 'table' then
      return refusal(refused.err, 'ZADD', deferred)
    end
    undo[#undo + 1] = {'ZREM', deferred, id}
    for _, other in ipairs(others) do
      local problem = try('SREM', 'SADD', 'rq:job:' .. other .. ':dependents', id) or
        try('SREM', 'SADD', dependencies, other)
      if problem then
        return problem
      end
    end
    if left > 0 then
      redis.pcall('PEXPIRE', dependencies, left)
    end
  end
  local function push_one(id)
    local job = 'rq:job:' .. id
    local others, problem = rq_dependencies(job)
    if not others then
      return problem
    elseif #others > 0 then
      return defer(id, job, others)
    end
    local side = redis.call('HGET', job, 'enqueue_at_front') and 'LPUSH' or 'RPUSH'
    problem = redis.pcall(side, list, id)
    if type(problem) == 'table' then
      return refusal(problem.err, side, list)
    end
    undo[#undo + 1] = {'LREM', list, side == 'LPUSH' and 1 or -1, id}
  end
  for n = first, last do
    local problem = push_one(elements[n])
    if problem then
      for at = #undo, 1, -1 do
        redis.pcall(unpack(undo[at]))
      end
      return problem
    end
  end
end

-- The list that elements really go to; or nil and why they are refused, if that shows before anything is
-- written.
local function find_list(command, key)
  local list, wakes = key, false
  if command == 'BULLMQ' then
    list, wakes = bullmq_list(key)
    if not list then
      return nil, wakes
    end
  end
  if command ~= 'XADD' and command ~= 'TASKIQ' and command ~= 'PUBLISH' then
    local measure = command == 'ZADD' and 'ZCARD' or 'LLEN'
    local length = redis.pcall(measure, list)
    if type(length) ~= 'number' then
      return nil, refusal(length.err, measure, list)
    end
  end
  return list, wakes
end

-- Pushes elements `first` to `last` of a table, all or none. Returns why they were refused, or nil.
local function push(command, key, elements, first, last)
  if command == 'ZADD' then
    return add_due(key, elements, first, last)
  elseif command == 'RQ' then
    return push_rq(key, elements, first, last)
  elseif command == 'XADD' or command == 'TASKIQ' then
    local pcall, field = redis.pcall, command == 'XADD' and 'message' or 'data'
    for n = first, last do
      local id = pcall('XADD', key, '*', field, elements[n])
      if type(id) == 'table' then
        for _, added in ipairs(n > first and redis.call('XREVRANGE', key, '+', '-', 'COUNT', n - first) or {}) do
          redis.call('XDEL', key, added[1])
        end
        return refusal(id.err, 'XADD', key)
      end
    end
    return nil
  end
  if command == 'PUBLISH' then
    -- All or none: nobody subscribes while a script runs. Consumers of kombu's own subscribe without the routing
    -- key at the end.
    for n = first, last do
      local receivers = redis.pcall('PUBLISH', key, elements[n])
      local bare = receivers == 0 and string.match(key, '^(.+)/')
      local others = bare and redis.pcall('PUBLISH', bare, elements[n])
      receivers = type(others) == 'number' and others or receivers
      if receivers == 0 then
        return 'no worker listens (PUBLISH ' .. key .. ')'
      elseif type(receivers) == 'table' then
        return refusal(receivers.err, command, key)
      end
    end
    return nil
  end
  local list = key
  if command == 'BULLMQ' then
    command = 'LPUSH'
    local wakes
    list, wakes = bullmq_list(key)
    if not list then
      return wakes
    end
    if wakes then
      -- Before the push, so that a refusal leaves no job behind.
      local marker = string.sub(key, 1, -6) .. ':marker'
      local woken = redis.pcall('ZADD', marker, 0, '0')
      if type(woken) ~= 'number' then
        return refusal(woken.err, 'ZADD', marker)
      end
    end
  end
  local pushed = redis.pcall(command, list, unpack(elements, first, last))
  if type(pushed) ~= 'number' then
    return refusal(pushed.err, command, list)
  end
end

-- Stores hashes of one message each, of which ARGV[at + 1] on says how many, how many words each has
-- (key, fields and values), how many of the words differ, which, all words of the first, and of each
-- the words that differ. If `anew`, existing hashes are replaced. Returns an error or nil, and
-- the keys that are new.
local function store_jobs(anew, at)
  local count, width, varying = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local places = {}
  for n = 1, varying do
    places[n] = tonumber(ARGV[at + 3 + n])
  end
  at = at + 4 + varying
  local words = {unpack(ARGV, at, at + width - 1)}
  at = at + width
  if anew then
    local keys = {words[1]}
    for n = 1, varying > 0 and count or 0 do
      keys[n] = ARGV[at + (n - 1) * varying]
    end
    local deleted = redis.pcall('DEL', unpack(keys))
    if type(deleted) == 'table' then
      return refusal(deleted.err, 'DEL', keys[1]), {}
    end
  end
  local pcall, unpack, ARGV, new, added = redis.pcall, unpack, ARGV, {}, (width - 1) / 2
  for _ = 1, count do
    for n = 1, varying do
      words[places[n]] = ARGV[at]
      at = at + 1
    end
    local answer = pcall('HSET', unpack(words))
    if answer == added then
      new[#new + 1] = words[1]
    elseif type(answer) == 'table' then
      return refusal(answer.err, 'HSET', words[1]), new
    end
  end
  return nil, new
end

-- Carries out what is at ARGV[at] to ARGV[last]: a command, or one of
-- 'JOBS'    hashes, as `store_jobs` has them
-- 'FRESH'   the same, replacing existing ones
-- 'JOB'     a hash: its key, fields and values
-- 'FIELDS'  messages that are fields of one hash: its key, fields and values
-- Returns an error or nil, and what can be undone.
local function store(at, last)
  local word, key = ARGV[at], ARGV[at + 1]
  if word == 'JOBS' or word == 'FRESH' then
    return store_jobs(word == 'FRESH', at)
  end
  local existed = nil
  if word == 'PSETEX' or word == 'XGROUP' then
    key = word == 'XGROUP' and ARGV[at + 2] or key
    existed = redis.pcall('EXISTS', key)
  end
  local command = (word == 'JOB' or word == 'FIELDS') and 'HSET' or word
  local answer = redis.pcall(command, unpack(ARGV, at + 1, last))
  if type(answer) == 'table' and answer.err then
    if word == 'XGROUP' and string.find(answer.err, '^%-?BUSYGROUP') then
      return nil, nil
    end
    return refusal(answer.err, command, key)
  end
  return nil, existed or answer
end

-- Undoes what is at ARGV[at] to ARGV[last]; existing values stay.
local function undo(at, last, answer)
  local word, key = ARGV[at], ARGV[at + 1]
  if word == 'JOBS' or word == 'FRESH' then
    if #answer > 0 then
      redis.pcall('DEL', unpack(answer))
    end
  elseif word == 'JOB' and answer * 2 == last - at - 1 then
    redis.pcall('DEL', key)
  elseif word == 'FIELDS' then
    for field = at + 2, last, 2 do
      redis.pcall('HDEL', key, ARGV[field])
    end
  elseif word == 'SADD' and answer == last - at - 1 then
    redis.pcall('SREM', key, unpack(ARGV, at + 2, last))
  elseif word == 'PSETEX' and answer == 0 then
    redis.pcall('DEL', key)
  elseif word == 'XGROUP' and answer == 0 then
    redis.pcall('DEL', ARGV[at + 2])
  elseif word == 'XGROUP' then
    redis.pcall('XGROUP', 'DESTROY', ARGV[at + 2], ARGV[at + 3])
  end
end

-- Stores what is at `places`, each {first word, last word} in ARGV, and then pushes; or does nothing at
-- all. Returns why it was refused, or nil.
local function store_and_push(places, command, key, elements, first, last)
  if #places == 0 then
    return push(command, key, elements, first, last)
  end
  local list, refused = find_list(command, key)
  local done = {}
  if list then
    refused = nil
    for n, place in ipairs(places) do
      local answer
      refused, answer = store(place[1], place[2])
      done[n] = answer
      if refused then
        break
      end
    end
    refused = refused or push(command, key, elements, first, last)
  end
  if refused then
    for n = #places, 1, -1 do
      if done[n] then
        undo(places[n][1], places[n][2], done[n])
      end
    end
  end
  return refused
end

-- Reads a count at ARGV[at] and that many commands after it, each as the number of its words and the
-- words; adds their places to `places`. Returns the index behind them.
local function read_commands(at, places)
  local wanted = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, wanted do
    local words = tonumber(ARGV[at])
    places[#places + 1] = {at + 1, at + words}
    at = at + words + 1
  end
  return at
end

