-- Whether a task still runs; stands in front of the scripts that ask.
--
-- Of the last task that was sent for an entry this is kept: "<sent at (UTC ms)> <kind of worker>
-- <database> <database of the state> <key>", the key being that at which its workers tell.

local ends = {
  finished = true, failed = true, stopped = true, canceled = true,
  SUCCESS = true, FAILURE = true, REVOKED = true,
}

-- Gives true or false, or an error. A task that was sent `longest` ms ago counts as done.
local function still_runs(last, longest, now)
  local at, kind, there, here, key =
    string.match(last or '', '^(%d+) (%S+) (%d+) (%d+) (.*)$')
  if not at or now - at >= longest then
    return false
  end
  if there ~= here then
    local chosen = redis.pcall('SELECT', there)
    if chosen.err then
      return chosen
    end
  end
  local told
  if kind == 'rq' then
    told = redis.pcall('HGET', key, 'status')
  elseif kind == 'bullmq' then
    told = redis.pcall('HMGET', key, 'name', 'finishedOn')
  else
    -- The result itself may be large.
    told = redis.pcall('GETRANGE', key, 0, 63)
  end
  if there ~= here then
    redis.call('SELECT', here)
  end
  if type(told) == 'table' and told.err then
    return told
  end
  if kind == 'rq' then
    return told and not ends[told] or false
  elseif kind == 'bullmq' then
    return told[1] and not told[2] or false
  elseif told == '' then
    return true
  end
  -- Between sending and its end a task may have any state, in words of its own.
  local state = string.match(told, '^{"status": ?"([^"]*)')
  return state and not ends[state] or false
end

