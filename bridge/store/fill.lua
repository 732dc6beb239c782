-- Append an execution if it was never seen.
-- KEYS: stream, the sorted set of those seen.  ARGV: cap, then the entry's names and values in turn.
-- Returns 1 if appended, else 0.  Identity is symbol, order and trade id together.
local entry = {}
for i = 2, #ARGV, 2 do entry[ARGV[i]] = ARGV[i + 1] end
local identity = entry.symbol .. '|' .. entry.order_id .. '|' .. entry.trade_id
if redis.call('ZSCORE', KEYS[2], identity) then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
redis.call('ZADD', KEYS[2], tonumber(entry.traded_at) or 0, identity)
return 1
