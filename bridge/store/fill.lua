-- Append an execution if it was never seen.
-- KEYS: stream, the sorted set of those seen, synced, the sizes told of each order, the order's hash.
-- ARGV: cap, then the entry's names and values in turn.
-- Returns 1 if appended; 0 if it was seen; -1 if REST's executions alone count; -2 if what the socket and what REST told
-- of the order is more than it has traded: then one of them must be the other under another number.
-- Identity is symbol, order and trade id together.
-- Below the floor nobody is told any more by REST, and below what is forgotten by nobody: who was seen there is unknown.
local entry = {}
for i = 2, #ARGV, 2 do entry[ARGV[i]] = ARGV[i + 1] end
local identity = entry.symbol .. '|' .. entry.order_id .. '|' .. entry.trade_id
if redis.call('ZSCORE', KEYS[2], identity) then return 0 end
local at = tonumber(entry.traded_at) or 0
local bound = redis.call('HGET', KEYS[3], entry.source == 'rest' and 'floor' or 'forgotten')
if at > 0 and at < (tonumber(bound) or 0) then return 0 end
if entry.source ~= 'rest' and redis.call('HGET', KEYS[3], 'fills') == 'rest' then return -1 end
local own = entry.order_id .. (entry.source == 'rest' and ':rest' or ':ws')
local others = entry.order_id .. (entry.source == 'rest' and ':ws' or ':rest')
local told = redis.call('HMGET', KEYS[4], own, others)
local filled = tonumber(redis.call('HGET', KEYS[5], 'filled_size') or 0)
local sum = (tonumber(told[1]) or 0) + (tonumber(told[2]) or 0) + tonumber(entry.size)
if told[2] and filled > 0 and sum > filled * 1.000000001 then return -2 end
redis.call('HINCRBYFLOAT', KEYS[4], own, entry.size)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
redis.call('ZADD', KEYS[2], at, identity)
return 1
