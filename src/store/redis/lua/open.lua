-- Records that a backfill begins, continues or ends, unless it overlaps another unfinished one.
--
-- KEYS  1 the backfills of one entry and one person that have not ended, a line each: run, when it is
--       forgotten, the first instant of its segment, the first after it (UTC ms), queue
-- ARGV  1 'begins', 'begins again' (then those that it overlaps are forgotten) or 'ends', 2 its run, 3 the
--       first instant of its segment, 4 the first after it, 5 its queue, 6 for how many ms it is
--       remembered, 7 how many backfills are
-- Returns '' when that is recorded, or the line of the one that it overlaps: nothing was done
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local step, run, from, to = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local kept_ms, max_open = tonumber(ARGV[6]), tonumber(ARGV[7])
-- The extent of all calls of the run.
local first_from, last_to = from, to
local length = redis.pcall('STRLEN', KEYS[1])
-- A longer value is not one of ours.
local fits = type(length) == 'number' and length <= 512 * max_open
local function is_instant(digits)
  return #string.gsub(digits, '^-', '') <= 15
end
local kept = {}
for line in string.gmatch(fits and redis.call('GET', KEYS[1]) or '', '[^\n]+') do
  local other, till, first, last = string.match(line, '^([%x-]+) (%d+) (-?%d+) (-?%d+) ')
  local left = other and is_instant(till) and is_instant(first) and is_instant(last) and till - now or 0
  if left > 0 and left <= kept_ms then
    first, last = tonumber(first), tonumber(last)
    local overlaps = first < to and from < last
    if other == run then
      first_from, last_to = math.min(first_from, first), math.max(last_to, last)
    elseif not overlaps or step == 'ends' then
      kept[#kept + 1] = line
    elseif step == 'begins' then
      return line
    end
  end
end
if step ~= 'ends' then
  local numbers = string.format(' %.0f %.0f %.0f ', now + kept_ms, first_from, last_to)
  kept[#kept + 1] = run .. numbers .. ARGV[5]
end
if #kept > 0 then
  local oldest = math.max(1, #kept - max_open + 1)
  redis.call('SET', KEYS[1], table.concat(kept, '\n', oldest), 'PX', kept_ms)
else
  redis.call('DEL', KEYS[1])
end
return ''
