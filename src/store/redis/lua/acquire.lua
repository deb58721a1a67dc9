-- Acquires the lease if nobody holds it, or if the holder's process is gone.
--
-- KEYS  1 lease, 2 term, 3 marker, 4 replicas, 5 journal
-- ARGV  1 holder, 2 TTL in ms, 3 '1' when the caller may lead a namespace without a marker, 4 '' or
--       what the caller was told to have stood in the lease for a whole TTL, 5 the number of the
--       newest format that the caller knows, 6 '' or the very lease to take over although it has not
--       run out
-- Returns {'acquired', now, lease, marker} the marker is '' where there is none
--         {'held', now, lease, ms until it can expire}
--         {'unreadable', now, what the key holds}  not a lease, or one that never expires
--         {'unmarked', now}  nobody leads and the namespace is empty: wait a TTL for somebody who
--                            remembers, then ask again with '1'
--         {'newer', now, marker}  a newer version has been here
--         {'older', now, replica}  the namespace is kept in an older format, by a replica that still runs
local MAX_TERM = 1e14
local MAX_LEASE = 300
-- The marker of the first format is the time at which it was written.
local FIRST_TIME = 1e9
local REPLICAS_AT_ONCE = 500
local MAX_ANNOUNCEMENT = 10000
local MAX_AHEAD_MS = 1000
-- This many of the newest records include one of a leader; the others are manual messages.
local RECORDS_WITH_A_TERM = 10

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read_term(text)
  local term = #text <= 15 and tonumber(string.match(text, '^%d+$'))
  return term and term < MAX_TERM and term or nil
end

-- The term of the newest record of a leader; nil if that cannot be read.
local function recorded_term()
  if is_large_journal(KEYS[5]) then
    return nil
  end
  local newest = redis.pcall('XREVRANGE', KEYS[5], '+', '-', 'COUNT', RECORDS_WITH_A_TERM)
  for _, record in ipairs(newest) do
    local fields = record[2]
    for n = 1, math.min(#fields, 20), 2 do
      local term = fields[n] == 'term' and read_term(fields[n + 1])
      if term then
        return term
      end
    end
  end
  return 0
end

local kind, leased_term, is_replaced = redis.call('TYPE', KEYS[1]).ok, 0, false
if kind ~= 'none' then
  local found = kind
  if kind == 'string' then
    local length, left = redis.call('STRLEN', KEYS[1]), redis.call('PTTL', KEYS[1])
    local lease = redis.call('GETRANGE', KEYS[1], 0, MAX_LEASE - 1)
    local is_lease = length < MAX_LEASE and left >= 0 and string.find(lease, '^%d+ [^%c]+$')
    is_replaced = is_lease and lease == ARGV[6]
    if is_lease and not is_replaced then
      return {'held', now, lease, left}
    end
    leased_term = read_term(string.match(lease, '^(%d+) ') or '') or 0
    found = left < 0 and 'string without a TTL ' .. lease or 'string ' .. lease
  end
  if not is_replaced and found ~= ARGV[4] then
    return {'unreadable', now, found}
  end
end
local marker = redis.call('TYPE', KEYS[3]).ok
if marker == 'string' then
  marker = redis.call('GETRANGE', KEYS[3], 0, 59)
elseif marker == 'none' then
  marker = ''
end
if marker == '' and ARGV[3] ~= '1' then
  return {'unmarked', now}
end
local format = string.find(marker, '^%d+$') and tonumber(marker)
if format and format > tonumber(ARGV[5]) and format < FIRST_TIME then
  return {'newer', now, marker}
end
if format and format ~= tonumber(ARGV[5]) and redis.call('TYPE', KEYS[4]).ok == 'hash' then
  local page = redis.call('HSCAN', KEYS[4], 0, 'COUNT', REPLICAS_AT_ONCE)[2]
  for at = 1, #page, 2 do
    local seen = #page[at + 1] < MAX_ANNOUNCEMENT and tonumber(string.match(page[at + 1], '^(%d+) .*[^ ]$'))
    if seen and now - seen <= 3 * ARGV[2] and seen - now <= MAX_AHEAD_MS then
      return {'older', now, page[at]}
    end
  end
end
local term = redis.pcall('INCR', KEYS[2])
local is_counter = type(term) == 'number' and term >= 1 and term <= MAX_TERM
local recorded = recorded_term()
if not is_counter or (term == 1 and not recorded) then
  -- No longer our counter; seconds are greater than any number counted by ones.
  term = tonumber(time[1])
end
term = math.max(term, leased_term + 1, (recorded or 0) + 1)
local shown = string.format('%.0f', term)
redis.call('SET', KEYS[2], shown)
local lease = shown .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return {'acquired', now, lease, marker}
