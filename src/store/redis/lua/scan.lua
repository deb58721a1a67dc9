-- Reads one page of a hash, whatever the size of what stands there.
--
-- KEYS  1 hash
-- ARGV  1 where to begin, 2 about how many fields, 3 bytes of the longest value that is given, 4 bytes of
--       a field's name that are given
-- Gives {where to go on, {field, value, field, value, ...}}, the length of what is longer in its place;
--       at the beginning of a heavy hash {'heavy', {field, ...}, {field, length, ...}}: the fields to read
--       one by one, and those whose names are too long, each with the length of its value; or, of what is
--       no hash, its type
local found = redis.call('TYPE', KEYS[1]).ok
if found ~= 'hash' and found ~= 'none' then
  return found
end
local count, longest, longest_name = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[1] == '0' and is_heavy(KEYS[1], 200000) then
  local short, long = {}, {}
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if #field <= longest_name then
      short[#short + 1] = field
    else
      long[#long + 1] = string.sub(field, 1, longest_name)
      long[#long + 1] = redis.call('HSTRLEN', KEYS[1], field)
    end
  end
  return {'heavy', short, long}
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
  if bytes <= 4194304 or count <= 10 then
    return page
  end
  count = math.floor(count / 10)
end
