-- Move an entry that nobody could process to the dead letters, in one step.
-- KEYS: stream, dead letters.  ARGV: group, id, consumer, tries, reason, cap.
-- Returns 1 if moved; 0 if it is nobody's any more; -1 if it was trimmed, so that only its place is given up.
local id = ARGV[2]
if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) == 0 then return 0 end
local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
if entry then
  local now = redis.call('TIME')
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*',
    'dead_stream', KEYS[1], 'dead_id', id, 'dead_group', ARGV[1], 'dead_consumer', ARGV[3], 'dead_tries', ARGV[4],
    'dead_reason', ARGV[5], 'dead_at', now[1] * 1000 + math.floor(now[2] / 1000), unpack(entry[2]))
end
redis.call('XACK', KEYS[1], ARGV[1], id)
return entry and 1 or -1
