-- Reads a page of a hash.
--
-- KEYS  1 hash
-- ARGV  1 where to begin ('0': from the start), 2 about how many fields, 3 how many bytes of a value are
--       given
-- Gives {'wrong', type} when it is no hash
--       {where to go on ('0': that was all), field, value, field, value, ...}; a longer value is
--       replaced by its length, a number
local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'hash' and found ~= 'none' then
  return {'wrong', found}
end
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local reply, longest = page[2], tonumber(ARGV[3])
for at = 1, #reply, 2 do
  if #reply[at + 1] > longest then
    reply[at + 1] = #reply[at + 1]
  end
  if #reply[at] > 300 then
    reply[at] = string.sub(reply[at], 1, 300)
  end
end
table.insert(reply, 1, page[1])
return reply
