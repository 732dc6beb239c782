-- Remove consumers that have been silent for long; one that holds entries stays, for they would be lost with it.
-- KEYS: stream.  ARGV: group, least idle ms, who asks.  Returns the names of those removed.
local removed = {}
local listed = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if listed.err then
  -- Nobody has read the stream as this group yet, or nobody has written it.
  if string.find(listed.err, 'NOGROUP') or string.find(listed.err, 'no such key') then return removed end
  return listed
end
for _, consumer in ipairs(listed) do
  local told = {}
  for i = 1, #consumer, 2 do told[consumer[i]] = consumer[i + 1] end
  if told.pending == 0 and told.idle >= tonumber(ARGV[2]) and told.name ~= ARGV[3] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], told.name)
    removed[#removed + 1] = told.name
  end
end
return removed
