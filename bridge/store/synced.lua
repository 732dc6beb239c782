-- Keep until when the account was read completely, unless the store has forgotten from where that reading began, or its
-- floor was lowered meanwhile: then that reading did not reach back far enough.
-- KEYS: synced.  ARGV: until when, the floor from now on, until when it was read before, the floor that was then.
-- Returns 1 if kept, else 0.
if tonumber(redis.call('HGET', KEYS[1], 'at') or 0) < tonumber(ARGV[3]) then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'floor') or 0) < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'floor', ARGV[2])
return 1
