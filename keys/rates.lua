-- Counts one call of a key against all its limits, or against none. All times are in microseconds.
--
-- KEYS  for each limit the list of its calls' moments, newest first; last of all the hash of last uses
-- ARGV  patience, waiting_max, guard (see rates.py), whose limits they are, the caller's address, the moment ('' for Redis's own
--       clock), then each limit's calls and window
-- gives {1 when counted or 0 when refused, how long to wait before going on (or before coming back),
--        then for each limit: how many calls its window holds, in how long the next place is free}

local patience, waiting_max, guard = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local id, address = ARGV[4], ARGV[5]
local time = redis.call('TIME')
local now = tonumber(ARGV[6]) or time[1] * 1000000 + time[2]

local function moment_at(list, index)
  return tonumber(redis.call('LINDEX', list, index) or nil)
end

local function text(moment)
  return string.format('%.0f', moment)
end

local limits = {}
for i = 1, #KEYS - 1 do
  limits[i] = {moments = KEYS[i], over = KEYS[i] .. ':over', calls = tonumber(ARGV[5 + 2 * i]), window = tonumber(ARGV[6 + 2 * i])}
end

local wait, crowded = 0, false
for _, limit in ipairs(limits) do
  local refused_at = tonumber(redis.call('GET', limit.over) or nil)
  limit.span = limit.window
  if refused_at and math.abs(now - refused_at) < limit.window then
    limit.span = limit.window + guard
  end
  -- A moment further ahead than anyone waits was written before the clock was set back: it must not lock the key out.
  while (moment_at(limit.moments, 0) or 0) > now + patience do
    redis.call('LPOP', limit.moments)
  end
  -- By the hundred first: thousands that end at once must not keep Redis busy.
  for _, some in ipairs({100, 1}) do
    while (moment_at(limit.moments, -some) or now) + limit.span <= now do
      redis.call('LTRIM', limit.moments, 0, -some - 1)
    end
  end
  limit.counted = redis.call('LLEN', limit.moments)
  limit.full = limit.counted >= limit.calls
  if limit.full then
    -- The place of the call that is `calls` before this one; there are more of them when the limit was lowered.
    limit.before = limit.calls > 0 and moment_at(limit.moments, limit.calls - 1) or now
    wait = math.max(wait, limit.before + limit.span - now)
    crowded = crowded or (moment_at(limit.moments, waiting_max - 1) or 0) > now
  end
end

local counted = wait <= patience and not crowded
if not counted then
  -- A caller that is refused is guarded from now on, and is told of the place that will then be free.
  for _, limit in ipairs(limits) do
    if limit.full then
      limit.span = limit.window + guard
      wait = math.max(wait, limit.before + limit.span - now)
    end
  end
end

local answer = {counted and 1 or 0, wait}
for _, limit in ipairs(limits) do
  local alive = text(math.ceil((limit.span + guard + patience) / 1000))
  if counted then
    redis.call('LPUSH', limit.moments, text(now + wait))
    redis.call('PEXPIRE', limit.moments, alive)
    limit.counted = limit.counted + 1
  elseif limit.full then
    redis.call('SET', limit.over, text(now), 'PX', alive)
  end
  answer[#answer + 1] = limit.counted
  answer[#answer + 1] = (moment_at(limit.moments, -1) or now) + limit.span - now
end
redis.call('HSET', KEYS[#KEYS], id, text(now) .. ' ' .. address)
return answer
