-- Gives up the caller's own lease and wakes the followers.
--
-- KEYS  1 lease, 2 channel for resignations
-- ARGV  1 the caller's lease
-- Returns 1 when it was the caller's, else 0.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
-- An ACL may forbid this; then they wait for the lease to expire.
redis.pcall('PUBLISH', KEYS[2], ARGV[1])
return 1
