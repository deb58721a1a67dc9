-- Reads one page of a hash, whatever the size of its values.
--
-- KEYS  1 hash
-- ARGV  1 where to begin, 2 about how many fields, 3 bytes of the longest value that is given, 4 bytes of
--       a field's name that are given
-- Returns {where to go on, {field, value, field, value, ...}, {field, ...}}: the length of what is longer in
--         its place, and fields that are to be read one by one, as those of a heavy hash are; or, of what is no
--         hash, its type
local MAX_WEIGHED_FIELDS = 200000
local MIN_COUNT = 10

local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'hash' and found ~= 'none' then
  return found
end
local count, longest, longest_name = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[1] == '0' and is_heavy(KEYS[1], MAX_WEIGHED_FIELDS) then
  local short, long = {}, {}
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if #field <= longest_name then
      short[#short + 1] = field
    else
      long[#long + 1] = string.sub(field, 1, longest_name)
      long[#long + 1] = redis.call('HSTRLEN', KEYS[1], field)
    end
  end
  return {'0', long, short}
end
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
  if bytes <= MAX_BYTES or count <= MIN_COUNT then
    return {page[1], fields, {}}
  end
  count = math.floor(count / 10)
end
