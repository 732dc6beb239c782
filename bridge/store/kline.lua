-- Append a candle's state if it is newer than the last one in the stream.
-- KEYS: stream, last.  ARGV: cap, then the entry's names and values in turn.  Returns 1 if appended, else 0.
-- Newer is: a later period; or the same period, not closed, with more volume, or with the same volume and a wider
-- range, another close, or the word that it is closed. Nothing follows closed=1 of a period.
local entry = {}
for i = 2, #ARGV, 2 do entry[ARGV[i]] = ARGV[i + 1] end
local last = redis.call('HMGET', KEYS[2], 'open_time', 'closed', 'volume', 'high', 'low', 'close')
if last[1] then
  local ahead = tonumber(entry.open_time) - tonumber(last[1])
  if ahead < 0 then return 0 end
  if ahead == 0 then
    if last[2] == '1' then return 0 end
    local grown = tonumber(entry.volume) - tonumber(last[3])
    if grown < 0 then return 0 end
    if grown == 0 and entry.closed == last[2] then
      local high, low = tonumber(entry.high) - tonumber(last[4]), tonumber(entry.low) - tonumber(last[5])
      if high < 0 or low > 0 then return 0 end
      if high == 0 and low == 0 and entry.close == last[6] then return 0 end
    end
  end
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
redis.call('HSET', KEYS[2], 'open_time', entry.open_time, 'closed', entry.closed, 'volume', entry.volume,
  'high', entry.high, 'low', entry.low, 'close', entry.close)
return 1
