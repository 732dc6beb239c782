-- Append a closed candle to its stream if it is exactly the next one.
-- KEYS: stream.  ARGV: cap, how (`next`, `start` or `jump`), a period in ms, then the entry's names and values in turn.
-- Returns 1 if appended; 0 if that period or a later one is there already; -1 if others are missing before it.
-- `start` may begin an empty stream, `jump` may leave out periods; each is somebody's explicit decision.
local open = tonumber(ARGV[4 + 9])
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
  local ahead = open - tonumber(string.match(last[1], '^%d+'))
  if ahead <= 0 then return 0 end
  if ahead ~= tonumber(ARGV[3]) and ARGV[2] ~= 'jump' then return -1 end
elseif ARGV[2] == 'next' then
  return -1
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[4 + 9] .. '-0', unpack(ARGV, 4))
return 1
