import type { Cluster } from "ioredis";
import type { RedisClusterClient, RedisListener } from "comet-sockets/redis";

/**
 * Adapts a `Cluster` of `ioredis`, on Redis 7 or newer. Its copies follow a slot that has moved, and end when a connection breaks: they
 * neither reconnect nor resend commands, since the broker makes new copies instead.
 */
export function fromIoredisCluster(cluster: Cluster): RedisClusterClient {
  const listeners = new Map<string, RedisListener>();
  cluster.on("smessage", (channel: string, message: string) => listeners.get(channel)?.(message, channel));
  const onBreak: ((error: unknown) => void)[] = [];
  return {
    get slots() {
      return cluster.slots.map(([address = ""]) => ({ master: { id: address } }));
    },
    duplicate: () =>
      fromIoredisCluster(
        cluster.duplicate([], {
          lazyConnect: true,
          enableOfflineQueue: true,
          scaleReads: "master",
          shardedSubscribers: true,
          clusterRetryStrategy: () => null,
          maxRedirections: 2,
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 0,
        }),
      ),
    on: (event, listener) => {
      if (event === "node-error") onBreak.push(listener);
      return cluster.on(event, listener);
    },
    connect: async () => {
      await cluster.connect();
      // While it connects, addresses from the configuration may give way to those that the cluster announces.
      for (const event of ["-node", "node error", "nodeError", "-subscriber"]) {
        cluster.on(event, () => {
          for (const listener of onBreak) listener(new Error("A connection to a server of the cluster has broken."));
        });
      }
    },
    sendCommand: (_firstKey, _isReadonly, [name = "", ...args]) => cluster.call(name, ...args),
    // Before Redis 7, ioredis would replace the connection that has the subscriptions unnoticed.
    subscribe: () => Promise.reject(new Error("A Cluster of ioredis needs Redis 7.")),
    unsubscribe: () => Promise.resolve(),
    sSubscribe: (channels, listener) => {
      for (const channel of channels) listeners.set(channel, listener);
      return cluster.ssubscribe(...channels);
    },
    sUnsubscribe: (channels) => cluster.sunsubscribe(...channels),
    destroy: () => cluster.disconnect(),
  };
}
