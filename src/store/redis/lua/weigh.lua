-- Weighs a hash; stands in front of the scripts that go through one.

-- Whether a hash takes more memory than its fields should: then some value or name in it may be of any size.
-- Redis copies a value whenever it is read, HSCAN included. Weighing copies none, but takes longer the more
-- fields there are; a hash of more than `most` is not weighed.
local function is_heavy(key, most)
  local fields = redis.call('HLEN', key)
  if fields == 0 or fields > most then
    return false
  end
  -- An ACL may forbid it.
  local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  return type(bytes) == 'number' and bytes > 4194304 + 512 * fields
end

