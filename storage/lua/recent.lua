-- Returns {alarms of x.zone in the period, its flood}
local recent = RECENT .. x.zone
redis.call('ZREMRANGEBYSCORE', recent, '-inf', x.now - x.period)
return {redis.call('ZCARD', recent), redis.call('HGET', FLOODS, x.zone) or ''}
