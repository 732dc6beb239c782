-- Keep until when the account was read completely, unless the store has forgotten from where that reading began.
-- KEYS: synced.  ARGV: until when, the floor, until when it was read before.  Returns 1 if kept, else 0.
if tonumber(redis.call('HGET', KEYS[1], 'at') or 0) < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'floor', ARGV[2])
return 1
