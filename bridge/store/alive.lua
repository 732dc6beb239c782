-- Name the ingesters that are alive, by the clock of the server that scored them.
-- KEYS: ingesters.  ARGV: lifetime in ms.  Returns their names.
local time = redis.call('TIME')
local since = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', since), '+inf')
