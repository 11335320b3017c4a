import { clearLua, entriesLua, lifeLua, topicLua } from "./topic-lua.ts";

/**
 * Publishes a message: assigns the next offset, adds the entry, trims, and publishes the notice. Returns its position, or that of the first
 * message with its id; a third word says what the script had to repair: `void`, `anew` or the number of entries that it removed. Up to a
 * sixteenth more than the bounds allow is held, so that many entries are trimmed at a time.
 *
 * It publishes nothing, and returns `ended` if the topic has ended, `lost` if the lease is not in force. To settle, it publishes the end only
 * if the lease has lapsed. Else it returns `left=` and the time in milliseconds until it lapses, or `none` if there is no lease.
 *
 * The scripts are the only writers of the layout that `README.md` protects: processes of other versions read what they write, and
 * callers pass `KEYS` and `ARGV` by position. Other programs may write to the keys all the same, so nothing in them is believed.
 *
 * KEYS: log, meta, channel, and the message id's key, if there is one.
 * ARGV: an epoch for a new topic, topicTtlMs, data, fields, bytes, maxEntries, maxBytes, maxAgeMs (empty if there is none), PUBLISH or
 * SPUBLISH. Of a topic that ends also ttlMs, and `end`, `settle` or an empty text; if a lease must be in force, its name, and the number of
 * messages that it must have published or an empty text.
 */
export const publishScript: string = `${topicLua}${entriesLua}${lifeLua}
local id, data, about, ttl, kind = KEYS[4], ARGV[3], ARGV[4], whole(ARGV[10]), ARGV[11] or ''
local fence, order = ARGV[12], tonumber(ARGV[13] or '')
local epoch, head, total, last, held, since, before = recorded()
local repair = held and '' or ' void'
local now = timeSince(last)
local life, state
if held and held[7] then life, state = lifeOf(held, now) end
local isOver = state and state.isExpired
if kind == 'settle' then
  if not (state and state.lease) then return 'none' .. repair end
  if state.lease > now then return 'left=' .. (state.lease - now) end
end
if id and not isOver then
  local first = redis.call('GET', id)
  local itsEpoch, offset, itsLife = string.match(first or '', '^(%w+) (%d+) ?(%w*)$')
  if itsEpoch and #itsEpoch <= 32 and #offset <= 14 and (itsLife == (life or '') or (itsLife == '' and itsEpoch == epoch)) then
    return itsEpoch .. ' ' .. offset .. repair
  end
end
if state and state.ended and not isOver then return 'ended' end
if fence and not (isInForce(state, fence, now) and (order or state.sent) == state.sent) then return 'lost' .. repair end

if isOver then
  redis.call('DEL', log, meta)
  epoch, head, total, since, life, state = false, 0, 0, nil, nil, nil
end
local isNew = not epoch
if isNew then epoch = newEpoch end
if not (since and before and since <= now and before <= total) then since, before = head == 0 and now or 0, 0 end
local isBegun = ttl and not (state and state.ttl == ttl)
if isBegun then
  life, state = life or epoch, state or {}
  state.ttl = ttl
end

local function add()
  return redis.pcall('XADD', log, (head + 1) .. '-0', 'at', now, 'before', total, 'about', about, 'data', data)
end
local added = add()
if type(added) == 'table' and added.err and (string.find(added.err, 'smaller', 1, true) or string.find(added.err, 'exhausted', 1, true)) then
  local removed = not isNew and cleanse(head)
  if removed then repair = ' ' .. removed
  else
    -- The stream is not the one of these offsets, so the recorded values are void.
    redis.call('DEL', log)
    epoch, head, total, since, before, repair = newEpoch, 0, 0, now, 0, ' anew'
  end
  isNew, added = true, add()
end
if type(added) == 'table' and added.err then return added end
head, total = head + 1, total + ARGV[5]
local isEnd = state and kind ~= ''
if isEnd then state.ended = now end

local maxEntries, maxBytes, maxAge = tonumber(ARGV[6]), tonumber(ARGV[7]), state and math.huge or tonumber(ARGV[8]) or math.huge
local more = 1 + 1 / 16
if now - since > maxAge * more or total - before > maxBytes * more or redis.call('XLEN', log) > maxEntries * more then
  since, before = trim(head, isEnd, total, now, maxEntries, maxBytes, maxAge)
end
redis.call('HSET', meta, 'head', head, 'total', total, 'at', now, 'since', since, 'before', before)
if isNew then redis.call('HSET', meta, 'epoch', epoch) end
if isBegun then redis.call('HSET', meta, 'life', life, 'ttl', ttl) end
if order then redis.call('HSET', meta, 'sent', order + 1) end
local logMs, metaMs = keptFor(state, now, maxAge)
if isEnd then
  redis.call('HSET', meta, 'ended', now)
  -- The clock may have been set back since the last message.
  local ahead = now - timeSince(0)
  redis.call('PEXPIRE', log, logMs + ahead)
  redis.call('PEXPIRE', meta, metaMs + ahead)
-- Both are kept for a quarter longer than needed, so this is often enough.
elseif isNew or isBegun or head % 16 == 0 or now - last > logMs / 64 then
  keepFor(log, logMs)
  keepFor(meta, metaMs)
end
local position = epoch .. ' ' .. head
if id then redis.call('SET', id, life and position .. ' ' .. life or position, 'PX', state and state.ttl or logMs) end
redis.call(ARGV[9], KEYS[3], position .. ' ' .. now .. ' ' .. about .. '\\n' .. data)
return position .. repair
`;

/**
 * Trims a topic, and reads the messages after an offset, up to the size of one answer.
 *
 * KEYS: log, meta. ARGV: an epoch for a new topic, topicTtlMs, the offset, maxEntries, maxBytes, maxAgeMs (empty if there is none), and the
 * messages and bytes of one answer. Returns epoch, floor, head, time, the repair as the publish script does, ttlMs and `expired` of a topic
 * that ends, else empty texts, and of each message offset, time, fields and data. An entry that no hub has written has an empty time.
 */
export const readScript: string = `${topicLua}${entriesLua}${lifeLua}${clearLua}
local maxAge, answerEntries, answerBytes = tonumber(ARGV[6]) or math.huge, tonumber(ARGV[7]), tonumber(ARGV[8])
local epoch, head, total, last, held = recorded()
local repair = held and '' or 'void'
if not epoch then
  if redis.call('XLEN', log) > 0 then redis.call('DEL', log) end
  epoch = newEpoch
  redis.call('HSET', meta, 'epoch', epoch)
end
local now = timeSince(last)
local life, state = lifeOf(held, now)
if state and state.isExpired then return { epoch, head, head, now, repair, state.ttl, 'expired' } end
local logMs, metaMs = keptFor(state, now, maxAge)
if not state or not state.ended then keepFor(meta, metaMs) end
if state and not state.ended then keepFor(log, logMs) end
if #redis.call('XRANGE', log, '(' .. head .. '-0', '+', 'COUNT', 1) > 0 then
  local removed = cleanse(head)
  if removed then
    repair = tostring(removed)
    keepFor(log, logMs)
  else
    state = renew(newEpoch, life, state, now)
    epoch, head, total, repair = newEpoch, 0, 0, 'anew'
  end
end
if state then maxAge = math.huge end
trim(head, state and state.ended, total, now, tonumber(ARGV[4]), tonumber(ARGV[5]), maxAge)
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local floor = head
if oldest then floor = (whole(string.match(oldest[1], '^%d+')) or 0) - (offsetOf(oldest) and 1 or 0) end
floor = math.max(floor, 0)

local answer = { epoch, floor, head, now, repair, state and state.ttl or '', '' }
local from, count, entries, bytes = (math.max(ARGV[3], floor) + 1) .. '-0', 4, 0, 0
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

/**
 * Begins another epoch if the current one is the given one. It keeps the state of a topic that ends and has not ended, with its lease.
 *
 * KEYS: log, meta. ARGV: another epoch, topicTtlMs, the epoch.
 */
export const renewScript: string = `${topicLua}${lifeLua}${clearLua}
local epoch, _, _, last, held = recorded()
if epoch ~= ARGV[3] then return 0 end
local now = timeSince(last)
local life, state = lifeOf(held, now)
renew(newEpoch, life, state, now)
return 1
`;

/**
 * Keeps a topic that a process listens to: its recorded values, and its messages if it is one that has yet to end.
 *
 * KEYS: log, meta. ARGV: nothing, topicTtlMs.
 */
export const keepScript: string = `${topicLua}${lifeLua}
local now = timeSince(0)
local _, state = lifeOf(fields(), now)
if state and not state.ended then
  local logMs, metaMs = keptFor(state, now, math.huge)
  keepFor(log, logMs)
  keepFor(meta, metaMs)
else keepFor(meta, topicTtl) end
`;

/** Publishes a text to a channel, through the server that has its slot. KEYS: the channel. ARGV: PUBLISH or SPUBLISH, the text. */
export const broadcastScript = `return redis.call(ARGV[1], KEYS[1], ARGV[2])`;
