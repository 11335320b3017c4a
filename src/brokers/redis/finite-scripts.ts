import { clearLua, lifeLua, topicLua } from "./topic-lua.ts";

/**
 * Gives a producer the lease of a topic that ends. Returns `acquired`, `held` or `ended`; a second word is the repair as of the publish script.
 *
 * KEYS: log, meta. ARGV: an epoch for a new topic, topicTtlMs, ttlMs, the lease, its time in milliseconds, and `restart` or an empty text.
 */
export const acquireScript: string = `${topicLua}${lifeLua}${clearLua}
local ttl, fence, leaseMs, isRestart = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == 'restart'
local epoch, _, _, last, held = recorded()
local repair = held and '' or ' void'
local now = timeSince(last)
local life, state = lifeOf(held, now)
if isInForce(state, fence, now) then return 'acquired' .. repair end
-- A lapsed lease is held until a process has settled it, unless the topic is to begin anew.
local lease = state and state.lease
if lease and (lease > now or not isRestart) then return 'held' .. repair end
local isOver = state and state.isExpired
if state and state.ended and not isOver and not isRestart then return 'ended' .. repair end
if isRestart or isOver or not epoch then
  epoch, life = newEpoch, newEpoch
  clear(epoch, life, nil, now)
end
redis.call('HSET', meta, 'life', life or epoch, 'ttl', ttl, 'fence', fence, 'lease', now + math.min(leaseMs, YEAR), 'sent', 0)
local logMs, metaMs = keptFor({ ttl = tonumber(ttl) }, now)
keepFor(log, logMs)
keepFor(meta, metaMs)
return 'acquired' .. repair
`;

/**
 * Puts off the time at which a lease lapses, if it is in force. Returns `renewed` or `lost`, and the repair.
 *
 * KEYS: log, meta. ARGV: nothing, topicTtlMs, the lease, its time in milliseconds.
 */
export const renewLeaseScript: string = `${topicLua}${lifeLua}
local _, _, _, last, held = recorded()
local now = timeSince(last)
local _, state = lifeOf(held, now)
if not isInForce(state, ARGV[3], now) then return 'lost' .. (held and '' or ' void') end
redis.call('HSET', meta, 'lease', now + math.min(ARGV[4], YEAR))
local logMs, metaMs = keptFor(state, now)
keepFor(log, logMs)
keepFor(meta, metaMs)
return 'renewed'
`;

/**
 * Deletes a topic. Returns the position of its newest entry, or `none`, and the repair.
 *
 * KEYS: log, meta. ARGV: another epoch, topicTtlMs.
 */
export const deleteScript: string = `${topicLua}${lifeLua}${clearLua}
local epoch, head, _, last, held = recorded()
if epoch or not held then clear(newEpoch, newEpoch, nil, timeSince(last)) else redis.call('DEL', log) end
return (head > 0 and epoch .. ' ' .. head or 'none') .. (held and '' or ' void')
`;
