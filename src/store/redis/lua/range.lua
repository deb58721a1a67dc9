-- Reads some records of the journal, whatever their size.
--
-- KEYS  1 journal
-- ARGV  1 XRANGE or XREVRANGE, 2 where to begin, 3 where to end, 4 how many at the most, 5 bytes of the
--       longest field that is given
-- Returns {1 when more may follow, else 0, record, record, ...} as XRANGE does, the length of what is longer
--         in its place; {0} of what is no journal
local RECORDS_AT_ONCE = 30

local reply, from, left, bytes = {0}, ARGV[2], tonumber(ARGV[4]), 0
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then
  return reply
end
-- Redis copies all records that it returns.
local at_once = is_large_journal(KEYS[1]) and 1 or RECORDS_AT_ONCE
while left > 0 and bytes <= MAX_BYTES do
  local wanted = math.min(left, at_once)
  local page = redis.call(ARGV[1], KEYS[1], from, ARGV[3], 'COUNT', wanted)
  for _, record in ipairs(page) do
    local fields = record[2]
    if #fields > 20 then
      fields = {unpack(fields, 1, 20)}
      record[2] = fields
    end
    for n = 1, #fields do
      local length = #fields[n]
      bytes = bytes + length
      if length > tonumber(ARGV[5]) then
        fields[n] = length
      end
    end
    reply[#reply + 1] = record
    from = '(' .. record[1]
  end
  if #page < wanted then
    return reply
  end
  left = left - wanted
end
reply[1] = 1
return reply
