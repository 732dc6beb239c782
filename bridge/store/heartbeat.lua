-- Say that an ingester is alive, in the server's own clock, and forget those that have been silent for a lifetime.
-- KEYS: ingesters.  ARGV: the ingester's name, lifetime in ms.  Returns the names of all that are alive.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZRANGE', KEYS[1], 0, -1)
