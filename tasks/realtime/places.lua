-- Give a connection its place, when its key and all keys together have one.
-- KEYS: counts of the key, counts of all (each a hash: process -> connections), ids of keys that have some; ARGV: process, seconds that a sign of life lasts,
-- bound of the key, bound of all, prefix of signs of life, the key's id. Answers 0 when there was a place, 1 when the key has none, 2 when nobody has.
local function held(counts)
  local sum, entries = 0, redis.call('HGETALL', counts)
  for i = 1, #entries, 2 do
    local process = entries[i]
    if process == ARGV[1] or redis.call('EXISTS', ARGV[5] .. process) == 1 then
      sum = sum + tonumber(entries[i + 1])
    else
      redis.call('HDEL', counts, process)
    end
  end
  return sum
end
if held(KEYS[1]) >= tonumber(ARGV[3]) then return 1 end
if held(KEYS[2]) >= tonumber(ARGV[4]) then return 2 end
redis.call('SET', ARGV[5] .. ARGV[1], 1, 'EX', ARGV[2])
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('SADD', KEYS[3], ARGV[6])
redis.call('EXPIRE', KEYS[1], 604800) -- what died and never came back leaves nothing behind for long
return 0
