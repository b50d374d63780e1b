-- Replace a page or a step (x.id) by what comes of it, once: whoever comes second finds it gone.
--   sends    list of {id, item}: leave at once
--   members  list of {id, item, zone, channel, bucket item, urgent, wait}: leave at once, or gather in their bucket
--   follows  {id, item, due}: the chain's next call
--   counted  {zone, period}: count the page as an alarm of its zone
--   window, summary (ms); records, told, chain as above
-- Returns {ids that are ours, ids that gather, alarms in the period, the zone's flood}
if redis.call('HDEL', ITEMS, x.id) == 0 then return {} end
redis.call('ZREM', OUTBOX, x.id)
redis.call('HDEL', HOLDERS, x.id)
local claimed, gathered = {}, {}

local function leave(id, item)
  if redis.call('HEXISTS', ITEMS, id) == 0 then
    hold(id, item)
    claimed[#claimed + 1] = id
  end
end

-- When a message that is not urgent may leave; in a flood, always with others.
local function free_at(seat, flooded, wait)
  local latest = tonumber(redis.call('HGET', LATEST, seat) or '')
  local free = x.now + math.max(wait, flooded and x.window or 0)
  -- A latest one of the future is a clock that was put back: nobody waits until it has caught up.
  if latest then free = math.max(free, math.min(latest, x.now) + (flooded and x.summary or x.window)) end
  return free
end

local function place(member)
  local id, item, zone, channel, bucket_item, urgent, wait = unpack(member)
  local seat = zone .. ':' .. channel
  local bucket = 'bucket:' .. seat
  local waiting = tonumber(redis.call('ZSCORE', OUTBOX, bucket) or '')
  local flooded = redis.call('HEXISTS', FLOODS, zone) == 1
  local free = urgent and x.now or free_at(seat, flooded, wait)
  if urgent or (free <= x.now and not waiting) then
    -- Summaries of a flood keep their pace, whatever leaves between them.
    if not flooded then redis.call('HSET', LATEST, seat, x.now) end
    return leave(id, item)
  end
  redis.call('HSETNX', BUCKET .. seat, id, item)
  gathered[#gathered + 1] = id
  if not waiting then
    redis.call('HSET', ITEMS, bucket, bucket_item)
    redis.call('ZADD', OUTBOX, free, bucket)
  elseif free < waiting and redis.call('HEXISTS', HOLDERS, bucket) == 0 then
    redis.call('ZADD', OUTBOX, free, bucket)
  end
end

for _, send in ipairs(x.sends) do leave(send[1], send[2]) end
for _, member in ipairs(x.members) do place(member) end
if x.follows then
  redis.call('HSET', ITEMS, x.follows[1], x.follows[2])
  redis.call('ZADD', OUTBOX, x.follows[3], x.follows[1])
end
record(x.records)
tell(x.told)
stopped(x.chain)
local counted, flood = 0, ''
if x.counted then
  local recent = RECENT .. x.counted[1]
  redis.call('ZADD', recent, x.now, x.id)
  redis.call('ZREMRANGEBYSCORE', recent, '-inf', x.now - x.counted[2])
  redis.call('PEXPIRE', recent, x.counted[2])
  counted = redis.call('ZCARD', recent)
  flood = redis.call('HGET', FLOODS, x.counted[1]) or ''
end
return {claimed, gathered, counted, flood}
