-- Append a position's state if it is a change, and not older than what is known.
-- KEYS: stream, the position's hash, the set of open positions.
-- ARGV: cap, the member of that set, then the entry's names and values in turn.  Returns 1 if appended, else 0.
-- Repeats are no change, and what is absent changes nothing. A liquidation price alone, or a newer stamp, refreshes the
-- state and not the stream. REST has no stamp of its own and spells averages its own way: from there only another size,
-- side or mode is a change. A position never known and of size 0 is nothing.
local fleeting = {liquidation_price = true, updated_at = true, source = true, received_at = true}
local telling = {size = true, side = true, margin_mode = true, position_mode = true}
local known = {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do known[flat[i]] = flat[i + 1] end
local said = {}
for i = 3, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end

local fresh, flat_now = next(known) == nil, tonumber(said.size) == 0
if fresh and flat_now then return 0 end
local stamp = tonumber(said.updated_at)
if stamp and stamp < (tonumber(known.updated_at) or 0) then return 0 end

local entry, changed = {}, false
for i = 3, #ARGV, 2 do
  local name, value = ARGV[i], ARGV[i + 1]
  if value == '' then value = known[name] or '' end
  local decides = said.source ~= 'rest' and not fleeting[name] or telling[name] or fresh
  changed = changed or (decides and value ~= known[name])
  entry[#entry + 1] = name
  entry[#entry + 1] = value
end
if changed then redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(entry)) end
if changed or said.source ~= 'rest' then redis.call('HSET', KEYS[2], unpack(entry)) end
if flat_now then redis.call('SREM', KEYS[3], ARGV[2]) else redis.call('SADD', KEYS[3], ARGV[2]) end
return changed and 1 or 0
