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
