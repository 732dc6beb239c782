-- Append what is nobody's state: an event, or a marker. Such entries are at-least-once.
-- KEYS: stream.  ARGV: cap, then the entry's names and values in turn.  Returns 1.
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
return 1
