-- Join what is said of an order with what is known, and append the result if the knowledge grew.
-- KEYS: stream, the order's hash, the set of open orders, the sorted set of finished ones, synced.  ARGV: cap, then the entry's names and values in turn.
-- Returns 1 if appended, else 0.
-- A finished order of which nothing is known, and that is older than what is kept, is one that was forgotten.
-- Progress never falls: accepted < open < finished, and filled_size only grows. Everything else follows the newer
-- updated_at; what is absent (an empty string, or unknown) changes nothing. The raw state goes with the status; one that
-- has no name changes no status and is passed on once.
local rank = {accepted = 1, open = 2, partially_filled = 2, filled = 3, canceled = 3, triggered = 3}
local descriptive = {'client_order_id', 'side', 'position_side', 'reduce_only', 'order_type', 'price', 'size',
  'leverage', 'margin_mode', 'position_mode', 'plan_order_id', 'side_code'}

local said, names = {}, {}
for i = 2, #ARGV, 2 do
  said[ARGV[i]] = ARGV[i + 1]
  names[#names + 1] = ARGV[i]
end
local known = {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do known[flat[i]] = flat[i + 1] end

local joined, grew = {}, next(known) == nil
if grew and rank[said.status] == 3 then
  local bound = redis.call('HGET', KEYS[5], said.source == 'rest' and 'floor' or 'forgotten')
  local stamp = tonumber(said.updated_at) or 0
  if stamp > 0 and stamp < (tonumber(bound) or 0) then return 0 end
end
for _, name in ipairs(names) do joined[name] = said[name] end
if not grew then
  local newer = (tonumber(said.updated_at) or 0) > (tonumber(known.updated_at) or 0)
  for _, name in ipairs(descriptive) do
    local absent = said[name] == '' or said[name] == 'unknown'
    local unknown = known[name] == '' or known[name] == 'unknown'
    if absent or not (newer or unknown) then joined[name] = known[name] end
    grew = grew or joined[name] ~= known[name]
  end
  local rank_said, rank_known = rank[said.status] or 0, rank[known.status] or 0
  local filled_said, filled_known = tonumber(said.filled_size), tonumber(known.filled_size)
  if rank_said < rank_known or (rank_said == rank_known and not newer) then
    joined.status = known.status
    if rank_said > 0 or not newer then joined.state = known.state end
  end
  if filled_said < filled_known or (filled_said == filled_known and not newer) then
    joined.filled_size, joined.average_price = known.filled_size, known.average_price
  elseif filled_said == filled_known and said.average_price == '' then
    joined.average_price = known.average_price
  end
  grew = grew or rank_said > rank_known or filled_said > filled_known
    or joined.average_price ~= known.average_price or (rank_said == 0 and joined.state ~= known.state)
  if not newer then joined.updated_at = known.updated_at end
  if known.created_at ~= '' then joined.created_at = known.created_at end
end
if not grew then
  -- The stamp is kept all the same: what is older than this must not pass for news later.
  redis.call('HSET', KEYS[2], 'updated_at', joined.updated_at, 'state', joined.state, 'created_at', joined.created_at)
  if rank[known.status] == 3 then redis.call('ZADD', KEYS[4], 'GT', tonumber(joined.updated_at) or 0, said.order_id) end
  return 0
end

local filled, size = tonumber(joined.filled_size), tonumber(joined.size) or 0
if size > 0 and filled >= size then joined.status = 'filled'
elseif rank[joined.status] and rank[joined.status] < 3 and filled > 0 then joined.status = 'partially_filled' end

local entry = {}
for _, name in ipairs(names) do
  entry[#entry + 1] = name
  entry[#entry + 1] = joined[name]
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(entry))
redis.call('HSET', KEYS[2], unpack(entry))
if rank[joined.status] == 3 then
  redis.call('SREM', KEYS[3], joined.order_id)
  redis.call('ZADD', KEYS[4], tonumber(joined.updated_at) or 0, joined.order_id)
else redis.call('SADD', KEYS[3], joined.order_id) end
return 1
