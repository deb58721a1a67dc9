-- Reads records from ARGV and appends them; stands in front of the scripts that record without sending.

-- Reads, from ARGV[at] on, how many records, and for each its queue, slots and lines, and how many
-- counters, for each its field and by how much it grows. Gives the index behind them.
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

-- Reads, from ARGV[at] on, how many words, and the words. Gives them and the index behind them.
local function read_list(at)
  local last = at + tonumber(ARGV[at])
  return {unpack(ARGV, at + 1, last)}, last + 1
end

-- Calls a command of a hash with these words, if there are any. Something else in the hash's place is
-- removed.
local function write_hash(command, key, words)
  if #words > 0 then
    if redis.call('TYPE', key).ok ~= 'hash' then
      redis.call('DEL', key)
    end
    redis.call(command, key, unpack(words))
  end
end

