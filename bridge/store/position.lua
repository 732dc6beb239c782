-- Append a position's state if it is a change, and not older than what is known.
-- KEYS: stream, the position's hash, the set of open positions.
-- ARGV: cap, the member of that set, then the entry's names and values in turn.  Returns 1 if appended, else 0.
-- Repeats are no change. A liquidation price alone, or a newer stamp, refreshes the state and not the stream. A
-- position never known and of size 0 is nothing.
local fleeting = {liquidation_price = true, updated_at = true, source = true, received_at = true}
local entry, changed = {}, false
local known = {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do known[flat[i]] = flat[i + 1] end
local fresh = next(known) == nil
for i = 3, #ARGV, 2 do
  entry[ARGV[i]] = ARGV[i + 1]
  changed = changed or (known[ARGV[i]] ~= ARGV[i + 1] and not fleeting[ARGV[i]])
end
local flat_now = tonumber(entry.size) == 0
if fresh and flat_now then return 0 end
if not fresh and tonumber(entry.updated_at) < tonumber(known.updated_at) then return 0 end
if changed then redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3)) end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
if flat_now then redis.call('SREM', KEYS[3], ARGV[2]) else redis.call('SADD', KEYS[3], ARGV[2]) end
return changed and 1 or 0
