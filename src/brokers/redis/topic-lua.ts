/**
 * The beginning of the scripts that work on a topic: names of its keys, and functions.
 *
 * KEYS: log, meta. ARGV: an epoch for a new topic, topicTtlMs. Each script names the others.
 *
 * A topic's stream has entries with the ids `1-0`, `2-0` ..., and in each the time, the total bytes of all messages before it, event, key, id
 * and end as JSON, and the data. The bytes that are held are a difference of two such totals, so nothing needs counting when messages leave,
 * by whatever means. The hash also has two values of the oldest entry that is held: `since`, its time, and `before`, the bytes before it.
 * They may be out of date, and are then of an older entry; trimming by them corrects them.
 */
export const topicLua = `
local log, meta, newEpoch, topicTtl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local YEAR = 31536000000

local function timeSince(last)
  local time = redis.call('TIME')
  return math.max(time[1] * 1000 + math.floor(time[2] / 1000), last)
end

-- The number in a text of digits, or nil. Beyond 2^46 Lua writes numbers in another form.
local function whole(text)
  if type(text) == 'string' and #text <= 14 and string.match(text, '^%d+$') then
    local number = tonumber(text)
    if number <= 70368744177664 then return number end
  end
end

-- Keeps a key for a quarter longer than asked, so that the time to live need not be set each time.
local function keepFor(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, math.ceil(ms * 1.25)) end
end

-- The fields of the hash as they are.
local function fields()
  return redis.call('HMGET', meta, 'epoch', 'head', 'total', 'at', 'since', 'before', 'life')
end

-- The recorded values of a topic: epoch, head, total, time, the fields, since, before. If they are none that a hub could have recorded,
-- the topic is deleted: then there are no fields.
local function recorded()
  local held = fields()
  local epoch, head, total, last = held[1], whole(held[2] or '0'), whole(held[3] or '0'), whole(held[4] or '0')
  local isEpoch = not epoch or (#epoch <= 32 and string.match(epoch, '^%w+$'))
  -- A clock may be set back, but not by years.
  if isEpoch and head and total and last and last <= timeSince(0) + YEAR then
    return epoch, head, total, last, held, whole(held[5]), whole(held[6])
  end
  redis.call('DEL', log, meta)
  return false, 0, 0, 0
end
`;

/** Functions for the entries of a topic's stream. */
export const entriesLua = `
-- The offset of an entry, or nil if no hub has chosen its id.
local function offsetOf(entry) return whole(string.match(entry[1], '^(%d+)%-0$')) end

-- The time of an entry, the bytes before it, its fields and its data: nil if no hub has written it.
local function valuesOf(entry)
  local f = entry[2]
  if #f ~= 8 or f[1] ~= 'at' or f[3] ~= 'before' or f[5] ~= 'about' or f[7] ~= 'data' then return end
  local at, before = whole(f[2]), whole(f[4])
  if at and before then return at, before, f[6], f[8] end
end

-- Removes the entries of other programs: those with ids that are no offsets, or after the newest offset. A stream takes no smaller id
-- than its greatest, so it is written anew. Returns nothing if it has too many entries for that.
local function cleanse(head)
  local kept, from = {}, '-'
  repeat
    local page = redis.call('XRANGE', log, from, head .. '-0', 'COUNT', 128)
    for _, entry in ipairs(page) do
      if offsetOf(entry) then kept[#kept + 1] = entry end
      from = '(' .. entry[1]
    end
  until #page < 128 or #kept > 65536
  local removed = redis.call('XLEN', log) - #kept
  if #kept > 65536 then return end
  redis.call('DEL', log)
  for _, entry in ipairs(kept) do
    local at, before, about, data = valuesOf(entry)
    if at then redis.call('XADD', log, entry[1], 'at', at, 'before', before, 'about', about, 'data', data)
    else redis.call('XADD', log, entry[1], 'at', '') end
  end
  return removed
end

-- Removes the oldest entries that exceed the bounds. Returns since and before. An entry that no hub has written leaves with the next one.
-- The end of a topic is not counted, and newest is the offset of the message before it.
local function trim(newest, isEnded, total, now, maxEntries, maxBytes, maxAge)
  if isEnded then newest, maxEntries = newest - 1, maxEntries + 1 end
  if redis.call('XLEN', log) > maxEntries then redis.call('XTRIM', log, 'MAXLEN', maxEntries) end
  local from, count, gone, least = '-', 1, false, nil
  while true do
    local page = redis.call('XRANGE', log, from, '+', 'COUNT', count)
    for _, entry in ipairs(page) do
      local since, before = valuesOf(entry)
      if since and since > now then since = nil end
      least = least or entry[1]
      if since and (total - before <= maxBytes or offsetOf(entry) == newest) and now - since <= maxAge then
        if gone then redis.call('XTRIM', log, 'MINID', least) end
        return since, math.min(before, total)
      end
      if since then gone, least = true, nil end
      from = '(' .. entry[1]
    end
    if #page < count then break end
    count = 8
  end
  if gone and least then redis.call('XTRIM', log, 'MINID', least)
  elseif gone then redis.call('DEL', log) end
  return now, total
end
`;

/**
 * Functions for topics that end.
 *
 * The hash of such a topic has its `ttl`, the time at which it has `ended`, the name of its producer's lease as `fence`, and the time at
 * which the `lease` lapses. `life` is the epoch in which the topic has begun, or was deleted: the id of a message of another life is void.
 */
export const lifeLua = `
-- The life of a topic, and its state if it is one that ends. Neither, if no hub could have recorded them.
local function lifeOf(held, now)
  local life = held and held[7]
  if not life or #life > 32 or not string.match(life, '^%w+$') then return end
  -- Other topics have none of these fields, and are not slowed down by a search for them.
  local values = redis.call('HMGET', meta, 'ttl', 'ended', 'fence', 'lease', 'sent')
  local ttl, ended, fence, lease, sent = whole(values[1]), whole(values[2]), values[3], whole(values[4]), whole(values[5])
  if not ttl or ttl == 0 then return life end
  if ended and ended > now then ended = nil end
  if ended or not fence or not lease or lease > now + YEAR then lease = nil end
  local isExpired = ended ~= nil and now - ended > ttl
  return life, { ttl = ttl, ended = ended, fence = fence, lease = lease, sent = sent or 0, isExpired = isExpired }
end

-- Whether a producer's lease is in force.
local function isInForce(state, fence, now)
  return state and state.lease and state.fence == fence and state.lease > now
end

-- The times in milliseconds for which the stream and the hash are kept.
local function keptFor(state, now, maxAge)
  if not state then
    if maxAge == math.huge then return topicTtl, topicTtl end
    return maxAge, math.max(topicTtl, maxAge)
  end
  if state.ended then
    local left = math.max(1, state.ended + state.ttl - now)
    return left, left + math.max(topicTtl, state.ttl)
  end
  local ms = math.max(86400000, state.ttl)
  return ms, math.max(topicTtl, ms)
end
`;

/** Functions that begin another epoch of a topic. */
export const clearLua = `
-- Removes the messages of a topic, and begins another epoch. The hash is kept as long as before at least, so that its life outlives ids.
local function clear(epoch, life, state, now)
  local left = redis.call('PTTL', meta)
  redis.call('DEL', log, meta)
  redis.call('HSET', meta, 'epoch', epoch)
  if life then redis.call('HSET', meta, 'life', life) end
  if state then redis.call('HSET', meta, 'ttl', state.ttl) end
  if state and state.lease then redis.call('HSET', meta, 'fence', state.fence, 'lease', state.lease, 'sent', state.sent) end
  local _, ms = keptFor(state, now, math.huge)
  redis.call('PEXPIRE', meta, math.max(left, ms))
end

-- Begins another epoch of a topic. Deletes it if it has ended. Returns its state.
local function renew(epoch, life, state, now)
  if state and state.ended then life, state = epoch, nil end
  clear(epoch, life, state, now)
  return state
end
`;
