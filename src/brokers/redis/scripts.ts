/**
 * Functions that the scripts share.
 *
 * A topic's stream has entries with the ids `1-0`, `2-0` ..., and in each the time, the total bytes of all messages before it, event, key and
 * id as JSON, and the data. The bytes that are held are a difference of two such totals, so nothing needs counting when messages leave,
 * by whatever means. The hash also has two values of the oldest entry that is held: `since`, its time, and `before`, the bytes before it.
 * They may be out of date, and are then of an older entry; trimming by them corrects them.
 */
const shared = `
local function timeSince(last)
  local time = redis.call('TIME')
  return math.max(time[1] * 1000 + math.floor(time[2] / 1000), last)
end

local function offsetOf(entry) return tonumber(string.match(entry[1], '^%d+')) end

-- Keeps a key for a quarter longer than asked, so that the time to live need not be set each time.
local function keepFor(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, math.ceil(ms * 1.25)) end
end

-- Removes the oldest entries that exceed the bounds. Returns since and before.
local function trim(log, head, total, now, maxEntries, maxBytes, maxAge)
  if redis.call('XLEN', log) > maxEntries then redis.call('XTRIM', log, 'MAXLEN', maxEntries) end
  local from, count, gone = '-', 1, nil
  while true do
    local page = redis.call('XRANGE', log, from, '+', 'COUNT', count)
    for _, entry in ipairs(page) do
      local since, before = tonumber(entry[2][2]), tonumber(entry[2][4])
      if (total - before <= maxBytes or offsetOf(entry) == head) and now - since <= maxAge then
        if gone then redis.call('XTRIM', log, 'MINID', entry[1]) end
        return since, before
      end
      gone = entry[1]
    end
    if #page < count then break end
    from, count = '(' .. gone, 8
  end
  if gone then redis.call('DEL', log) end
  return now, total
end
`;

/**
 * Publishes a message: assigns the next offset, adds the entry, trims, and publishes the notice. Returns its position, or that of the first
 * message with its id. Up to a sixteenth more than the bounds allow is held, so that many entries are trimmed at a time.
 *
 * The scripts are the only writers of the layout that `README.md` protects: processes of other versions read what they write, and
 * callers pass `KEYS` and `ARGV` by position.
 *
 * KEYS: log, meta, channel, and the message id's key, if there is one.
 * ARGV: an epoch for a new topic, data, fields, bytes, maxEntries, maxBytes, maxAgeMs, topicTtlMs, PUBLISH or SPUBLISH.
 */
export const publishScript: string = `${shared}
local log, meta, id = KEYS[1], KEYS[2], KEYS[4]
local about, data = ARGV[3], ARGV[2]
if id then
  local position = redis.call('GET', id)
  if position then return position end
end
local held = redis.call('HMGET', meta, 'epoch', 'head', 'total', 'at', 'since', 'before')
local epoch, head, total, last = held[1], tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)
local isNew = not epoch
if isNew then epoch = ARGV[1] end
local now = timeSince(last)
local since, before = tonumber(held[5] or now), tonumber(held[6] or 0)

local function add()
  return redis.pcall('XADD', log, (head + 1) .. '-0', 'at', now, 'before', total, 'about', about, 'data', data)
end
local added = add()
if type(added) == 'table' and added.err and string.find(added.err, 'smaller', 1, true) then
  -- The stream is not the one of these offsets, so the recorded values are void.
  redis.call('DEL', log)
  isNew, epoch, head, total, since, before = true, ARGV[1], 0, 0, now, 0
  added = add()
end
if type(added) == 'table' and added.err then return added end
head, total = head + 1, total + ARGV[4]

local maxEntries, maxBytes, maxAge = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local more = 1 + 1 / 16
if now - since > maxAge * more or total - before > maxBytes * more or redis.call('XLEN', log) > maxEntries * more then
  since, before = trim(log, head, total, now, maxEntries, maxBytes, maxAge)
end
redis.call('HSET', meta, 'head', head, 'total', total, 'at', now, 'since', since, 'before', before)
if isNew then redis.call('HSET', meta, 'epoch', epoch) end
-- Both are kept for a quarter longer than needed, so this is often enough.
if isNew or head % 16 == 0 or now - last > maxAge / 64 then
  keepFor(log, maxAge)
  keepFor(meta, math.max(ARGV[8], maxAge))
end
local position = epoch .. ' ' .. head
if id then redis.call('SET', id, position, 'PX', maxAge) end
redis.call(ARGV[9], KEYS[3], position .. ' ' .. now .. ' ' .. about .. '\\n' .. data)
return position
`;

/**
 * Trims a topic, and reads the messages after an offset, up to the size of one answer.
 *
 * KEYS: log, meta. ARGV: an epoch for a new topic, the offset, maxEntries, maxBytes, maxAgeMs, topicTtlMs, and the messages and bytes of
 * one answer. Returns epoch, floor, head, time, and of each message offset, time, fields and data.
 */
export const readScript: string = `${shared}
local log, meta = KEYS[1], KEYS[2]
local maxAge, answerEntries, answerBytes = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8])
local held = redis.call('HMGET', meta, 'epoch', 'head', 'total', 'at')
local epoch, head, total, last = held[1], tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)
if not epoch then
  if redis.call('XLEN', log) > 0 then redis.call('DEL', log) end
  epoch = ARGV[1]
  redis.call('HSET', meta, 'epoch', epoch)
end
keepFor(meta, math.max(ARGV[6], maxAge))
local now = timeSince(last)
trim(log, head, total, now, tonumber(ARGV[3]), tonumber(ARGV[4]), maxAge)
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local floor = oldest and offsetOf(oldest) - 1 or head

local answer = { epoch, floor, head, now }
local from, count, entries, bytes = (math.max(ARGV[2], floor) + 1) .. '-0', 4, 0, 0
while entries < answerEntries and bytes < answerBytes do
  local page = redis.call('XRANGE', log, from, '+', 'COUNT', count)
  for _, entry in ipairs(page) do
    local fields = entry[2]
    for _, value in ipairs({ offsetOf(entry), fields[2], fields[6], fields[8] }) do answer[#answer + 1] = value end
    entries, bytes, from = entries + 1, bytes + #fields[8], '(' .. entry[1]
    if entries >= answerEntries or bytes >= answerBytes then break end
  end
  if #page < count then break end
  -- The next page is what fits if its messages are as large as those so far.
  local room = math.floor((answerBytes - bytes) * entries / (bytes + 1))
  count = math.max(1, math.min(answerEntries - entries, 128, room))
end
return answer
`;

/** Begins another epoch if the current one is the given one. KEYS: log, meta. ARGV: the epoch, another, topicTtlMs. */
export const renewScript = `
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], 'epoch', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
`;

/** Publishes a text to a channel, through the server that has its slot. KEYS: the channel. ARGV: PUBLISH or SPUBLISH, the text. */
export const broadcastScript = `return redis.call(ARGV[1], KEYS[1], ARGV[2])`;

/**
 * Checks the key that marks the prefix, and creates it where it is missing. KEYS: that key. ARGV: the version of the layout. Returns
 * the version that is there, or an empty text if the key is a foreign hash.
 */
export const markScript = `
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], 'comet-sockets', ARGV[1]) end
return redis.call('HGET', KEYS[1], 'comet-sockets') or ''
`;
