-- Take over entries that another consumer has held for too long, without counting that as a delivery.
-- KEYS: stream.  ARGV: group, consumer, least idle ms, where to go on, most entries.
-- Returns where to go on, the ids taken over, and the ids of those that were trimmed meanwhile.
return redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'JUSTID')
