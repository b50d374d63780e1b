-- Remove x.id and record its end, together.
--   guarded   only if it is ours: another holder may be about to succeed
--   records, told, hasten, chain as above; untold: list of {alarm:occurrence, contact}
--   falls     {id, item}: what is tried in its place, ours from the beginning
-- Returns 1, 0 if it was there no more (it has left twice), -1 if it is not ours.
if x.guarded and not ours(x.id) then return -1 end
local there = remove(x.id)
record(x.records)
if there == 0 then redis.call('HINCRBY', COUNTERS, 'delivery.repeated', 1) end
for _, entry in ipairs(x.untold or {}) do redis.call('SREM', TOLD .. entry[1], entry[2]) end
if x.falls then
  hold(x.falls[1], x.falls[2])
  redis.call('HINCRBY', COUNTERS, 'delivery.fell-through', 1)
end
tell(x.told)
hasten(x.hasten)
stopped(x.chain)
return there
