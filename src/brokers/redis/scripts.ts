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

-- The number in a text of digits, or nil. Beyond 2^46 Lua writes numbers in another form.
local function whole(text)
  if type(text) == 'string' and #text <= 14 and string.match(text, '^%d+$') then
    local number = tonumber(text)
    if number <= 70368744177664 then return number end
  end
end

-- The offset of an entry, or nil if no hub has chosen its id.
local function offsetOf(entry) return whole(string.match(entry[1], '^(%d+)%-0$')) end

-- The time of an entry, the bytes before it, its fields and its data: nil if no hub has written it.
local function valuesOf(entry)
  local f = entry[2]
  if #f ~= 8 or f[1] ~= 'at' or f[3] ~= 'before' or f[5] ~= 'about' or f[7] ~= 'data' then return end
  local at, before = whole(f[2]), whole(f[4])
  if at and before then return at, before, f[6], f[8] end
end

-- Keeps a key for a quarter longer than asked, so that the time to live need not be set each time.
local function keepFor(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, math.ceil(ms * 1.25)) end
end

-- The recorded values of a topic. If they are none that a hub could have recorded, the topic is deleted: then the last is true.
local function recorded(log, meta)
  local held = redis.call('HMGET', meta, 'epoch', 'head', 'total', 'at', 'since', 'before')
  local epoch, head, total, last = held[1], whole(held[2] or '0'), whole(held[3] or '0'), whole(held[4] or '0')
  local isEpoch = not epoch or (#epoch <= 32 and string.match(epoch, '^%w+$'))
  -- A clock may be set back, but not by years.
  if isEpoch and head and total and last and last <= timeSince(0) + 31536000000 then
    return epoch, head, total, last, whole(held[5]), whole(held[6]), false
  end
  redis.call('DEL', log, meta)
  return false, 0, 0, 0, nil, nil, true
end

-- Removes the entries of other programs: those with ids that are no offsets, or after the newest offset. A stream takes no smaller id
-- than its greatest, so it is written anew. Returns nothing if it has too many entries for that.
local function cleanse(log, head)
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
local function trim(log, head, total, now, maxEntries, maxBytes, maxAge)
  if redis.call('XLEN', log) > maxEntries then redis.call('XTRIM', log, 'MAXLEN', maxEntries) end
  local from, count, gone, least = '-', 1, false, nil
  while true do
    local page = redis.call('XRANGE', log, from, '+', 'COUNT', count)
    for _, entry in ipairs(page) do
      local since, before = valuesOf(entry)
      if since and since > now then since = nil end
      least = least or entry[1]
      if since and (total - before <= maxBytes or offsetOf(entry) == head) and now - since <= maxAge then
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
 * Publishes a message: assigns the next offset, adds the entry, trims, and publishes the notice. Returns its position, or that of the first
 * message with its id; a third word says what the script had to repair: `void`, `anew` or the number of entries that it removed. Up to a
 * sixteenth more than the bounds allow is held, so that many entries are trimmed at a time.
 *
 * The scripts are the only writers of the layout that `README.md` protects: processes of other versions read what they write, and
 * callers pass `KEYS` and `ARGV` by position. Other programs may write to the keys all the same, so nothing in them is believed.
 *
 * KEYS: log, meta, channel, and the message id's key, if there is one.
 * ARGV: an epoch for a new topic, data, fields, bytes, maxEntries, maxBytes, maxAgeMs, topicTtlMs, PUBLISH or SPUBLISH.
 */
export const publishScript: string = `${shared}
local log, meta, id = KEYS[1], KEYS[2], KEYS[4]
local about, data = ARGV[3], ARGV[2]
if id then
  local position = redis.call('GET', id)
  if position and #position <= 50 and string.match(position, '^%w+ %d+$') then return position end
end
local epoch, head, total, last, since, before, isVoid = recorded(log, meta)
local repair = isVoid and ' void' or ''
local isNew = not epoch
if isNew then epoch = ARGV[1] end
local now = timeSince(last)
if not (since and before and since <= now and before <= total) then since, before = head == 0 and now or 0, 0 end

local function add()
  return redis.pcall('XADD', log, (head + 1) .. '-0', 'at', now, 'before', total, 'about', about, 'data', data)
end
local added = add()
if type(added) == 'table' and added.err and (string.find(added.err, 'smaller', 1, true) or string.find(added.err, 'exhausted', 1, true)) then
  local removed = not isNew and cleanse(log, head)
  if removed then repair = ' ' .. removed
  else
    -- The stream is not the one of these offsets, so the recorded values are void.
    redis.call('DEL', log)
    epoch, head, total, since, before, repair = ARGV[1], 0, 0, now, 0, ' anew'
  end
  isNew, added = true, add()
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
return position .. repair
`;

/**
 * Trims a topic, and reads the messages after an offset, up to the size of one answer.
 *
 * KEYS: log, meta. ARGV: an epoch for a new topic, the offset, maxEntries, maxBytes, maxAgeMs, topicTtlMs, and the messages and bytes of
 * one answer. Returns epoch, floor, head, time, the repair as the publish script does, and of each message offset, time, fields and data. An
 * entry that no hub has written has an empty time.
 */
export const readScript: string = `${shared}
local log, meta = KEYS[1], KEYS[2]
local maxAge, answerEntries, answerBytes = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8])
local epoch, head, total, last, _, _, isVoid = recorded(log, meta)
local repair = isVoid and 'void' or ''
if not epoch then
  if redis.call('XLEN', log) > 0 then redis.call('DEL', log) end
  epoch = ARGV[1]
  redis.call('HSET', meta, 'epoch', epoch)
end
keepFor(meta, math.max(ARGV[6], maxAge))
local now = timeSince(last)
if #redis.call('XRANGE', log, '(' .. head .. '-0', '+', 'COUNT', 1) > 0 then
  local removed = cleanse(log, head)
  if removed then
    repair = tostring(removed)
    keepFor(log, maxAge)
  else
    redis.call('DEL', log, meta)
    epoch, head, total, repair = ARGV[1], 0, 0, 'anew'
    redis.call('HSET', meta, 'epoch', epoch)
    keepFor(meta, math.max(ARGV[6], maxAge))
  end
end
trim(log, head, total, now, tonumber(ARGV[3]), tonumber(ARGV[4]), maxAge)
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local floor = head
if oldest then floor = (whole(string.match(oldest[1], '^%d+')) or 0) - (offsetOf(oldest) and 1 or 0) end
floor = math.max(floor, 0)

local answer = { epoch, floor, head, now, repair }
local from, count, entries, bytes = (math.max(ARGV[2], floor) + 1) .. '-0', 4, 0, 0
while entries < answerEntries and bytes < answerBytes do
  local page = redis.call('XRANGE', log, from, '+', 'COUNT', count)
  for _, entry in ipairs(page) do
    local at, _, about, data = valuesOf(entry)
    for _, value in ipairs({ entry[1], at or '', about or '', data or '' }) do answer[#answer + 1] = value end
    entries, bytes, from = entries + 1, bytes + #(data or ''), '(' .. entry[1]
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

/**
 * Runs each command of the other scripts, and returns the name and the error of those that are denied.
 *
 * KEYS: log, meta, channel and the message id's key, of a topic that nobody uses. ARGV: PUBLISH or SPUBLISH.
 */
export const permissionsScript = `
local log, meta, channel, id = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local denied = {}
local function try(name, ...)
  local reply = redis.pcall(name, ...)
  if type(reply) ~= 'table' or not reply.err then return end
  for _, sign in ipairs({ "can't run", "can't access", "can't publish", 'ACL', 'NOPERM' }) do
    if string.find(reply.err, sign, 1, true) then
      denied[#denied + 1], denied[#denied + 2] = name, reply.err
      return
    end
  end
  error(reply.err)
end
try('TIME')
try('XADD', log, '1-0', 'at', '0')
try('XLEN', log)
try('XRANGE', log, '-', '+', 'COUNT', '1')
try('XTRIM', log, 'MAXLEN', '0')
try('HSET', meta, 'epoch', '0')
try('HGET', meta, 'epoch')
try('HMGET', meta, 'epoch')
try('SET', id, '0', 'PX', '1000')
try('GET', id)
try('EXISTS', meta)
try('PTTL', meta)
try('PEXPIRE', meta, '1000')
try(ARGV[1], channel, '')
try('DEL', log, meta, id)
return denied
`;
