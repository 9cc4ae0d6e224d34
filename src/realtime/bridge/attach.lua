-- Tells where a group stands, begins its numbering if there is none, and keeps it alive.
--
-- KEYS: the group's record, its kept events, who is present on each instance.
-- ARGV: channel, command that publishes, an epoch to begin, milliseconds to keep it; and the epoch, the number and the
-- id of the last event that the caller has, each empty if it has none.
-- Answers: the epoch, the last number, 1 if the events are exactly those that the caller has not (0 if they are the
-- latest that are kept), the events, the record, who is present.
local record, kept, present = KEYS[1], KEYS[2], KEYS[3]
local found = redis.call('HMGET', record, 'epoch', 'seq')
local epoch, seq = found[1], tonumber(found[2])
local continues = epoch and epoch == ARGV[5]
local last = tonumber(ARGV[6]) or 0

if continues then
  local lost = seq < last
  if not lost and last > 0 and ARGV[7] ~= '' then
    local event = redis.call('LINDEX', kept, last - seq - 1)
    lost = event and event:match('^%d+ (%S+)') ~= ARGV[7]
  end
  if lost then
    -- The caller has events that Redis has not, or others under the same numbers, as after a failover.
    epoch, continues = false, false
    redis.call(ARGV[2], ARGV[1], 'unnumbered')
  end
end
if not epoch then
  epoch, seq = ARGV[3], 0
  redis.call('DEL', kept)
  redis.call('HSET', record, 'epoch', epoch, 'seq', 0)
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[4])
end

local events = {}
if continues and seq - last > redis.call('LLEN', kept) then
  continues = false
end
if not continues then
  events = redis.call('LRANGE', kept, 0, -1)
elseif seq > last then
  events = redis.call('LRANGE', kept, last - seq, -1)
end
-- The latest, as far as an answer may be long: Redis ends a connection for which too much waits.
local size = 0
for at = #events, 1, -1 do
  size = size + #events[at]
  if size > 524288 and at < #events then
    events = { unpack(events, at + 1) }
    continues = false
    break
  end
end
return { epoch, seq, continues and 1 or 0, events, redis.call('HGETALL', record), redis.call('HGETALL', present) }
