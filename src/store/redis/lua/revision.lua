-- The version of the pauses; precedes the scripts that compare or move it.
--
-- Returns the revision and the version as digits. Anything that is not a number of ours counts as 0, for readers as well.
local function read_mark(key)
  local said = redis.pcall('GETRANGE', key, 0, 63)
  local revision, version = string.match(type(said) == 'string' and said or '', '^(%d+) (%d+)$')
  local function number(digits)
    local is_ours = digits and #digits <= 16 and not string.find(digits, '^0.') and tonumber(digits) < 9e15
    return is_ours and digits or '0'
  end
  return number(revision), number(version)
end
