-- Give x.id back, to come due at x.due; with an item in its new form, and the attempt counted, if x.item is there.
if not ours(x.id) or redis.call('HEXISTS', ITEMS, x.id) == 0 then return 0 end
if x.item then
  redis.call('HSET', ITEMS, x.id, x.item)
  redis.call('HINCRBY', COUNTERS, 'delivery.retried', 1)
end
if x.under_way then
  -- Who takes it up finds it held, and knows that it may have left.
  redis.call('ZADD', OUTBOX, x.due, x.id)
else
  give_back(x.id, x.due)
end
hasten(x.hasten)
return 1
