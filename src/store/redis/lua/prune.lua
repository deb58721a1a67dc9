-- Drops pauses that are over, except those that somebody has changed since they were read.
--
-- KEYS  1 lease, 2 pauses
-- ARGV  1 the caller's lease, 2 bytes of the longest text; then for each subject its name, what the caller
--       found there (see subjects.lua) and what is left, '' for nothing
-- Returns how many subjects were changed
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] then
  return 0
end
local changed = 0
for at = 3, #ARGV, 3 do
  if etag(ARGV[at], tonumber(ARGV[2])) == ARGV[at + 1] then
    put(ARGV[at], ARGV[at + 2])
    changed = changed + 1
  end
end
return changed
