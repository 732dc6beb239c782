-- Append a candle's state if it is newer than the last one in the stream.
-- KEYS: stream, newest.  ARGV: cap, then the entry's values, `type` and `v` left out.  Returns 1 if appended, else 0.
-- Newer is: a later period; or the same period, not closed, with more volume, or with the same volume and a wider
-- range, another close, or the word that it is closed. Nothing follows closed=1 of a period.
-- Asking for the newest state and keeping this one in its place is one command: nearly always this one is newer.
local opened, high, low, close, volume, closed = ARGV[4], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local state = opened .. ' ' .. closed .. ' ' .. volume .. ' ' .. high .. ' ' .. low .. ' ' .. close
local newest = redis.call('SET', KEYS[2], state, 'GET')
if newest then
  local opened_before, closed_before, volume_before = string.match(newest, '^(%S+) (%S+) (%S+)')
  local ahead = opened == opened_before and 0 or tonumber(opened) - tonumber(opened_before)
  local old = ahead < 0
  if ahead == 0 then
    local grown = tonumber(volume) - tonumber(volume_before)
    old = closed_before == '1' or grown < 0
    if grown == 0 and closed == closed_before then
      local high_before, low_before, close_before = string.match(newest, '(%S+) (%S+) (%S+)$')
      local higher, lower = tonumber(high) - tonumber(high_before), tonumber(low_before) - tonumber(low)
      old = old or higher < 0 or lower < 0 or (higher == 0 and lower == 0 and close == close_before)
    end
  end
  if old then
    redis.call('SET', KEYS[2], newest)
    return 0
  end
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'type', 'kline', 'v', '1', 'symbol', ARGV[2],
  'timeframe', ARGV[3], 'open_time', opened, 'close_time', ARGV[5], 'open', ARGV[6], 'high', high, 'low', low,
  'close', close, 'volume', volume, 'closed', closed, 'source', ARGV[12], 'received_at', ARGV[13])
return 1
