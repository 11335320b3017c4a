import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NdjsonDecoder } from "../support/decoders/ndjson-decoder.ts";
import { freePort } from "../support/free-port.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";

const WORKERS = 3;
const READERS = 12;
const PATIENCE_MS = 20_000;
/** A connection is never answered if its worker is killed while it is handed over, so clients need a time limit. */
const ANSWER_MS = 2000;

/** Resolves the package name, which the example imports, to the sources. */
const onSources = `
import { registerHooks } from "node:module";
const files = { "": "index.ts", "/node": "adapters/node/index.ts", "/redis": "brokers/redis/index.ts" };
registerHooks({
  resolve: (name, context, next) => {
    const path = name.startsWith("comet-sockets") ? files[name.slice("comet-sockets".length)] : undefined;
    return next(path === undefined ? name : ${JSON.stringify(`file://${root}/src/`)} + path, context);
  },
});`;

/** A client that reconnects to any worker with its position when its stream ends or breaks. */
class Reader {
  readonly titles: unknown[] = [];
  /** The workers that have served it, in order. */
  readonly workers: number[] = [];
  gaps = 0;
  readonly #controller = new AbortController();
  #position = "";

  constructor(origin: string) {
    void this.#run(origin);
  }

  close(): void {
    this.#controller.abort();
  }

  async #run(origin: string): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      await this.#follow(
        `${origin}/events?topic=news&wire=ndjson&from=oldest&lastEventId=${this.#position}`,
        signal,
      ).catch(() => undefined);
      await sleep(20);
    }
  }

  async #follow(url: string, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ANSWER_MS);
    const response = await fetch(url, { signal: AbortSignal.any([signal, late.signal]) });
    clearTimeout(timer);
    if (!response.ok || response.body === null) return;
    this.workers.push(Number(response.headers.get("x-worker")));
    const decoder = new NdjsonDecoder({
      onItem: (item) => {
        if (item.type === "message") {
          this.titles.push((item.data as { title: unknown }).title);
          this.#position = item.id;
        } else if (item.type === "open" || item.type === "end") this.#position = item.position;
        else if (item.type === "gap") this.gaps += 1;
      },
    });
    for await (const bytes of response.body) decoder.feed(bytes);
  }
}

/** The worker that answers on a new connection, if one does. */
function whoAnswers(): Promise<number | undefined> {
  return new Promise((resolve) => {
    const outgoing = request({ host: "127.0.0.1", port, path: "/", agent: false }, (response) => {
      response.resume();
      resolve(Number(response.headers["x-worker"]));
    });
    outgoing.once("error", () => resolve(undefined));
    outgoing.end();
  });
}

/** Posts once, on a new connection. Resolves to the worker, or to undefined if the outcome is unknown. */
function post(title: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, path: `/news?id=${title}`, method: "POST", agent: false };
    const outgoing = request(options, (response) => {
      response.resume();
      response.once("error", () => resolve(undefined));
      response.once("end", () => {
        resolve(response.statusCode === 200 ? Number(response.headers["x-worker"]) : undefined);
      });
    });
    outgoing.once("error", () => resolve(undefined));
    outgoing.setTimeout(ANSWER_MS, () => outgoing.destroy());
    outgoing.end(JSON.stringify({ title }));
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

let redis: RedisServer;
let leader: ChildProcess;
let port = 0;
let output = "";
let readers: readonly Reader[] = [];
let published = 0;

/** Publishes the next messages, each until it is acknowledged. Returns the workers that have acknowledged them. */
async function publish(count: number): Promise<Set<number>> {
  const workers = new Set<number>();
  for (const end = published + count; published < end; published += 1) {
    let worker: number | undefined;
    await until(() => leader.exitCode === null);
    for (let tries = 0; worker === undefined && tries < 500; tries += 1) {
      worker = await post(published);
      if (worker === undefined) await sleep(20);
    }
    workers.add(worker ?? expect.fail("a message is not acknowledged"));
    await sleep(2);
  }
  return workers;
}

/** Expects every reader to have received each message once and in order, without a gap. */
async function expectEverything(): Promise<void> {
  const all = Array.from({ length: published }, (_, title) => title);
  await until(() => readers.every(({ titles }) => titles.length >= all.length), PATIENCE_MS);
  for (const { titles, gaps } of readers) expect({ titles, gaps }).toEqual({ titles: all, gaps: 0 });
}

function servedBy(): Set<number> {
  return new Set(readers.map(({ workers }) => workers.at(-1) ?? 0));
}

beforeAll(async () => {
  redis = await startRedis();
  port = await freePort();
  const hook = `data:text/javascript,${encodeURIComponent(onSources)}`;
  const settings = { PORT: String(port), WORKERS: String(WORKERS), REDIS_URL: redis.url, DRAIN_MS: "500" };
  const args = ["--import", hook, join(root, "examples/cluster.ts")];
  leader = spawn(process.execPath, args, {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  leader.stdout?.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const workers = new Set<number>();
  for (const end = performance.now() + PATIENCE_MS; workers.size < WORKERS;) {
    const worker = await whoAnswers();
    if (worker !== undefined) workers.add(worker);
    if (performance.now() > end) expect.fail(`only ${workers.size} workers are there`);
    await sleep(20);
  }
  readers = Array.from({ length: READERS }, () => new Reader(`http://127.0.0.1:${port}`));
  await until(() => readers.every(({ workers }) => workers.length > 0), PATIENCE_MS);
});

afterAll(async () => {
  for (const reader of readers) reader.close();
  // Its workers end with it.
  leader.kill("SIGKILL");
  await redis.close();
});

test("delivers messages of any worker to the clients of all workers", async () => {
  const publishers = await publish(60);
  expect(publishers.size).toBeGreaterThan(1);
  expect(servedBy().size).toBeGreaterThan(1);
  await expectEverything();
});

test("replaces a killed worker, whose clients lose nothing", async () => {
  const [victim = 0] = servedBy();
  const before = new Set([...servedBy(), ...(await publish(20))]);
  const publishing = publish(300);
  await sleep(100);
  process.kill(victim, "SIGKILL");
  const publishers = await publishing;
  let workers = new Set([...publishers, ...servedBy()]);
  for (let tries = 0; [...workers].every((worker) => before.has(worker)) && tries < 100; tries += 1) {
    workers = await publish(10);
  }
  expect([...workers].some((worker) => !before.has(worker))).toBe(true);
  expect(isAlive(victim)).toBe(false);
  await expectEverything();
  expect(servedBy()).not.toContain(victim);
});

test("replaces all workers one by one on SIGHUP, without a loss", async () => {
  const before = servedBy();
  output = "";
  leader.kill("SIGHUP");
  while (!output.includes("All workers are new.")) await publish(20);
  await until(() => [...servedBy()].every((worker) => !before.has(worker)), PATIENCE_MS);
  const publishers = await publish(60);
  await expectEverything();
  for (const worker of before) {
    expect(publishers).not.toContain(worker);
    expect(isAlive(worker)).toBe(false);
  }
});

test("ends all processes on SIGTERM, after all messages are delivered", async () => {
  const workers = servedBy();
  await publish(20);
  const exited = once(leader, "exit");
  leader.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  await expectEverything();
  expect([...workers].filter(isAlive)).toEqual([]);
  expect(await post(-1)).toBeUndefined();
});
