-- Change one owner's wishes and the union of all, count the change, and wake the ingesters: all or nothing.
-- KEYS: desired, rev, owners, by:<owner>, then by:<other> for every other owner the caller knows of.
-- ARGV: owner, channel to wake, how many other owners are named, those owners, how many to add, those, those to remove.
-- Returns {revision, topics still wanted by others ...}; {-1} if there are owners that the caller did not name.
local others = tonumber(ARGV[3])
local named = {[ARGV[1]] = true}
for i = 1, others do named[ARGV[3 + i]] = true end
for _, owner in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if not named[owner] then return {-1} end
end

local first = 4 + others
local last = first + tonumber(ARGV[first])
for i = first + 1, last do
  redis.call('SADD', KEYS[1], ARGV[i])
  redis.call('SADD', KEYS[4], ARGV[i])
end
local answer = {redis.call('INCR', KEYS[2])}
for i = last + 1, #ARGV do
  local topic, wanted = ARGV[i], false
  redis.call('SREM', KEYS[4], topic)
  for k = 5, #KEYS do wanted = wanted or redis.call('SISMEMBER', KEYS[k], topic) == 1 end
  if wanted then answer[#answer + 1] = topic else redis.call('SREM', KEYS[1], topic) end
end
if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('SADD', KEYS[3], ARGV[1])
else redis.call('SREM', KEYS[3], ARGV[1]) end
redis.call('PUBLISH', ARGV[2], answer[1])
return answer
