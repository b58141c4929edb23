-- Give a connection its seat, when its owner and all owners together have one.
-- KEYS: counts of the owner, counts of all (each a hash: process -> connections), owners that have some. ARGV: process, ms that a sign
-- of life lasts, bound of the owner, bound of all (-1: none), prefix of signs of life, 1 to take the seat and 0 to look, the owner.
-- Answers 0 when there is a seat, 1 when the owner has none, 2 when nobody has.
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
local of_owner, in_all = tonumber(ARGV[3]), tonumber(ARGV[4])
if of_owner >= 0 and held(KEYS[1]) >= of_owner then return 1 end
if in_all >= 0 and held(KEYS[2]) >= in_all then return 2 end
if ARGV[6] == '0' then return 0 end
redis.call('SET', ARGV[5] .. ARGV[1], 1, 'PX', ARGV[2])
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('SADD', KEYS[3], ARGV[7])
redis.call('EXPIRE', KEYS[1], 604800) -- what died and never came back leaves nothing behind for long
redis.call('EXPIRE', KEYS[2], 604800)
redis.call('EXPIRE', KEYS[3], 604800)
return 0
