-- Reads records from ARGV and appends them; precedes the scripts that record without sending.

-- Reads, from ARGV[at] on, how many records, and for each its queue, slots and lines, and how many
-- counters, for each its field and by how much it grows. Returns the index behind them.
local function append_all(term, at)
  local records = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, records do
    local queue, slots, lines, counters = unpack(ARGV, at, at + 3)
    slots = tonumber(slots)
    move_head(append(term, queue, slots, lines), slots)
    at = at + 4
    for _ = 1, tonumber(counters) do
      count(ARGV[at], ARGV[at + 1])
      at = at + 2
    end
  end
  return at
end

-- Calls a command of a hash with the words that follow ARGV[at], which says how many they are. Something
-- else in the hash's place is removed. Returns the index behind them.
local function write_hash(command, key, at)
  local last = at + tonumber(ARGV[at])
  if last > at then
    if redis.call('TYPE', key).ok ~= 'hash' then
      redis.call('DEL', key)
    end
    redis.call(command, key, unpack(ARGV, at + 1, last))
  end
  return last + 1
end

