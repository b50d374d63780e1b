-- What the outbox' scripts have in common; each is put behind this text, and both behind the names of the keys
-- (storage/outbox.py: OUTBOX, ITEMS, HOLDERS, WAKE, SENSORS, ALARMS, DELIVERED, COUNTERS, LATEST, FLOODS, CHAINS, CANARIES, and the
-- beginnings TOLD, BUCKET, RECENT). They are constants and not KEYS: there is one Redis and no cluster, and to send
-- a dozen names with every call costs more than the call.
-- ARGV  1 a MessagePack map; in it `now`, `lease` (ms), `holder`, and what the script's own head names.
local A_WEEK = 604800
local x = cmsgpack.unpack(ARGV[1])

local function remove(id)
  local there = redis.call('HDEL', ITEMS, id)
  redis.call('ZREM', OUTBOX, id)
  redis.call('HDEL', HOLDERS, id)
  return there
end

local function ours(id)
  return redis.call('HGET', HOLDERS, id) == x.holder
end

local function hold(id, body)
  redis.call('HSET', ITEMS, id, body)
  redis.call('ZADD', OUTBOX, x.now + x.lease, id)
  redis.call('HSET', HOLDERS, id, x.holder)
end

local function give_back(id, due)
  redis.call('ZADD', OUTBOX, due, id)
  redis.call('HDEL', HOLDERS, id)
end

-- records: list of {result, record}
local function record(records)
  for _, entry in ipairs(records or {}) do
    redis.call('XADD', DELIVERED, 'MAXLEN', '~', x.kept, '*', 'delivery', entry[2])
    redis.call('HINCRBY', COUNTERS, 'delivery.' .. entry[1], 1)
  end
end

-- told: list of {alarm:occurrence, contact}
local function tell(told)
  for _, entry in ipairs(told or {}) do
    redis.call('SADD', TOLD .. entry[1], entry[2])
    redis.call('EXPIRE', TOLD .. entry[1], A_WEEK)
  end
end

-- hasten: list of {step, alarm:occurrence or ''}: an alarm there forbids it if anybody has been told of it
local function hasten(steps)
  for _, entry in ipairs(steps or {}) do
    local due = tonumber(redis.call('ZSCORE', OUTBOX, entry[1]) or '')
    local enough = entry[2] ~= '' and redis.call('SCARD', TOLD .. entry[2]) > 0
    if due and due > x.now and not enough then
      redis.call('ZADD', OUTBOX, x.now, entry[1])
      redis.call('LPUSH', WAKE, '1')
      redis.call('LTRIM', WAKE, 0, 15)
    end
  end
end

-- How a chain stopped: chain is {alarm, text}; without a text it is forgotten. So it is if the alarm is normal by now:
-- what it says is of use while the alarm stands, and the commit that ends that takes it away.
local function stopped(chain)
  if not chain then return end
  if chain[2] == '' or redis.call('HEXISTS', ALARMS, chain[1]) == 0 then
    redis.call('HDEL', CHAINS, chain[1])
  else
    redis.call('HSET', CHAINS, chain[1], chain[2])
  end
end
