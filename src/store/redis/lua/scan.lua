-- Reads one page of a hash, whatever the size of what stands there.
--
-- KEYS  1 hash
-- ARGV  1 where to begin, 2 about how many fields, 3 bytes of the longest value that is given, 4 bytes of
--       a field's name that are given
-- Gives {where to go on, {field, value, field, value, ...}}, the length of what is longer in its place;
--       or, of what is no hash, its type
local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'hash' and found ~= 'none' then
  return found
end
local count, longest, longest_name = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
while true do
  local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', count)
  local fields, bytes = page[2], 0
  for n = 1, #fields, 2 do
    if #fields[n] > longest_name then
      fields[n] = string.sub(fields[n], 1, longest_name)
    end
    local length = #fields[n + 1]
    if length > longest then
      fields[n + 1] = length
    else
      bytes = bytes + length
    end
  end
  if bytes <= 4194304 or count <= 10 then
    return page
  end
  count = math.floor(count / 10)
end
