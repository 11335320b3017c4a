/** The program of a process with a hub on a broker, behind an HTTP server of its own, told what to do over IPC. */
import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import pg from "pg";
import { createClient } from "redis";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { postgresBroker } from "../../src/brokers/postgres/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { Hub, type HubStats } from "../../src/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { serveCalls } from "../soak/support/child.ts";
import { liveBytes } from "./memory.ts";

export type Engine = "redis" | "nats" | "postgres";

export interface ListenOrder {
  readonly engine: Engine;
  /** Where the hub finds the engine, on this machine. */
  readonly brokerPort: number;
  /** Where it listens, if nobody else does; 0 for anywhere. */
  readonly port: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** How long the engine may take to answer, how often it is asked whether it is there, and the longest pause before another attempt. */
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  /** The longest life of a connection of a client. */
  readonly maxConnectionAgeMs: number;
}

export interface Outgoing {
  readonly data: { readonly t: string; readonly n: number; readonly fill: string };
  readonly messageId: string;
}

export interface PublishOrder {
  readonly topic: string;
  readonly messages: readonly Outgoing[];
  /** Whether each message waits until the one before is answered. */
  readonly oneByOne?: boolean;
}

/** What became of a message: its position, or the code of an error, after so long. */
export interface Published {
  readonly position?: string;
  readonly code?: string;
  readonly message?: string;
  readonly ms: number;
}

/** So many messages of so many bytes, none of which waits for another. */
export interface FloodOrder {
  readonly topic: string;
  readonly count: number;
  readonly bytes: number;
}

export interface Flooded {
  readonly published: number;
  /** How many failed, by code. */
  readonly codes: { readonly [code: string]: number };
  readonly mostUnacknowledged: number;
  /** What more there was in the heap and in buffers, once collected, when all were given. */
  readonly grownBytes: number;
  readonly longestMs: number;
}

/** A stream of numbered tokens, produced once over all processes. */
export interface ProduceOrder {
  readonly topic: string;
  readonly tokens: number;
  /** The pause after every four tokens. */
  readonly pauseMs: number;
  readonly leaseMs: number;
}

/** One token: its topic, its producer, and its number, from 0. */
export interface Token {
  readonly t: string;
  readonly p: string;
  readonly n: number;
}

export interface HubProcessState {
  readonly stats: HubStats;
  /** What `onError` was told of, but for the broker being away. */
  readonly errors: readonly string[];
  /** How often the broker was lost. */
  readonly lost: number;
  /** When sockets of clients were made, the broker's among them: by the clock of this process, in milliseconds. */
  readonly dials: readonly number[];
  readonly now: number;
  readonly liveBytes: number;
}

const RETRY_START_MS = 150;
const errors: string[] = [];
const dials: number[] = [];
let lost = 0;
let hub: Hub | undefined;

subscribe("net.client.socket", () => void dials.push(performance.now()));

function theHub(): Hub {
  if (hub === undefined) throw new Error("There is no hub yet.");
  return hub;
}

function isAway(error: unknown): boolean {
  return (error as { code?: string }).code === "ERR_BROKER";
}

/** Whether a producer has failed since its process was frozen, or cut off from the broker. */
function isLost(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return (
    code === "ERR_PRODUCER_LOST" || (code === "ERR_FAILED" && /^ERR_(?:BROKER|UNACKNOWLEDGED)$/.test(cause?.code ?? ""))
  );
}

function onError(error: unknown): void {
  if (isAway(error)) lost += 1;
  else if (!isLost(error)) errors.push(inspect(error));
}

function brokerOf(order: ListenOrder): Promise<Broker> {
  const { brokerPort, timeoutMs, heartbeatMs, maxEntries } = order;
  if (order.engine === "redis") {
    const client = createClient({ url: `redis://127.0.0.1:${brokerPort}` });
    client.on("error", () => undefined);
    return redisBroker({ client, timeoutMs, heartbeatMs, connectTimeoutMs: timeoutMs });
  }
  if (order.engine === "postgres") {
    const pool = new pg.Pool({ host: "127.0.0.1", port: brokerPort, user: "postgres", database: "postgres" });
    pool.on("error", () => undefined);
    return postgresBroker({ pool, timeoutMs, heartbeatMs, connectTimeoutMs: timeoutMs });
  }
  const connection = { servers: `127.0.0.1:${brokerPort}`, ignoreClusterUpdates: true };
  return natsBroker({ connection, timeoutMs, connectTimeoutMs: timeoutMs, heartbeatMs, log: { maxEntries } });
}

/** As whatever looks after a process does, it begins again until the broker is there. */
async function brokerAtLast(order: ListenOrder): Promise<Broker> {
  for (;;) {
    try {
      return await brokerOf(order);
    } catch (error) {
      if (!isAway(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_START_MS));
    }
  }
}

/** Resolves to the port. */
async function listen(order: ListenOrder): Promise<number> {
  const { maxEntries, maxBytes, maxConnectionAgeMs } = order;
  const broker = await brokerAtLast(order);
  hub = new Hub({
    broker,
    log: { maxEntries, maxBytes },
    heartbeatMs: 1000,
    retryMs: 100,
    pollMs: 2000,
    maxConnectionAgeMs,
    maxCometBytes: 2_097_152,
    onError,
  });
  const server = createServer((request, response) => {
    void nodeHandler(theHub())(request, response);
  });
  const listenOn = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host: "127.0.0.1", backlog: 1024 }, resolve);
    });
  await listenOn(order.port).catch(() => listenOn(0));
  return (server.address() as AddressInfo).port;
}

async function publishOne(topic: string, { data, messageId }: Outgoing): Promise<Published> {
  const start = performance.now();
  try {
    const position = await theHub()
      .topic(topic)
      .publish({ ...data }, { messageId });
    return { position, ms: performance.now() - start };
  } catch (error) {
    const { code = "none", message } = error as { code?: string; message: string };
    return { code, message, ms: performance.now() - start };
  }
}

async function publish({ topic, messages, oneByOne = false }: PublishOrder): Promise<Published[]> {
  const given: Promise<Published>[] = [];
  for (const message of messages) {
    given.push(publishOne(topic, message));
    if (oneByOne) await given.at(-1);
  }
  return Promise.all(given);
}

async function flood({ topic, count, bytes }: FloodOrder): Promise<Flooded> {
  const before = liveBytes();
  const codes: Record<string, number> = {};
  let published = 0;
  let mostUnacknowledged = 0;
  let longestMs = 0;
  let open = 0;
  const settle = ({ code, ms }: Published): void => {
    open -= 1;
    longestMs = Math.max(longestMs, ms);
    if (code === undefined) published += 1;
    else codes[code] = (codes[code] ?? 0) + 1;
  };
  for (let n = 1; n <= count; n += 1) {
    open += 1;
    // A text of its own for each, as an application would have it.
    const fill = Buffer.alloc(bytes, `${n} `).toString("latin1");
    void publishOne(topic, { data: { t: topic, n, fill }, messageId: `${topic} ${n}` }).then(settle);
    mostUnacknowledged = Math.max(mostUnacknowledged, theHub().stats().broker?.unacknowledged ?? 0);
    // What is refused at once has gone before memory is looked at.
    if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const grownBytes = liveBytes() - before;
  while (open > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  return { published, codes, mostUnacknowledged, grownBytes, longestMs };
}

let producers = 0;

/** Begins or joins a stream. */
function produce({ topic, tokens, pauseMs, leaseMs }: ProduceOrder): void {
  const source = async function* (signal: AbortSignal): AsyncGenerator<Token> {
    const p = `${process.pid}-${(producers += 1)}`;
    for (let n = 0; n < tokens; n += 1) {
      yield { t: topic, p, n };
      if (n % 4 === 3) await sleep(pauseMs, undefined, { signal });
    }
  };
  // The type of the tokens is theirs, and no index signature.
  void theHub().produce(topic, (signal) => source(signal) as AsyncIterable<never>, { leaseMs });
}

serveCalls({
  produce,
  stop: (topic: string) =>
    theHub()
      .stop(topic)
      .catch(() => undefined),
  listen,
  publish,
  flood,
  state: (): HubProcessState => ({
    stats: theHub().stats(),
    errors,
    lost,
    dials,
    now: performance.now(),
    liveBytes: liveBytes(),
  }),
});
