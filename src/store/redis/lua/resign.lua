-- Gives up the caller's own lease and wakes the followers.
--
-- KEYS  1 lease, 2 channel on which resignations are told
-- ARGV  1 the caller's lease
-- Gives 1 when it was the caller's, else 0.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
-- An ACL may forbid it; then they wait.
redis.pcall('PUBLISH', KEYS[2], ARGV[1])
return 1
