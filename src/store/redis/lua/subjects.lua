-- Compares and writes the pauses of subjects; precedes the scripts that do.
--
-- KEYS  2 pauses
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The stored text of a subject, '' for none; for a longer one, '!' and its length.
local function etag(subject, longest)
  local length = redis.pcall('HSTRLEN', KEYS[2], subject)
  if type(length) ~= 'number' or length == 0 then
    return ''
  end
  return length > longest and string.format('!%.0f', length) or redis.call('HGET', KEYS[2], subject)
end

-- Writes a text, '' for nothing. `now` in the place of an instant is filled in.
local function put(subject, text)
  if text == '' then
    redis.call('HDEL', KEYS[2], subject)
    return
  end
  local function fill_in(from, till)
    local shown = string.format('%.0f', now)
    return '\n' .. (from == 'now' and shown or from) .. ' ' .. (till == 'now' and shown or till) .. ' '
  end
  local filled = string.gsub('\n' .. text, '\n(%S+) (%S+) ', fill_in)
  redis.call('HSET', KEYS[2], subject, string.sub(filled, 2))
end
