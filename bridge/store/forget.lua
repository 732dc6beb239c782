-- Forget executions and finished orders that are older than what is kept, a part of them at a time.
-- KEYS: synced, the executions seen, the finished orders, the open orders, the sizes told of each order, then the hash of each order that may go.
-- ARGV: how long before the floor, in ms, memory is kept; how many executions may go; the ids of these orders.
-- Returns how many executions and how many orders went. Who was told no time is never forgotten.
-- From what is forgotten on nothing older is appended: that bound is kept first, and it only rises.
local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or 0)
local bound = math.max(floor - tonumber(ARGV[1]), tonumber(redis.call('HGET', KEYS[1], 'forgotten') or 0))
if bound <= 0 then return {0, 0} end
redis.call('HSET', KEYS[1], 'forgotten', string.format('%.0f', bound))
local fills = redis.call('ZRANGEBYSCORE', KEYS[2], '(0', string.format('(%.0f', bound), 'LIMIT', 0, ARGV[2])
local function forget_sizes(order) redis.call('HDEL', KEYS[5], order .. ':ws', order .. ':rest') end
for _, identity in ipairs(fills) do
  redis.call('ZREM', KEYS[2], identity)
  local order = string.match(identity, '^[^|]*|([^|]*)|')
  if order and not redis.call('ZSCORE', KEYS[3], order) and redis.call('SISMEMBER', KEYS[4], order) == 0 then
    forget_sizes(order)
  end
end
local orders = 0
for i = 6, #KEYS do
  local at = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[i - 3]) or 0)
  if at > 0 and at < bound then
    redis.call('DEL', KEYS[i])
    redis.call('ZREM', KEYS[3], ARGV[i - 3])
    forget_sizes(ARGV[i - 3])
    orders = orders + 1
  end
end
return {#fills, orders}
