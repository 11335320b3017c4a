import type { Redis } from "ioredis";
import type { RedisClient, RedisListener } from "comet-sockets/redis";

/**
 * Adapts a client of `ioredis` or `iovalkey`. Its copies connect only on `connect`, and neither reconnect nor resend commands: the broker
 * makes new copies instead.
 */
export function fromIoredis(redis: Redis): RedisClient {
  const listeners = new Map<string, RedisListener>();
  redis.on("message", (channel: string, message: string) => listeners.get(channel)?.(message, channel));
  return {
    duplicate: () =>
      fromIoredis(
        redis.duplicate({
          lazyConnect: true,
          enableOfflineQueue: false,
          autoResendUnfulfilledCommands: false,
          autoResubscribe: false,
          maxRetriesPerRequest: 0,
          retryStrategy: () => null,
        }),
      ),
    on: (event, listener) => redis.on(event, listener),
    connect: () => redis.connect(),
    sendCommand: ([name = "", ...args]) => redis.call(name, ...args),
    subscribe: (channels, listener) => {
      for (const channel of channels) listeners.set(channel, listener);
      return redis.subscribe(...channels);
    },
    unsubscribe: (channels) => redis.unsubscribe(...channels),
    destroy: () => redis.disconnect(),
  };
}
