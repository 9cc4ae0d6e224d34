-- Notes a session of a user, and tells which ones are to give way because there are too many.
--
-- KEYS: the user's sessions, by the time at which they came.
-- ARGV: channel of all instances, how many a user may have, milliseconds to keep the note, what to say to the instances
-- (before and after the session's id), the session, and the instances that live.
-- Each session is noted as `<instance>/<session>`.
local living = {}
for at = 7, #ARGV do
  living[ARGV[at]] = true
end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'NX', now[1] * 1000 + math.floor(now[2] / 1000), ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local count = redis.call('ZCARD', KEYS[1])
if count <= tonumber(ARGV[2]) then
  return 0
end
for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if not living[session:match('^[^/]+')] then
    redis.call('ZREM', KEYS[1], session)
    count = count - 1
  end
end
local over = count - tonumber(ARGV[2])
if over <= 0 then
  return 0
end
for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, over - 1)) do
  redis.call('ZREM', KEYS[1], session)
  redis.call('PUBLISH', ARGV[1], ARGV[4] .. session:match('[^/]+$') .. ARGV[5])
end
return over
