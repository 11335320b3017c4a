import { createServer } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { Hub, type HubStats } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { nowUs } from "./clock.ts";

/** The number of topics of each kind whose logs are full: 4,096 messages of 1,024 bytes, or of one digit. */
export const FULL_TOPICS = 20;
const LOG_ENTRIES = 4096;
const LOG_BYTES = 4_194_304;
export const READERS_TOPIC = "soak";
/** A topic with messages and without followers: requests for other topics must not evict it. */
const KEPT_TOPIC = "kept";
const KEPT_MESSAGES = 101;
/** The number of topics without followers to which the application publishes in turn. */
const FRESH_TOPICS = 2000;
/** The limit of streams of one HTTP/2 connection that docs/deployment.md recommends. */
export const MAX_STREAMS = 100;

export interface Ports {
  readonly http: number;
  readonly http2: number;
}

export interface PublishPlan {
  readonly messages: number;
  readonly everyMs: number;
  /** The size of a message's data, in bytes. */
  readonly bytes: number;
}

export interface StrangersState {
  readonly stats: HubStats;
  readonly failures: readonly string[];
  readonly published: number;
  readonly faults: readonly string[];
  readonly keptMessages: number;
  /** The first connections that do not follow the readers' topic, for the report of a failure. */
  readonly others: readonly string[];
  readonly peakRss: number;
  /** The highest size of the heap and of external memory since the last call, including garbage. */
  readonly peakHeap: number;
  /** The size of the heap and of external memory after a collection. */
  readonly liveBytes: number;
  readonly cpuMs: number;
}

interface PollItem {
  readonly data?: unknown;
  readonly end?: { readonly position: string };
}

/** A hub with its default options behind Node's HTTP/1.1 and HTTP/2 servers, and an application that publishes. */
export class StrangersServer {
  readonly #hub: Hub;
  readonly #failures = new Set<string>();
  readonly #faults = new Set<string>();
  #published = 0;
  #peakRss = 0;
  #peakHeap = 0;

  constructor() {
    this.#hub = new Hub({ onError: (error) => this.#faults.add(String(error)) });
    process.on("unhandledRejection", (error) => this.#faults.add(`An unhandled rejection: ${String(error)}`));
    process.on("uncaughtException", (error) => this.#faults.add(`An exception: ${error.stack ?? String(error)}`));
    process.on("warning", (warning) => this.#faults.add(`A warning: ${warning.message}`));
    setInterval(() => this.#watchMemory(), 100).unref();
  }

  async listen(): Promise<Ports> {
    const [one, two] = [
      createServer(nodeHandler(this.#hub)),
      http2.createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } }, nodeHandler(this.#hub)),
    ];
    return { http: await listenOn(one), http2: await listenOn(two) };
  }

  /** Fills the logs of the topics that strangers read. */
  async fill(): Promise<void> {
    const bytes = LOG_BYTES / LOG_ENTRIES;
    for (let topic = 0; topic < FULL_TOPICS; topic += 1) {
      for (let i = 0; i < LOG_ENTRIES; i += 1) {
        void this.#publish(`full${topic}`, `${i} `.padEnd(bytes - 2, "x"));
        void this.#publish(`small${topic}`, i % 10);
        if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    for (let i = 0; i < KEPT_MESSAGES; i += 1) await this.#publish(KEPT_TOPIC, i);
  }

  /** Publishes to the readers' topic at a rate, and with each message to two other topics. Resolves after the last one. */
  async publish({ messages, everyMs, bytes }: PublishPlan): Promise<void> {
    const start = performance.now();
    for (let i = 0; i < messages; i += 1) {
      const due = start + i * everyMs - performance.now();
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      const message = `@${nowUs()};${i} `.padEnd(bytes - 2, "x");
      await this.#publish(READERS_TOPIC, message);
      void this.#publish(`full${i % FULL_TOPICS}`, message);
      void this.#publish(`fresh${i % FRESH_TOPICS}`, message);
    }
  }

  async state(): Promise<StrangersState> {
    const stats = this.#hub.stats();
    const keptMessages = await this.#keptMessages();
    this.#watchMemory();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const state: StrangersState = {
      stats,
      failures: [...this.#failures].slice(0, 3),
      published: this.#published,
      faults: [...this.#faults].slice(0, 5),
      keptMessages,
      others: this.#others(),
      peakRss: this.#peakRss,
      peakHeap: this.#peakHeap,
      liveBytes: heapUsed + external,
      cpuMs: (user + system) / 1000,
    };
    this.#peakRss = this.#peakHeap = 0;
    return state;
  }

  async #publish(topic: string, data: string | number): Promise<void> {
    try {
      await this.#hub.topic(topic).publish(data);
      this.#published += 1;
    } catch (error) {
      this.#failures.add(`Publishing to ${topic} failed: ${String(error)}`);
    }
  }

  /** Polls the topic without followers until nothing comes. Resolves to the number of messages. */
  async #keptMessages(): Promise<number> {
    const query = `topic=${KEPT_TOPIC}&wire=poll&from=oldest&wait=0`;
    let messages = 0;
    let position = "";
    for (;;) {
      const response = await this.#hub.fetch(new Request(`http://soak/?${query}&lastEventId=${position}`));
      const items = (await response.json()) as readonly PollItem[];
      const count = items.filter((item) => "data" in item).length;
      messages += count;
      position = items.at(-1)?.end?.position ?? "";
      if (count === 0 || position === "") return messages;
    }
  }

  #others(): string[] {
    const others: string[] = [];
    for (const { wire, topics, position } of this.#hub.subscriptions()) {
      if (!topics.includes(READERS_TOPIC) && others.length < 5) others.push(`${wire} at ${position}`);
    }
    return others;
  }

  #watchMemory(): void {
    const { rss, heapUsed, external } = process.memoryUsage();
    this.#peakRss = Math.max(this.#peakRss, rss);
    this.#peakHeap = Math.max(this.#peakHeap, heapUsed + external);
  }
}

/** Listens on a free port. Resolves to the port. */
export function listenOn(server: {
  listen(options: { port: number; host: string; backlog: number }, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ port: 0, host: "127.0.0.1", backlog: 8192 }, () => resolve((server.address() as AddressInfo).port));
  });
}
