-- Writes which entries are live, or does nothing at all.
--
-- KEYS  1 lease, 2 sequence, 3 progress, 4 lives, 5 marker, 6 sent,
--       7 intents, 8 running
-- ARGV  1 the caller's lease, 2 the sequence number it last saw, 3 the one to leave behind, 4 '1'
--       when this is the last part of the change, then for each change one of
--       'begin', entry, since (UTC ms), timing, record to restore ('' for none), slots dispatched
--       'retire', entry, since, '', '', ''
--       'forget', entry, '', '', '', ''
-- Gives {'fenced', now} or {'stale', now}: nothing was done
--       {'written', now}
-- A life that begins never reaches back behind the entry's last progress.
redis.call('SET', KEYS[2], ARGV[3])
for at = 5, #ARGV, 6 do
  local kind, entry, since, timing, record, sent = unpack(ARGV, at, at + 5)
  if kind == 'begin' then
    if record ~= '' then
      redis.call('HSET', KEYS[3], entry, record)
    end
    local last = redis.call('HGET', KEYS[3], entry)
    local settled = last and string.match(last, '^-?%d+')
    if settled and tonumber(settled) > tonumber(since) and record == '' then
      since = settled
    end
    redis.call('HSET', KEYS[4], entry, since .. '\t' .. timing)
    redis.call('HDEL', KEYS[7], entry)
    if sent == '0' then
      redis.call('HDEL', KEYS[6], entry)
    else
      redis.call('HSET', KEYS[6], entry, sent)
    end
  elseif kind == 'retire' then
    redis.call('HSET', KEYS[4], entry, since .. '\t-')
  else
    redis.call('HDEL', KEYS[3], entry)
    redis.call('HDEL', KEYS[4], entry)
    redis.call('HDEL', KEYS[6], entry)
    redis.call('HDEL', KEYS[7], entry)
    redis.call('HDEL', KEYS[8], entry)
  end
end
if ARGV[4] == '1' then
  redis.call('SETNX', KEYS[5], now)
end
return {'written', now}
