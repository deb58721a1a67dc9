-- How a message gets into its list or stream; stands in front of the scripts that send.
--
-- A message has one of two forms: 'plain', the element itself, or 'packed', in which
-- MessagePack holds the commands that come first and, last, the element.

-- Why a command was refused, and which one.
local function refusal(error, command, key)
  return error .. ' (' .. command .. ' ' .. key .. ')'
end

-- Carries out what comes first. Gives the element, or nil and why it was refused.
local function prepare(form, message)
  if form == 'plain' then
    return message
  end
  local packed = cmsgpack.unpack(message)
  for n = 1, #packed - 1 do
    local answer = redis.pcall(unpack(packed[n]))
    if type(answer) == 'table' and answer.err then
      return nil, refusal(answer.err, packed[n][1], packed[n][2])
    end
  end
  return packed[#packed]
end

-- Pushes ids of BullMQ's to the list that is right for the state of the queue, of which `wait` is the
-- list of those that wait. Gives why it was refused, or nil.
--
-- While a queue is paused, versions before 6 put jobs into another list, which replaces `wait` when
-- the queue goes on: what was pushed to `wait` meanwhile would be lost.
local function push_bullmq(wait, ids)
  local queue = string.sub(wait, 1, -6)
  local meta = redis.pcall('HMGET', queue .. ':meta', 'paused', 'version')
  if meta.err then
    return refusal(meta.err, 'HMGET', queue .. ':meta')
  end
  local paused, said = meta[1], meta[2]
  local version = said and tonumber(string.match(said, '^bullmq:(%d+)%.'))
  if said and not (version and version >= 4 and version <= 6) then
    return 'the queue is kept by `' .. said .. '`, and only versions 4 to 6 of BullMQ are known'
  end
  local list = wait
  if not paused then
    -- Wakes a worker; before the push, so that a refusal leaves no job behind.
    local woken = redis.pcall('ZADD', queue .. ':marker', 0, '0')
    if type(woken) ~= 'number' then
      return refusal(woken.err, 'ZADD', queue .. ':marker')
    end
  elseif version then
    list = version < 6 and queue .. ':paused' or wait
  elseif redis.pcall('EXISTS', queue .. ':paused') == 1 then
    list = queue .. ':paused'
  else
    return 'the queue is paused, and does not say by which version of BullMQ'
  end
  local pushed = redis.pcall('LPUSH', list, unpack(ids))
  if type(pushed) ~= 'number' then
    return refusal(pushed.err, 'LPUSH', list)
  end
end

-- Pushes all of the elements or none. Gives why it was refused, or nil.
local function push(command, key, elements)
  if command == 'BULLMQ' then
    return push_bullmq(key, elements)
  end
  if command == 'XADD' then
    -- What refuses one refuses the first.
    for _, element in ipairs(elements) do
      local added = redis.pcall(command, key, '*', 'message', element)
      if type(added) == 'table' and added.err then
        return refusal(added.err, command, key)
      end
    end
    return nil
  end
  local pushed = redis.pcall(command, key, unpack(elements))
  if type(pushed) ~= 'number' then
    return refusal(pushed.err, command, key)
  end
end
