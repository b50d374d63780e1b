-- Hold on to x.ids, as far as they are ours.
for _, id in ipairs(x.ids) do
  if ours(id) then redis.call('ZADD', OUTBOX, 'XX', x.now + x.lease, id) end
end
return 1
