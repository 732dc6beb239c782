-- Append a position's state if it is a change, and not older than what is known.
-- KEYS: stream, the set of open positions, synced, and the hashes of the symbol's slots: long, short, both, unknown.
-- ARGV: cap, the slot, then the entry's names and values in turn.
-- Returns 1 if something was appended, else 0.
-- Repeats are no change, and what is absent changes nothing. A liquidation price alone, or a newer stamp, refreshes the
-- state and not the stream. REST has no stamp of its own and spells figures its own way: from there only another size,
-- side or mode is a change, and after it the same and another average. A position never known and of size 0 is nothing.
-- Frames of old leave out the mode: then the one known of the account counts. A symbol has either the slot of one-way
-- mode or those of hedge mode: what is open in the others is closed, for a mode only changes while nothing is open.
local fleeting = {liquidation_price = true, updated_at = true, source = true, received_at = true}
local telling = {size = true, side = true, margin_mode = true, position_mode = true}
local slots = {long = KEYS[4], short = KEYS[5], both = KEYS[6], unknown = KEYS[7]}

local said, names = {}, {}
for i = 3, #ARGV, 2 do
  said[ARGV[i]] = ARGV[i + 1]
  names[#names + 1] = ARGV[i]
end
local stamp, slot, appended = tonumber(said.updated_at), ARGV[2], 0

local function read(key)
  local known, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do known[flat[i]] = flat[i + 1] end
  return known
end

local function older_than(known) return stamp and stamp < (tonumber(known.updated_at) or 0) end

local function append(state)
  local entry = {}
  for _, name in ipairs(names) do
    entry[#entry + 1] = name
    entry[#entry + 1] = state[name]
  end
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(entry))
  appended = 1
end

local function keep(name, state)
  local entry = {}
  for field, value in pairs(state) do
    entry[#entry + 1] = field
    entry[#entry + 1] = value
  end
  redis.call('HSET', slots[name], unpack(entry))
end

local function close_others(others)
  for _, name in ipairs(others) do
    local known = read(slots[name])
    if next(known) and older_than(known) then return false end
    if next(known) and tonumber(known.size) ~= 0 then
      for _, field in ipairs({'updated_at', 'source', 'received_at'}) do
        if said[field] ~= '' then known[field] = said[field] end
      end
      known.size = '0'
      append(known)
      keep(name, known)
      redis.call('SREM', KEYS[2], said.symbol .. ':' .. name)
    end
  end
  return true
end

local mode = redis.call('HGET', KEYS[3], 'mode')
if said.position_mode == 'one_way' or said.position_mode == 'hedge' then
  local current = close_others(slot == 'both' and {'long', 'short', 'unknown'} or {'both'})
  if current and mode ~= said.position_mode then redis.call('HSET', KEYS[3], 'mode', said.position_mode) end
elseif mode then
  said.position_mode = mode
  if mode == 'one_way' then slot = 'both' end
end

local known = read(slots[slot])
local fresh, flat_now = next(known) == nil, tonumber(said.size) == 0
if (fresh and flat_now) or older_than(known) then return appended end

local by_rest, after_rest = said.source == 'rest', known.source == 'rest'
local function differs(name)
  if after_rest and name == 'average_price' then
    local now, before = tonumber(said[name]) or 0, tonumber(known[name]) or 0
    return math.abs(now - before) > 1e-9 * math.max(math.abs(now), math.abs(before))
  end
  return said[name] ~= known[name]
end
local changed = fresh
for _, name in ipairs(names) do
  if said[name] == '' then said[name] = known[name] or '' end
  local decides = telling[name] or (not by_rest and (after_rest and name == 'average_price'))
    or (not by_rest and not after_rest and not fleeting[name])
  changed = changed or (decides and differs(name))
end
if changed then append(said) end
if changed or not by_rest then keep(slot, said) end
local member = said.symbol .. ':' .. slot
if flat_now then redis.call('SREM', KEYS[2], member) else redis.call('SADD', KEYS[2], member) end
return changed and 1 or appended
