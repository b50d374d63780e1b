"""How often somebody may try to log in: counted in Redis, for a user name from an address, and for an address.

An attempt is counted before the password is checked, so that many at the same time are no way around; a right
password takes back what was counted for that name. Names are never counted by themselves: nobody can lock an operator
out from another address.
"""

from __future__ import annotations

import hashlib

import redis

from storage import names

WINDOW = 15 * 60_000
"""How long attempts are counted, ms, from the first."""
MOST_PER_NAME = 5
"""Failures of one user name from one address in that time."""
MOST_PER_ADDRESS = 30
"""Failures from one address in that time."""

# KEYS: name at address, address. ARGV: window, most for each. Returns ms to wait; 0: counted, go on.
_TAKE = """
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i + 1]) then
    wait = math.max(wait, redis.call('PTTL', key), 1)
  end
end
if wait == 0 then
  for _, key in ipairs(KEYS) do
    if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  end
end
return wait
"""

# What was counted for the name is taken back from the address as well, and no more: whoever may log in
# can't wipe out the failures with other names.
_FORGIVE = """
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('DECRBY', KEYS[2], count) <= 0 then redis.call('DEL', KEYS[2]) end
"""


class Attempts:
    """The attempts to log in; every method raises ``redis.RedisError`` while Redis is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._take = client.register_script(_TAKE)
        self._forgive = client.register_script(_FORGIVE)

    def take(self, name: str, address: str) -> int:
        """Count an attempt and return 0, or return how long to wait, ms, and count nothing."""
        return int(self._take(keys=_keys(name, address), args=[WINDOW, MOST_PER_NAME, MOST_PER_ADDRESS]))

    def forgive(self, name: str, address: str) -> None:
        """Take back what was counted: the password was right."""
        self._forgive(keys=_keys(name, address))


def _keys(name: str, address: str) -> list[str]:
    return [names.login_failures(_hashed(f"{name}\n{address}")), names.login_failures(_hashed(address))]


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
