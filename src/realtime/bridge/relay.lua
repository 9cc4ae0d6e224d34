-- Numbers, keeps and publishes events of one group, in this order, all of them or none.
--
-- KEYS: the group's record, its kept events.
-- ARGV: channel, command that publishes, fence, events to keep, milliseconds to keep them, an epoch to begin if numbers
-- were lost, the epoch and the number that the caller saw last, 1 if some may have been published before; and then for
-- each: kind, name, text.
-- Answers the epoch and the last number; nil when nobody has a position in the group.
local record, kept = KEYS[1], KEYS[2]
local channel, publish = ARGV[1], ARGV[2]
local found = redis.call('HMGET', record, 'epoch', 'seq', 'fence')
local epoch, seq = found[1], tonumber(found[2])

if not epoch then
  -- Nobody joined for as long as anybody could come back, or the record was lost. Members, if there are any, look anew.
  for at = 10, #ARGV, 3 do
    if ARGV[at] == 'expelled' then
      redis.call(publish, channel, 'expelled 0 ' .. ARGV[at + 2])
    end
  end
  redis.call(publish, channel, 'unnumbered')
  return false
end
if tonumber(found[3] or '0') > tonumber(ARGV[3]) then
  return redis.error_reply('FENCED ' .. found[3])
end
if ARGV[7] == epoch and seq < tonumber(ARGV[8]) then
  -- Numbers that were given out are gone, as after a failover: they must not be given out again.
  epoch, seq = ARGV[6], 0
  redis.call('DEL', kept)
end
-- Before anything is published: where memory is short this fails, and then nothing has happened.
redis.call('HSET', record, 'epoch', epoch, 'seq', seq, 'fence', ARGV[3])

local known = {}
if ARGV[9] == '1' then
  for _, event in ipairs(redis.call('LRANGE', kept, 0, -1)) do
    known[event:match('^%d+ (%S+)')] = true
  end
end

local first = seq
for at = 10, #ARGV, 3 do
  local kind, name, text = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if kind == 'event' then
    if not known[name] then
      seq = seq + 1
      local event = seq .. ' ' .. text
      local length = redis.call('RPUSH', kept, event)
      if length == 1 then
        redis.call('PEXPIRE', kept, ARGV[5])
      elseif length > tonumber(ARGV[4]) then
        redis.call('LTRIM', kept, -tonumber(ARGV[4]), -1)
      end
      redis.call(publish, channel, 'event ' .. epoch .. ' ' .. event)
    end
  elseif kind == 'state' then
    local older = redis.call('HGET', record, 'state:' .. name)
    if not older or tonumber(older:match('^%-?%d+')) < tonumber(text:match('^%-?%d+')) then
      redis.call('HSET', record, 'state:' .. name, text)
      redis.call(publish, channel, 'state ' .. text)
    end
  elseif kind == 'expelled' then
    local count = redis.call('HINCRBY', record, 'expelled', 1)
    -- One that may come for the second time may find somebody who was let in again: members make sure themselves.
    if ARGV[9] == '1' then
      count = 0
    end
    redis.call(publish, channel, 'expelled ' .. count .. ' ' .. text)
  end
end
if seq > first then
  redis.call('HSET', record, 'seq', seq)
end
return epoch .. ' ' .. seq
