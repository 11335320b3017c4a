import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { Iteratee, type Hub } from "../../src/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { followHub, notedHub } from "../support/hub.ts";
import { startNats } from "../support/nats.ts";
import { startRedis } from "../support/redis.ts";

/** A server, and how a process joins it. */
interface World {
  readonly join: () => Promise<Broker>;
  readonly close: () => Promise<unknown>;
}

const log = { maxEntries: 300 };

async function redisWorld(): Promise<World> {
  const server = await startRedis();
  return {
    join: () => redisBroker({ client: createClient({ url: server.url }) }),
    close: () => server.close(),
  };
}

async function natsWorld(): Promise<World> {
  const server = await startNats();
  return {
    join: () => natsBroker({ connection: { servers: `127.0.0.1:${server.port}` }, log }),
    close: () => server.close(),
  };
}

describe.each([
  ["redis", redisWorld],
  ["nats", natsWorld],
] as const)("on %s", (name, open) => {
  let world: World;
  beforeAll(async () => {
    world = await open();
  });
  afterAll(() => world.close());

  const hubs = (): Promise<Hub[]> =>
    Promise.all([1, 2].map(async () => notedHub({ log, broker: await world.join() }).hub));

  async function publish(hub: Hub, topic: string, from: number, to: number): Promise<void> {
    for (let i = from; i <= to; i += 1) await hub.topic(topic).publish(i);
  }

  test("a position is after every message that any process has published, and before all others", async () => {
    const [one, other] = (await hubs()) as [Hub, Hub];
    const first = await other.topic("a").position();
    for (let i = 1; i <= 20; i += 1) {
      const published = await one.topic("a").publish(i);
      expect(await other.topic("a").position()).toBe(published);
    }
    const position = await one.topic("a").position();
    await publish(other, "a", 21, 25);
    for (const [after, data] of [
      [position, [21, 22, 23, 24, 25]],
      [first, Array.from({ length: 25 }, (_, i) => i + 1)],
    ] as const) {
      const follower = await followHub(one, `topic=a&lastEventId=${encodeURIComponent(after)}`);
      await follower.has(data.length);
      expect(follower.open.states).toEqual({ a: "recovered" });
      expect(follower.data).toEqual(data);
    }
  });

  test("starts in the past begin where they say, in a process that had not followed the topic", async () => {
    const [one, other] = (await hubs()) as [Hub, Hub];
    await publish(one, "b", 1, 50);
    const all = Array.from({ length: 50 }, (_, i) => i + 1);
    for (const [from, data] of [
      ["last:7", all.slice(-7)],
      ["since:2020-01-01T00:00:00Z", all],
      ["since:2099-01-01T00:00:00Z", []],
    ] as const) {
      const follower = await (await followHub(other, `topic=b&from=${from}`)).begun();
      await follower.has(data.length);
      expect(follower.open.states).toEqual({ b: "fresh" });
      expect(follower.data).toEqual(data);
      follower.leave();
    }
    const last = await other.topic("b").messages({ from: "last:3" }).run(Iteratee.takeUpTo(3));
    expect(last.map(({ data }) => data)).toEqual([48, 49, 50]);
  });

  test("starts in the past report what the broker has trimmed", async () => {
    const [one, other] = (await hubs()) as [Hub, Hub];
    await publish(one, "c", 1, 1000);
    for (const from of ["last:900", "oldest", "since:2020-01-01T00:00:00Z"]) {
      const follower = await followHub(other, `topic=c&from=${from}`);
      await follower.has(300);
      const gaps = follower.items.flatMap((item) => (item.type === "gap" ? [item.missed] : []));
      const isCounted = name === "redis" && !from.startsWith("since");
      expect(gaps).toEqual([isCounted ? (from === "oldest" ? 1000 : 900) - follower.data.length : null]);
      follower.leave();
    }
  });
});
