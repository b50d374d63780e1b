-- Note that the canary x.item of x.zone has come through; a later one that has taken its place stays.
redis.call('HSET', CANARIES, x.zone, x.noted)
if redis.call('HGET', ITEMS, x.id) == x.item then remove(x.id) end
return 1
