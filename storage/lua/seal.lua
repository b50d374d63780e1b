-- Make one message of what a bucket (x.bucket, ours) holds; what has come since stays and gathers on.
--   seat, ids (exactly what the message speaks of, and what can't be read), item if there is a message, records, window
-- Returns the id of the message, '' if the bucket is not ours any more or held none of them.
if not ours(x.bucket) then return '' end
local taken = 0
for first = 1, #x.ids, 1000 do
  taken = taken + redis.call('HDEL', BUCKET .. x.seat, unpack(x.ids, first, math.min(first + 999, #x.ids)))
end
local id = ''
if taken > 0 and x.item then
  id = 'group:' .. x.seat .. ':' .. redis.call('HINCRBY', COUNTERS, 'delivery.groups', 1)
  hold(id, x.item)
  redis.call('HSET', LATEST, x.seat, x.now)
end
if taken > 0 then record(x.records) end
if redis.call('HLEN', BUCKET .. x.seat) > 0 then
  give_back(x.bucket, x.now + x.window)
else
  remove(x.bucket)
end
return id
