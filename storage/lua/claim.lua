-- Take up to x.most due entries. Whoever takes all that is due takes the wake-up calls with it: they were about that.
-- A message that somebody still holds, though the lease is over, may have left already: those are counted.
-- Returns {{id, item, sensor, alarm, told, taken over}, ...}, due time of the next entry
local due = redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', x.now, 'LIMIT', 0, x.most)
local claimed = {}
for n, id in ipairs(due) do
  redis.call('ZADD', OUTBOX, x.now + x.lease, id)
  local taken_over = redis.call('HSET', HOLDERS, id, x.holder) == 0
  local item = redis.call('HGET', ITEMS, id) or ''
  local entry = {id, item, '', '', {}, 0}
  local kind, alarm, occurrence = string.match(id, '^(%a+):([^:]*):?(%d*)')
  if kind == 'page' or kind == 'step' or kind == 'send' then
    local zone, site, sensor = string.match(alarm, '^([^.]+)%.([^.]+)%.([^.]+)')
    entry[3] = zone and redis.call('HGET', SENSORS, zone .. '/' .. site .. '/' .. sensor) or ''
    entry[4] = redis.call('HGET', ALARMS, alarm) or ''
    if kind ~= 'send' then entry[5] = redis.call('SMEMBERS', TOLD .. alarm .. ':' .. occurrence) end
  end
  if taken_over and (kind == 'send' or kind == 'group') then
    entry[6] = 1
    redis.call('HINCRBY', COUNTERS, 'delivery.taken-over', 1)
  end
  claimed[n] = entry
end
if #due < x.most then redis.call('DEL', WAKE) end
local first = redis.call('ZRANGE', OUTBOX, 0, 0, 'WITHSCORES')
return {claimed, first[2] or ''}
