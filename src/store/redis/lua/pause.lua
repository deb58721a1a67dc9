-- Pauses or resumes, or does nothing at all; not fenced.
--
-- KEYS  1 revision, 2 pauses
-- ARGV  1 'forbids' if something may not go any more that may now, else '', 2 how many subjects there may be,
--       3 bytes of the longest text; then for each subject its name, what the caller found there (see
--       subjects.lua) and the text to write, '' to drop it
-- Returns {'written', now, revision, version}; or {'outdated'} (somebody else has written one of them) or
-- {'too many'}: nothing was done
local longest, new = tonumber(ARGV[3]), 0
for at = 4, #ARGV, 3 do
  if etag(ARGV[at], longest) ~= ARGV[at + 1] then
    return {'outdated'}
  end
  if ARGV[at + 1] == '' then
    new = new + 1
  end
end
local kind = redis.call('TYPE', KEYS[2]).ok
if new > 0 and kind == 'hash' and redis.call('HLEN', KEYS[2]) + new > tonumber(ARGV[2]) then
  return {'too many'}
end
-- By the clock, so that no number is used again after an eviction or deletion.
local revision, version = read_mark(KEYS[1])
version = string.format('%.0f', math.max(version + 1, time[1] * 1000000 + time[2]))
if ARGV[1] == 'forbids' then
  revision = version
end
-- The first write: refused when memory is full, and then nothing has happened yet.
redis.call('SET', KEYS[1], revision .. ' ' .. version)
if kind ~= 'hash' then
  redis.call('DEL', KEYS[2])
end
for at = 4, #ARGV, 3 do
  put(ARGV[at], ARGV[at + 2])
end
return {'written', now, revision, version}
