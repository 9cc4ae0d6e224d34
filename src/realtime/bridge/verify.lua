-- Begins a group's numbering anew if numbers that were given out are gone, as after a crash of a Redis that had not kept
-- them yet, or a failover. Otherwise somebody might come back to a position that is behind, and be told that it is the last.
--
-- KEYS: the group's record, its kept events.
-- ARGV: channel, command that publishes, an epoch to begin, the epoch and the number that the caller was given last.
-- Answers 1 if it was so.
local found = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if found[1] ~= ARGV[4] or tonumber(found[2]) >= tonumber(ARGV[5]) then
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'seq', 0)
redis.call('DEL', KEYS[2])
redis.call(ARGV[2], ARGV[1], 'unnumbered')
return 1
