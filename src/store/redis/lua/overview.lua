-- Reads what is not a hash, of one instant, and a page of the journal.
--
-- KEYS  1 sequence, 2 marker, 3 folded, 4 head, 5 journal
-- ARGV  1 the first id of the page, 2 the last, 3 about how many records, 4 how many bytes of a value
--       are given, 5 'XRANGE', or 'XREVRANGE' when the page begins at its end
-- Gives {now, sequence, marker, folded, head, problem with the journal or '', record, record, ...}; of
-- the texts the first bytes, '' where there is none, or a type in brackets; a record is {id, field,
-- value, field, value, ...}, in which longer values are replaced by their length
local time = redis.call('TIME')
local reply = {time[1] * 1000 + math.floor(time[2] / 1000)}
for n = 1, 4 do
  local found = redis.call('TYPE', KEYS[n]).ok
  if found == 'string' then
    reply[n + 1] = redis.call('GETRANGE', KEYS[n], 0, 79)
  else
    reply[n + 1] = found == 'none' and '' or '(' .. found .. ')'
  end
end
local records
if ARGV[5] == 'XRANGE' then
  records = redis.pcall('XRANGE', KEYS[5], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
else
  records = redis.pcall('XREVRANGE', KEYS[5], ARGV[2], ARGV[1], 'COUNT', ARGV[3])
end
reply[6] = records.err or ''
if records.err then
  return reply
end
local longest = tonumber(ARGV[4])
for n, record in ipairs(records) do
  local fields = record[2]
  for at = 1, math.min(#fields, 20) do
    if #fields[at] > longest then
      fields[at] = #fields[at]
    end
  end
  reply[n + 6] = {record[1], unpack(fields, 1, math.min(#fields, 20))}
end
return reply
