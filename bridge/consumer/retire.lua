-- Remove consumers that have been silent for long; one that holds entries stays, for they would be lost with it.
-- KEYS: stream.  ARGV: group, least idle ms, who asks.  Returns the names of those removed.
local removed = {}
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local told = {}
  for i = 1, #consumer, 2 do told[consumer[i]] = consumer[i + 1] end
  if told.pending == 0 and told.idle >= tonumber(ARGV[2]) and told.name ~= ARGV[3] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], told.name)
    removed[#removed + 1] = told.name
  end
end
return removed
