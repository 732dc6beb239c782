-- Append a closed candle to its stream if it is exactly the next one.
-- KEYS: stream.  ARGV: cap, how (`next`, `start` or `jump`), a period in ms, then the entry's names and values in turn.
-- Returns 1 if appended; 0 if that period or a later one is there already; -1 if others are missing before it.
-- `start` may begin an empty stream, `jump` may leave out periods; each is somebody's explicit decision.
-- Entries that somebody deleted stay deleted: a stream takes no id again that it once had.
local open = tonumber(ARGV[4 + 9])
local period = tonumber(ARGV[3])

local function top()
  if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
  local told = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #told, 2 do
    if told[i] == 'last-generated-id' then return tonumber(string.match(told[i + 1], '^%d+')) end
  end
end

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local newest = last and tonumber(string.match(last[1], '^%d+')) or top()
if newest then
  if last and open > newest + period then newest = top() end
  if open <= newest then return 0 end
  local may_leave_out = ARGV[2] == 'jump' or (ARGV[2] == 'start' and not last)
  if open ~= newest + period and not may_leave_out then return -1 end
elseif ARGV[2] == 'next' then
  return -1
end
local command = {'XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[4 + 9] .. '-0', unpack(ARGV, 4)}
local reply = redis.pcall(unpack(command))
if type(reply) == 'table' and reply.err then
  if (top() or -1) >= open then return 0 end
  redis.call(unpack(command))
end
return 1
