-- Move the flood of x.zone from x.before to x.after ('' is none), unless somebody else has moved it.
--   watch    {id, item, due}: when to look again, while it lasts
--   buckets  list of {id, item}: what has gathered for it leaves now, at its end
-- Returns 1, or 0 if it was somebody else.
if (redis.call('HGET', FLOODS, x.zone) or '') ~= x.before then return 0 end
if x.after == '' then
  redis.call('HDEL', FLOODS, x.zone)
  remove(x.watch[1])
else
  redis.call('HSET', FLOODS, x.zone, x.after)
  redis.call('HSET', ITEMS, x.watch[1], x.watch[2])
  give_back(x.watch[1], x.watch[3])
end
for _, bucket in ipairs(x.buckets) do
  if redis.call('HEXISTS', ITEMS, bucket[1]) == 1 then
    redis.call('HSET', ITEMS, bucket[1], bucket[2])
    if redis.call('HEXISTS', HOLDERS, bucket[1]) == 0 then redis.call('ZADD', OUTBOX, x.now, bucket[1]) end
  end
end
record(x.records)
return 1
