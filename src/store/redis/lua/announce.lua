-- Announces the caller to the other replicas, and returns theirs. Reads one page of them, and continues
-- while few have been seen: however many there are, the work is bounded.
--
-- KEYS  1 replicas
-- ARGV  1 replica, or '' when the caller is none and nothing is to be changed, 2 what it says of itself
--       (JSON), or '' when it leaves, 3 ms after which a silent replica is forgotten, 4 where to begin,
--       5 the maximum number returned, 6 the maximum bytes of an announcement
-- Returns {where to begin next, how many there are, and for each the replica, how many ms ago it spoke, JSON}
local MAX_WEIGHED_REPLICAS = 1000
local REPLICAS_AT_ONCE = 500
local MAX_NAME = 300
-- Bytes of the time and the blanks in front of an announcement.
local MAX_TIME = 20
local MAX_AHEAD_MS = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local listens = ARGV[1] == ''
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  if listens then
    return {'0', 0}
  end
  redis.call('DEL', KEYS[1])
end
if listens then
  -- The announcement is empty.
elseif ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
elseif #ARGV[2] <= tonumber(ARGV[6]) then
  -- The blank at the end marks the format; older versions can read it all the same.
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2] .. ' ')
end
local function next_page(cursor)
  if not is_heavy(KEYS[1], MAX_WEIGHED_REPLICAS) then
    return redis.call('HSCAN', KEYS[1], cursor, 'COUNT', REPLICAS_AT_ONCE)
  end
  local found = {}
  for _, replica in ipairs(redis.call('HKEYS', KEYS[1])) do
    local fits = redis.call('HSTRLEN', KEYS[1], replica) <= MAX_TIME + ARGV[6]
    found[#found + 1] = replica
    found[#found + 1] = fits and redis.call('HGET', KEYS[1], replica) or ''
  end
  return {'0', found}
end
local reply, seen = {'0', 0}, 0
local cursor = ARGV[4]
repeat
  local page = next_page(cursor)
  cursor = page[1]
  for at = 1, #page[2], 2 do
    local replica, said = page[2][at], page[2][at + 1]
    seen = seen + 1
    local told = #said <= MAX_TIME + ARGV[6] and #replica <= MAX_NAME and string.match(said, '^%d+')
    -- An announcement from the future is garbage, or older than the clock's going back.
    if not told or #told > 15 or now - told > tonumber(ARGV[3]) or told - now > MAX_AHEAD_MS then
      if not listens then
        redis.call('HDEL', KEYS[1], replica)
      end
    elseif #reply < 2 + 3 * ARGV[5] then
      reply[#reply + 1] = replica
      reply[#reply + 1] = math.max(now - told, 0)
      reply[#reply + 1] = string.match(said, '^%d+ (.-) ?$') or ''
    end
  end
until cursor == '0' or seen >= REPLICAS_AT_ONCE
reply[1], reply[2] = cursor, redis.call('HLEN', KEYS[1])
return reply
