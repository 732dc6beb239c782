-- Lower the floor to one that was in force before the store lost it; what was read above it does not count any more.
-- KEYS: synced.  ARGV: that floor.  Returns 1 if it was lowered, else 0.
local floor = redis.call('HGET', KEYS[1], 'floor')
if floor and tonumber(floor) <= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'floor', ARGV[1])
redis.call('HDEL', KEYS[1], 'at', 'swept')
return 1
