-- Commit of a shard's work, all or nothing: batches taken, records, alarms, journal, outbox.
-- KEYS  1 inbox 2 consumed 3 series 4 alarms 5 journal 6 outbox 7 outbox items 8 outbox wake 9 acted
--       10 statistics 11 results 12 corrections 13 flows late 14 chains
-- ARGV  1 a MessagePack map:
--         take      number of batches at the inbox's head that this work has evaluated (0: none)
--         consumed  count of batches consumed before, compared if take > 0
--         acted     whether a person did this, so that the worker has to look again
--         records   list of {series, version the work began from, new version, record}
--         alarms    list of {alarm, snapshot} (an empty snapshot removes it)
--         untold    list of alarms that people are not being told of: how the chains of their pages stopped is forgotten
--         journal   list of {alarm, transition}; journal_length bounds the stream
--         trace     what the key of an alarm's own list of its entries begins with; trace_length and trace_seconds bound it
--         pages     list of {delivery id, item}; now is their due time
--         saved     list of {series, state of its statistics}
--         results   means that were completed, one text ("" if none); results_length bounds the stream
--         missed    list of blocks to be made again
--         delayed   list of hours of meters to be settled again
-- Returns {} when committed; otherwise {"inbox"} or {"series", name, ...} and nothing has changed.
local work = cmsgpack.unpack(ARGV[1])
if work.take > 0 and (tonumber(redis.call('GET', KEYS[2]) or '0')) ~= work.consumed then
  return {'inbox'}
end
local names, fields, conflicts = {}, {}, {}
for n, entry in ipairs(work.records) do
  names[n] = entry[1]
  fields[2 * n - 1] = entry[1]
  fields[2 * n] = entry[3] .. ' ' .. entry[4]
end
-- In portions: Lua's stack has an end.
for first = 1, #names, 1000 do
  local last = math.min(first + 999, #names)
  for n, stored in ipairs(redis.call('HMGET', KEYS[3], unpack(names, first, last))) do
    local entry = work.records[first + n - 1]
    local version = stored and tonumber(string.match(stored, '^%d+')) or 0
    if version ~= entry[2] then conflicts[#conflicts + 1] = entry[1] end
  end
end
if #conflicts > 0 then
  return {'series', unpack(conflicts, 1, 1000)}
end
for first = 1, #fields, 2000 do
  redis.call('HSET', KEYS[3], unpack(fields, first, math.min(first + 1999, #fields)))
end
for _, entry in ipairs(work.alarms) do
  if entry[2] == '' then
    redis.call('HDEL', KEYS[4], entry[1])
  else
    redis.call('HSET', KEYS[4], entry[1], entry[2])
  end
end
for _, alarm in ipairs(work.untold) do
  redis.call('HDEL', KEYS[14], alarm)
end
for _, entry in ipairs(work.journal) do
  local id = redis.call('XADD', KEYS[5], 'MAXLEN', '~', work.journal_length, '*', 'transition', entry[2])
  local trace = work.trace .. entry[1]
  redis.call('LPUSH', trace, id)
  redis.call('LTRIM', trace, 0, work.trace_length - 1)
  redis.call('EXPIRE', trace, work.trace_seconds)
end
for _, page in ipairs(work.pages) do
  redis.call('HSET', KEYS[7], page[1], page[2])
  redis.call('ZADD', KEYS[6], work.now, page[1])
end
if #work.pages > 0 then
  redis.call('LPUSH', KEYS[8], '1')
  redis.call('LTRIM', KEYS[8], 0, 15)
end
for _, entry in ipairs(work.saved) do
  redis.call('HSET', KEYS[10], entry[1], entry[2])
end
if work.results ~= '' then
  redis.call('XADD', KEYS[11], 'MAXLEN', '~', work.results_length, '*', 'results', work.results)
end
for _, block in ipairs(work.missed) do
  redis.call('HSETNX', KEYS[12], block, work.now)
end
for _, block in ipairs(work.delayed) do
  local since = string.match(redis.call('HGET', KEYS[13], block) or '', '^%d+') or string.format('%.0f', work.now)
  redis.call('HSET', KEYS[13], block, since .. ' ' .. string.format('%.0f', work.now))
end
if work.acted then
  redis.call('INCR', KEYS[9])
end
if work.take > 0 then
  redis.call('LTRIM', KEYS[1], work.take, -1)
  redis.call('INCRBY', KEYS[2], work.take)
end
return {}
