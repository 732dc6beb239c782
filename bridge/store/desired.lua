-- Change one owner's wishes and the union of all, count the change, and wake the ingesters: all or nothing.
-- KEYS: desired, rev, owners, by:<owner>, then by:<other> for every other owner the caller knows of.
-- ARGV: owner, channel to wake, how many other owners are named, those owners, how many to add, those, then either
-- `remove` and those to remove, or `replace`: all that the owner wanted and that is not added goes.
-- Returns {revision, {removed ...}, {of these still wanted by others ...}}; {-1} if there are owners that the caller
-- did not name.
local others = tonumber(ARGV[3])
local named = {[ARGV[1]] = true}
for i = 1, others do named[ARGV[3 + i]] = true end
for _, owner in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if not named[owner] then return {-1} end
end

local first = 4 + others
local last = first + tonumber(ARGV[first])
local held, added, removed, still = redis.call('SMEMBERS', KEYS[4]), {}, {}, {}
for i = first + 1, last do
  added[ARGV[i]] = true
  redis.call('SADD', KEYS[1], ARGV[i])
  redis.call('SADD', KEYS[4], ARGV[i])
end
if ARGV[last + 1] == 'replace' then
  for _, topic in ipairs(held) do
    if not added[topic] then removed[#removed + 1] = topic end
  end
else
  for i = last + 2, #ARGV do removed[#removed + 1] = ARGV[i] end
end
for _, topic in ipairs(removed) do
  local wanted = false
  redis.call('SREM', KEYS[4], topic)
  for k = 5, #KEYS do wanted = wanted or redis.call('SISMEMBER', KEYS[k], topic) == 1 end
  if wanted then still[#still + 1] = topic else redis.call('SREM', KEYS[1], topic) end
end
local revision = redis.call('INCR', KEYS[2])
if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('SADD', KEYS[3], ARGV[1])
else redis.call('SREM', KEYS[3], ARGV[1]) end
redis.call('PUBLISH', ARGV[2], revision)
return {revision, removed, still}
