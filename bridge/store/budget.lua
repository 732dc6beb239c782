-- Reserve the next call to the exchange for one of those who share an address.
-- KEYS: when the next call may leave, in the server's ms.  ARGV: ms between calls, ms for which nobody may call from now.
-- Returns how many ms the caller has to wait for its turn. With a ban no turn is reserved.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local turn = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local ban = tonumber(ARGV[2])
local next_turn = ban > 0 and math.max(turn, now + ban) or turn + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', next_turn), 'PX', string.format('%.0f', next_turn - now + 60000))
return turn - now
