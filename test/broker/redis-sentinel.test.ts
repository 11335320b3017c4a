import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { createClient, createCluster, createSentinel } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fromIoredis } from "../../examples/guides/ioredis.ts";
import {
  redisBroker,
  type RedisAddress,
  type RedisBrokerOptions,
  type RedisClient,
  type RedisSentinelOptions,
} from "../../src/brokers/redis/index.ts";
import { freePort } from "../support/free-port.ts";
import { followHub, notedHub, type Follower } from "../support/hub.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { startRedisSentinel, type RedisSentinel } from "../support/redis-sentinel.ts";
import { expectCode, until } from "../support/sources.ts";
import { tcpProxy } from "../support/tcp-proxy.ts";
import { Process } from "./contract-world.ts";

type NodeClient = RedisClient & { duplicate(): NodeClient };

const host = "127.0.0.1";
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

let sentinel: RedisSentinel;
/** A server that the sentinel does not watch. */
let spare: RedisServer;
beforeAll(async () => {
  [sentinel, spare] = await Promise.all([startRedisSentinel(2), startRedis()]);
});
afterAll(() => Promise.all([sentinel.close(), spare.close()]));

/** The option `sentinel` for the sentinel of these tests. */
function through(options: Partial<RedisSentinelOptions> = {}): RedisSentinelOptions {
  return {
    name: sentinel.name,
    nodes: [{ host, port: sentinel.port }],
    createClient: (address) => createClient({ socket: address }),
    ...options,
  };
}

async function join(options: RedisBrokerOptions): Promise<Process> {
  const process = new Process(await redisBroker(options));
  closing.push(() => expect(process.faults).toEqual([]));
  closing.push(() => process.close());
  return process;
}

describe("the option sentinel", () => {
  test.each<readonly [object, RegExp]>([
    [{ sentinel: null }, /^sentinel must be an object, not null/],
    [{ sentinel: "main" }, /^sentinel must be an object, not the string/],
    [{ sentinel: {} }, /^sentinel\.nodes must list at least one sentinel, not undefined/],
    [{ sentinel: { nodes: [] } }, /^sentinel\.nodes must list at least one sentinel/],
    [{ sentinel: { nodes: [null] } }, /^sentinel\.nodes\[0\]\.host must be a host name, not undefined/],
    [{ sentinel: { nodes: [{ host, port: 1 }, { host: "" }] } }, /^sentinel\.nodes\[1\]\.host must be a host name/],
    [{ sentinel: { nodes: [{ host, port: "26379" }] } }, /^sentinel\.nodes\[0\]\.port must be a whole number/],
    [{ sentinel: { nodes: [{ host, port: 1 }] } }, /^sentinel\.name must be .*not undefined/],
    [{ sentinel: { nodes: [{ host, port: 1 }], name: "a b" } }, /^sentinel\.name must be .*not the string "a b"/],
    [{ sentinel: { nodes: [{ host, port: 1 }], name: "a" } }, /^sentinel\.createClient must be a function/],
    [
      { sentinel: { nodes: [{ host, port: 1 }], name: "a", createClient: createClient, createSentinelClient: {} } },
      /^sentinel\.createSentinelClient must be a function/,
    ],
    [{ sentinel: {}, client: createClient() }, /^Set client or sentinel, not both/],
  ])("is refused if it is invalid: %j", async (options, message) => {
    await expectCode("ERR_OPTION", () => redisBroker(options), message);
  });

  test.each<readonly [string, RedisSentinelOptions["createClient"], RegExp]>([
    ["no client", () => undefined as never, /^The result of sentinel\.create(Sentinel)?Client must be a client/],
    ["an error", () => expect.unreachable(), /^sentinel\.create(Sentinel)?Client has failed/],
    ["the client of a cluster", () => createCluster({ rootNodes: [] }) as never, /must be the client of one server/],
  ])("is refused if one of its functions gives %s", async (_, create, message) => {
    await expectCode("ERR_OPTION", () => redisBroker({ sentinel: through({ createClient: create }) }), message);
    const options = through({ createSentinelClient: create });
    await expectCode("ERR_OPTION", () => redisBroker({ sentinel: options }), message);
  });

  test("names each sentinel that cannot be reached, and why", async () => {
    const proxy = await tcpProxy(sentinel.port);
    closing.push(() => proxy.close());
    proxy.stall();
    const [silent, absent] = [proxy.port, await freePort()];
    const nodes = [silent, absent].map((port) => ({ host, port }));
    await expectCode(
      "ERR_BROKER",
      () => redisBroker({ sentinel: through({ nodes }), connectTimeoutMs: 1500 }),
      new RegExp(
        `No sentinel names the master main\\..*:${silent}: .*no answer within 500 ms.*:${absent}: .*ECONNREFUSED`,
      ),
    );
    proxy.resume();
    await until(() => proxy.connections === 0);
  });

  test("refuses a name that the sentinel does not know", async () => {
    const message = /No sentinel names the master mine\..*knows no master of this name: set sentinel\.name/;
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ sentinel: through({ name: "mine" }) }), message);
  });

  test("refuses a server that is no sentinel", async () => {
    const nodes = [{ host, port: spare.port }];
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ sentinel: through({ nodes }) }), /unknown command/);
  });

  test("names the master that cannot be reached", async () => {
    const port = await freePort();
    await sentinel.cli("SENTINEL", "MONITOR", "absent", host, String(port), "1");
    closing.push(() => sentinel.cli("SENTINEL", "REMOVE", "absent"));
    const message = new RegExp(`did not reach the master absent at ${host}:${port}: .*ECONNREFUSED`);
    await expectCode("ERR_BROKER", () => redisBroker({ sentinel: through({ name: "absent" }) }), message);
  });

  test("waits for a fail-over if the sentinel names a replica", async () => {
    await spare.cli("REPLICAOF", host, String(await freePort()));
    closing.push(() => spare.cli("REPLICAOF", "NO", "ONE"));
    await sentinel.cli("SENTINEL", "MONITOR", "behind", host, String(spare.port), "1");
    closing.push(() => sentinel.cli("SENTINEL", "REMOVE", "behind"));
    const message = /did not reach the master behind at .*: the server is a (slave|replica) at present/;
    await expectCode("ERR_BROKER", () => redisBroker({ sentinel: through({ name: "behind" }) }), message);
  });

  test("asks the next sentinel if one does not answer, and first from then on, and closes all connections", async () => {
    let attempts = 0;
    const broken = createServer((socket) => {
      attempts += 1;
      socket.on("error", () => undefined).destroy();
    });
    await new Promise<void>((resolve) => broken.listen(0, host, resolve));
    closing.push(() => broken.close());
    const nodes = [(broken.address() as AddressInfo).port, sentinel.port].map((port) => ({ host, port }));
    const a = await join({ sentinel: through({ nodes }), prefix: "next", maxRetryMs: 50 });
    const asked = attempts;
    expect(asked).toBeGreaterThan(0);
    await (await sentinel.master()).cli("CLIENT", "KILL", "TYPE", "normal");
    await until(() => a.told.at(-1) === "restored");
    expect(attempts).toBe(asked);
    expect(await a.publish("t", "1")).toMatchObject({ offset: 1 });
    const isWatched = async (): Promise<boolean> =>
      (await sentinel.cli("CLIENT", "LIST", "TYPE", "pubsub")).includes("sub=1");
    expect(await isWatched()).toBe(true);
    await a.close();
    const end = performance.now() + 30_000;
    while (await isWatched()) if (performance.now() > end) expect.fail("a connection to the sentinel is left");
  });

  test("works with the permissions at the sentinel that the guide lists, and refuses a wrong password", async () => {
    const [, rights = ""] = /`(&\+switch-master [^`]*)`/.exec(readFileSync("docs/brokers.md", "utf8")) ?? [];
    const none = ["on", ">secret", "resetchannels", "-@all"];
    await sentinel.cli("ACL", "SETUSER", "watcher", ...none, ...rights.split(" "));
    const as = (password: string) =>
      through({
        createSentinelClient: (address: RedisAddress) =>
          createClient({ username: "watcher", password, socket: address }),
      });
    const a = await join({ sentinel: as("secret"), prefix: "watcher" });
    expect(await a.publish("t", "1")).toMatchObject({ offset: 1 });
    const message = /No sentinel names the master main\. 127.*refuses to answer: WRONGPASS/;
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ sentinel: as("wrong") }), message);
  });

  test("is watched over the restart of a sentinel, which then names another master", async () => {
    const other = await startRedisSentinel(0);
    closing.push(() => other.close());
    const nodes = [{ host, port: other.port }];
    const a = await join({ sentinel: through({ nodes }), heartbeatMs: 60_000 });
    await a.publish("t", "1");
    await other.restart(spare);
    await until(() => a.told.at(-1) === "restored");
    expect(await spare.cli("EXISTS", "comet")).toBe("1");
    expect((await a.publish("t", "2")).offset).toBe(1);
  });
});

describe("a client that moves its connections by itself", () => {
  const nodeSentinel = (): ReturnType<typeof createSentinel> =>
    createSentinel({ name: sentinel.name, sentinelRootNodes: [{ host, port: sentinel.port }] });

  /** The adapter of a few lines that an application may write. */
  function wrapped(client: ReturnType<typeof createSentinel>): RedisClient {
    return {
      duplicate: () => wrapped(client.duplicate()),
      on: (event, listener) => client.on(event, listener),
      connect: () => client.connect(),
      sendCommand: (args) => client.sendCommand(false, args),
      subscribe: (channels, listener) => client.subscribe(channels, listener),
      unsubscribe: (channels, listener) => client.unsubscribe(channels, listener),
      destroy: () => void client.destroy(),
    };
  }

  test("is refused if it is made by createSentinel", async () => {
    const client = nodeSentinel() as unknown as RedisClient;
    const message = /^client must not be made by createSentinel: .*Use the option sentinel/;
    await expectCode("ERR_OPTION", () => redisBroker({ client }), message);
  });

  test("is refused if an adapter hides that it is made by createSentinel", async () => {
    const message = /^The client has moved its connection to another server by itself, .*the option sentinel/;
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: wrapped(nodeSentinel()) }), message);
  });

  test("is lost at a heartbeat if the user may not close connections", async () => {
    const client = createClient({ url: spare.url });
    closing.push(() => client.destroy());
    await client.connect();
    const moving = movable(client);
    const broker = await redisBroker({ client: moving.client, heartbeatMs: 50 });
    closing.push(() => broker.close());
    const losses: unknown[] = [];
    broker.attach({
      lost: (error) => losses.push(error),
      restored: () => undefined,
      signalled: () => undefined,
      ignored: () => undefined,
    });
    moving.move();
    await until(() => losses.length === 1);
    expect(losses[0]).toMatchObject({
      code: "ERR_BROKER_CONFIG",
      message: expect.stringContaining("has moved its connection") as string,
    });
  });

  /** A client whose user may not run CLIENT, and which answers from another connection once it is moved. */
  function movable(other: NodeClient): {
    readonly client: RedisClient;
    readonly move: () => void;
  } {
    let isMoved = false;
    const adapt = (client: NodeClient): RedisClient => ({
      duplicate: () => adapt(client.duplicate()),
      on: (event, listener) => client.on(event, listener),
      connect: () => client.connect(),
      sendCommand: (args) =>
        args[0] === "CLIENT"
          ? Promise.reject(new Error("NOPERM User hub has no permissions to run the 'client' command"))
          : (isMoved ? other : client).sendCommand(args),
      subscribe: (channels, listener) => client.subscribe(channels, listener),
      unsubscribe: (channels, listener) => client.unsubscribe(channels, listener),
      destroy: () => client.destroy(),
    });
    return { client: adapt(other), move: () => (isMoved = true) };
  }
});

describe("a fail-over", () => {
  /** The ways to a master. Heartbeats are too rare to detect anything: only an announcement or a broken connection does. */
  const ways: readonly (readonly [string, () => RedisBrokerOptions])[] = [
    ["sentinel", () => ({ sentinel: through() })],
    [
      "sentinel-ioredis",
      () => ({
        sentinel: through({ createClient: (address) => fromIoredis(new Redis({ ...address, lazyConnect: true })) }),
      }),
    ],
    [
      "ioredis",
      () => {
        const sentinels = [{ host, port: sentinel.port }];
        const client = new Redis({ name: sentinel.name, sentinels, failoverDetector: true, lazyConnect: true });
        return { client: fromIoredis(client) };
      },
    ],
  ];

  /** A hub that publishes all the time, and another one with a subscriber. */
  class Trial {
    readonly acknowledged: number[] = [];
    readonly publisher: ReturnType<typeof notedHub>;
    readonly reader: ReturnType<typeof notedHub>;
    readonly follower: Follower;
    readonly #publishing: Promise<unknown>;
    #next = 0;
    #isOver = false;

    private constructor(publisher: Trial["publisher"], reader: Trial["reader"], follower: Follower) {
      this.publisher = publisher;
      this.reader = reader;
      this.follower = follower;
      this.#publishing = Promise.all(Array.from({ length: 3 }, () => this.#publish()));
      closing.push(() => (this.#isOver = true));
    }

    static async begin(prefix: string, options: RedisBrokerOptions): Promise<Trial> {
      const open = () => redisBroker({ ...options, prefix, heartbeatMs: 120_000, timeoutMs: 120_000, maxRetryMs: 200 });
      const publisher = notedHub({ broker: await open() });
      const reader = notedHub({ broker: await open() });
      const follower = await (await followHub(reader.hub, "topic=t&from=oldest")).begun();
      return new Trial(publisher, reader, follower);
    }

    get gaps(): number {
      return this.follower.items.filter(({ type }) => type === "gap").length;
    }

    /** Waits until some more messages are acknowledged. */
    async progress(): Promise<void> {
      const before = this.acknowledged.length;
      await until(() => this.acknowledged.length > before + 10, 60_000);
    }

    /** Stops, and waits until the subscriber has the last message. */
    async end(): Promise<void> {
      this.#isOver = true;
      await this.#publishing;
      const last = (this.#next += 1);
      await this.publisher.hub.topic("t").publish(last);
      await until(() => this.follower.data.at(-1) === last, 60_000);
    }

    /** The acknowledged messages that the subscriber lacks without a gap in their place. Messages are numbered in the order of publishing. */
    get untold(): number[] {
      const lost: number[] = [];
      const wanted = this.acknowledged.toSorted((one, other) => one - other);
      let isGap = false;
      for (const item of this.follower.items) {
        if (item.type === "gap") isGap = true;
        if (item.type !== "message") continue;
        while (wanted[0] !== undefined && wanted[0] < (item.data as number)) {
          const [missing] = wanted.splice(0, 1) as [number];
          if (!isGap) lost.push(missing);
        }
        if (wanted[0] === item.data) wanted.shift();
        isGap = false;
      }
      return [...lost, ...wanted];
    }

    async #publish(): Promise<void> {
      const topic = this.publisher.hub.topic("t");
      while (!this.#isOver) {
        const data = (this.#next += 1);
        await topic.publish(data).then(
          () => this.acknowledged.push(data),
          () => undefined,
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** The kinds of fail-over. Each returns what puts the old master right again. */
  const kinds: readonly (readonly [string, (master: RedisServer) => Promise<() => unknown>])[] = [
    [
      "that is planned",
      async () => {
        await sentinel.failOver();
        return () => undefined;
      },
    ],
    [
      "after a kill",
      async (master) => {
        await master.kill();
        return () => master.start();
      },
    ],
    [
      "of a master that stands still for a while",
      (master) => {
        master.freeze();
        return Promise.resolve(() => master.thaw());
      },
    ],
  ];

  test("that is planned, after a kill or a freeze, loses no acknowledged message without a gap", async () => {
    const trials = await Promise.all(ways.map(([prefix, options]) => Trial.begin(prefix, options())));
    const each = (act: (trial: Trial) => Promise<unknown>): Promise<unknown> => Promise.all(trials.map(act));
    for (const [round, [, begin]] of kinds.entries()) {
      await each((trial) => trial.progress());
      const master = await sentinel.master();
      // The next master certainly lacks these messages.
      await sentinel.isolate();
      await each((trial) => trial.progress());
      const mend = await begin(master);
      await sentinel.untilMoved(master);
      await until(
        () => trials.every(({ publisher, reader }) => publisher.errors.length > round && reader.errors.length > round),
        60_000,
      );
      await mend();
      await until(() => trials.every(({ gaps }) => gaps > round), 60_000);
    }
    await each((trial) => trial.progress());
    await each((trial) => trial.end());
    for (const { untold, follower } of trials) {
      expect(untold).toEqual([]);
      expect(new Set(follower.data).size).toBe(follower.data.length);
    }
  });
});
