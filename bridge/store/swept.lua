-- Keep until when the orders of all symbols were read, unless the store has forgotten from where that reading began, or
-- its floor was lowered meanwhile: then that reading did not reach back far enough.
-- KEYS: synced.  ARGV: until when, until when they were read before, the floor that was then.
-- Returns 1 if kept, else 0.
if tonumber(redis.call('HGET', KEYS[1], 'swept') or 0) < tonumber(ARGV[2]) then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'floor') or 0) < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'swept', ARGV[1])
return 1
