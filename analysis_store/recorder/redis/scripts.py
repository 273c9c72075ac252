"""Atomic steps of the Redis server: each text is a Lua script, which other clients and deaths cannot interrupt.

The keys of a recording called ``name``::

    name:about       hash     "room" (entries), "bytes" (room in bytes): empty for a recording that stays in Redis
    name:forms       hash     key -> form of its values, and its place in the order of the keys
    name:owners      hash     producer -> token of the process that records as it, "" when it has ended
    name:sequences   hash     producer -> number of its values that the server has taken
    name:counts      hash     key -> number of its values ever taken
    name:values      stream   values that wait for the collector
    name:waiting     string   bytes of these values
    name:bases       hash     key -> number of values that the datastore of the collector had before
    name:collector   string   holder of the lease; it expires
    name:values:KEY, name:times:KEY   lists, for a recording that stays in Redis
"""

from __future__ import annotations

PARTS = ("about", "forms", "owners", "sequences", "counts", "values", "waiting", "bases", "collector")
"""Every key of a recording that is collected; scripts get them in this order."""

OPEN = """
local about, owners, sequences = KEYS[1], KEYS[3], KEYS[4]
local producer, token, room, bytes = unpack(ARGV)
redis.call('HSETNX', about, 'room', room)
redis.call('HSETNX', about, 'bytes', bytes)
local found = redis.call('HMGET', about, 'room', 'bytes')
if found[1] ~= room or found[2] ~= bytes then return {'room', found[1], found[2]} end
redis.call('HSET', owners, producer, token)
redis.call('HSETNX', sequences, producer, 0)
return {'good', redis.call('HGET', sequences, producer)}
"""
"""A producer begins or continues: an earlier process with this name is shut out."""

AGREE = """
local forms, key, form = KEYS[2], ARGV[1], ARGV[2]
local found = redis.call('HGET', forms, key)
if found then return {'known', found} end
for _, other in ipairs(redis.call('HKEYS', forms)) do
  if string.sub(other, 1, #key + 1) == key .. '/' or string.sub(key, 1, #other + 1) == other .. '/' then
    return {'clash', other}
  end
end
local placed = string.format('%d %s', redis.call('HLEN', forms), form)
redis.call('HSET', forms, key, placed)
return {'known', placed}
"""
"""The form of a key's values, defined by the first producer with a value."""

APPEND = """
local about, owners, sequences, counts, values, waiting = KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local producer, token, sequence = ARGV[1], ARGV[2], tonumber(ARGV[3])
local owner = redis.call('HGET', owners, producer)
local last = tonumber(redis.call('HGET', sequences, producer) or -1)
if not owner or sequence > last + 1 then return {'lost', last} end
if owner ~= token then return {'taken', last} end
local limits = redis.call('HMGET', about, 'room', 'bytes')
local room, bytes = tonumber(limits[1]), tonumber(limits[2])
local number, size = redis.call('XLEN', values), tonumber(redis.call('GET', waiting) or 0)
local known, status = {}, 'good'
for i = 4, #ARGV, 4 do
  local how, key, time, value = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if sequence > last then
    if not room then
      local list, times = values .. ':' .. key, KEYS[10] .. key
      if how == '=' then redis.call('DEL', list, times) end
      redis.call('RPUSH', list, value)
      redis.call('RPUSH', times, time)
    else
      if number >= room or size >= bytes then status = 'full' break end
      local index = known[key] or tonumber(redis.call('HGET', counts, key) or 0)
      known[key] = index + 1
      redis.call('XADD', values, '*', 'producer', producer, 'sequence', sequence, 'key', key, 'index', index,
                 'time', time, 'value', value)
      number, size = number + 1, size + #value
    end
    last = sequence
  end
  sequence = sequence + 1
end
for key, count in pairs(known) do redis.call('HSET', counts, key, count) end
redis.call('HSET', sequences, producer, last)
if room then redis.call('SET', waiting, size) end
return {status, last}
"""
"""Values of a producer are accepted in order, each once however often it is sent, as long as there is space."""

END = """
local owners, producer, token = KEYS[3], ARGV[1], ARGV[2]
if redis.call('HGET', owners, producer) ~= token then return 0 end
return redis.call('HSET', owners, producer, '') + 1
"""
"""A producer has ended."""

HOLD = """
local collector, holder, before, lease = KEYS[9], ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('GET', collector)
if found and found ~= holder and found ~= before then return found end
redis.call('SET', collector, holder, 'PX', lease)
return holder
"""
"""One process collects: its holder renews the lease, another gets it if it is free or its holder is dead."""

LEAVE = """
if redis.call('GET', KEYS[9]) == ARGV[1] then redis.call('DEL', KEYS[9]) end
return 1
"""
"""The collector releases the lease."""

FORGET = """
local values, waiting, collector, size = KEYS[6], KEYS[7], KEYS[9], 0
if redis.call('GET', collector) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do
  if redis.call('XDEL', values, ARGV[i]) == 1 then size = size + tonumber(ARGV[i + 1]) end
end
if size > 0 then redis.call('DECRBY', waiting, size) end
return 1
"""
"""Values that the collector has made durable leave the server."""

FINISH = """
local owners, values, least = KEYS[3], KEYS[6], tonumber(ARGV[1])
local found = redis.call('HVALS', owners)
if #found < least or redis.call('XLEN', values) > 0 then return 0 end
for _, owner in ipairs(found) do if owner ~= '' then return 0 end end
for i = 1, 8 do redis.call('DEL', KEYS[i]) end
return 1
"""
"""When all producers have ended and all values are collected, the recording is removed."""
