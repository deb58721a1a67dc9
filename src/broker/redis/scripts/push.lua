-- How a message gets into its list or stream; stands in front of the scripts that send.
--
-- A message has one of two forms: 'plain', the element itself, or 'packed', in which
-- MessagePack holds the commands that come first and, last, the element.

-- Carries out what comes first. Gives the element, or nil and why it was refused.
local function prepare(form, message)
  if form == 'plain' then
    return message
  end
  local packed = cmsgpack.unpack(message)
  for n = 1, #packed - 1 do
    local answer = redis.pcall(unpack(packed[n]))
    if type(answer) == 'table' and answer.err then
      return nil, answer.err
    end
  end
  return packed[#packed]
end

-- Pushes all of the elements or none. Gives why it was refused, or nil.
local function push(command, key, elements)
  if command == 'XADD' then
    -- What refuses one refuses the first.
    for _, element in ipairs(elements) do
      local added = redis.pcall(command, key, '*', 'message', element)
      if type(added) == 'table' and added.err then
        return added.err
      end
    end
    return nil
  end
  local pushed = redis.pcall(command, key, unpack(elements))
  if type(pushed) ~= 'number' then
    return pushed.err
  end
end
