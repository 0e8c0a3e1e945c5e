"""What Redis does for counts that processes share, in Lua: each script is one step that nothing comes between.

Times are microseconds of the server's clock, so that the clocks of the processes do not matter. A member of a user's
sorted set is ``PROCESS:NUMBER``, one socket; its score is the time at which the socket came. A process that has no
liveness key any more has no sockets.
"""

from __future__ import annotations

__all__ = ["CLAIM", "REGISTER", "RELEASE", "SCRIPTS", "TAKE", "TOUCH"]

# Each key has a single time as its value, as in _core.ledger.AddressRate: the time at which its bucket is full again.
# KEYS: the address. ARGV: microseconds between two, and that one may be early. Returns 0, or microseconds to wait.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)
local early = full - now - tonumber(ARGV[2])
if early > 0 then return math.ceil(early) end
full = full + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0
"""

# KEYS: the user's sockets. ARGV: the prefix of liveness keys, the prefix of channels, process, number, limit, whether
# the oldest sockets are evicted, seconds that the key lives. Returns the outcome (1: counted, 0: refused, -1: this
# process is not alive), and the number of evicted sockets. The same step publishes each eviction, so each is published
# once.
CLAIM = """
if redis.call('EXISTS', ARGV[1] .. ARGV[3]) == 0 then return {-1, 0} end
local limit, evicted = tonumber(ARGV[5]), 0
local count = redis.call('ZCARD', KEYS[1])
if count >= limit then
  local alive = {}
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local process = string.match(member, '^[^:]*')
    if alive[process] == nil then alive[process] = redis.call('EXISTS', ARGV[1] .. process) end
    if alive[process] == 0 then
      redis.call('ZREM', KEYS[1], member)
      count = count - 1
    end
  end
end
if count >= limit then
  if ARGV[6] ~= '1' then return {0, 0} end
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, count - limit)) do
    redis.call('ZREM', KEYS[1], member)
    redis.call('PUBLISH', ARGV[2] .. string.match(member, '^[^.]*'), member)
    evicted = evicted + 1
  end
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000000 + time[2], ARGV[3] .. ':' .. ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return {1, evicted}
"""

# KEYS: the users' sockets, one for each. ARGV: liveness key, process, seconds that keys live, then number and
# microseconds of age for each key. Returns 0 if this process is not alive.
REGISTER = """
if redis.call('EXISTS', ARGV[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for place, key in ipairs(KEYS) do
  redis.call('ZADD', key, now - tonumber(ARGV[2 * place + 3]), ARGV[2] .. ':' .. ARGV[2 * place + 2])
  redis.call('EXPIRE', key, ARGV[3])
end
return 1
"""

# KEYS: the users' sockets, one for each. ARGV: the members.
RELEASE = """
for place, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[place]) end
"""

# KEYS: the users' sockets. ARGV: seconds that keys live from now on.
TOUCH = """
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
"""

SCRIPTS = (TAKE, CLAIM, REGISTER, RELEASE, TOUCH)
