-- Say that an ingester is alive, in the server's own clock, and forget those that have been silent for a lifetime.
-- KEYS: ingesters, cards.  ARGV: the ingester's name, lifetime in ms, its token, its card, which begins with the token.
-- Returns {1 if it was not listed before, else 0; name, card; name, card; ...} of all that are alive. When another one
-- of this name is alive, nothing is said, and {-1; that one's last heartbeat in ms; its card} comes back.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local silent = '(' .. string.format('%.0f', now - tonumber(ARGV[2]))
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', silent)) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
local card = redis.call('HGET', KEYS[2], ARGV[1])
if card and string.sub(card, 1, #ARGV[3]) ~= ARGV[3] then
  return {-1, redis.call('ZSCORE', KEYS[1], ARGV[1]) or '', card}
end
local answer = {redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])}
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  answer[#answer + 1] = name
  answer[#answer + 1] = redis.call('HGET', KEYS[2], name) or ''
end
return answer
