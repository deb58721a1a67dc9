-- Weighs a key whose values may be of any size; precedes the scripts that read it. Redis
-- copies a value whenever it is read, HSCAN included. Weighing copies none.

local MAX_BYTES = 4194304
local MAX_BYTES_A_FIELD = 512
local MAX_JOURNAL_BYTES = 33554432

-- nil if an ACL forbids it.
local function weight(key)
  local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  return type(bytes) == 'number' and bytes or nil
end

-- Whether a hash takes more memory than its fields should. Weighing takes longer the more fields there are: a
-- hash of more than `most` is not weighed.
local function is_heavy(key, most)
  local fields = redis.call('HLEN', key)
  if fields == 0 or fields > most then
    return false
  end
  local bytes = weight(key)
  return bytes and bytes > MAX_BYTES + MAX_BYTES_A_FIELD * fields
end

-- Whether a record of the journal may be so large that reading it delays others.
local function is_large_journal(key)
  local bytes = weight(key)
  return bytes and bytes > MAX_JOURNAL_BYTES
end

