/**
 * A server of one process keeps its topics in a SQLite file. It is restarted with 1,000 clients on all wires, 400 in the short form: once by
 * signal 9, and once with `hub.close`. Messages are published before and after, while no client is there. Each client comes back as
 * `recovered`, gets every message once and in order, and gets the first one that it missed within a second of its own request.
 * `node test/soak/restart.ts`; `CLIENTS` for another number.
 */
import type { ControlItems, WireMessage } from "../../src/wire/item.ts";
import { sqliteFolder } from "../support/sqlite.ts";
import { quantile } from "../support/statistics.ts";
import { Child } from "./support/child.ts";
import { Client, type ClientLedger } from "./support/client.ts";
import { until } from "./support/clock.ts";
import { amount } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";
import type { CountOrder } from "./support/restart-server.ts";
import { Tally } from "./support/tally.ts";

const CLIENTS = amount("CLIENTS", 1000, 400);
/** The messages that are published at a time. */
const STEP = 100;
/** The longest time in milliseconds after which a client comes back. The delays are random, as those of pages are. */
const MOST_AWAY_MS = CLIENTS * 5;
const MOST_DELAY_MS = 1000;
const PATIENCE_MS = 60_000;
const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** What one client had: numbers, from 0, each once and in order. */
class Numbers implements ClientLedger {
  position = "";
  next = 0;
  history = "";
  /** The time in milliseconds from the request after which it came back to the first message; `undefined` until then. */
  delayMs: number | undefined;
  states: string[] = [];
  /** The time of its last request since it was told to begin, and whether that was answered. */
  #askedAt: number | undefined;
  #isBack = true;

  /** Forgets what it knows of the last time that it came back. */
  begin(): void {
    this.delayMs = undefined;
    this.states = [];
    this.#askedAt = undefined;
    this.#isBack = false;
  }

  open({ states, position }: ControlItems["open"]): void {
    // A poll that was under way is none of those after which it has come back.
    if (!this.#isBack && this.#askedAt !== undefined) {
      this.states.push(...Object.values(states));
      this.#isBack = true;
    }
    if (this.position === "") this.position = position;
  }

  message({ id, data }: WireMessage): void {
    if (Number(data) !== this.next) throw new Error(`${Number(data)} came, and not ${this.next}.`);
    this.next += 1;
    this.position = id;
    if (this.#isBack) this.delayMs ??= performance.now() - (this.#askedAt ?? 0);
  }

  gap({ missed }: ControlItems["gap"]): void {
    throw new Error(`A gap of ${missed} came.`);
  }

  end({ position }: ControlItems["end"]): void {
    this.position = position;
  }

  over(): void {
    // It comes back.
  }

  note(what: string): void {
    if (what === "request" && !this.#isBack) this.#askedAt = performance.now();
    this.history = what;
  }
}

const program = new URL("support/restart-server.ts", import.meta.url);
const random = new Random(seedOfRun());
const checks = new Checks();
const tally = new Tally();
const file = sqliteFolder();
let published = 0;
let port = 0;

async function start(): Promise<Child> {
  const server = new Child(program);
  await server.call("open", file.path);
  // Nobody is there, so that everybody misses these.
  if (published > 0) await publish(server);
  port = await server.call<number>("listen", port);
  return server;
}

async function publish(server: Child): Promise<void> {
  const order: CountOrder = { from: published, to: published + STEP };
  await server.call("publish", order);
  published += STEP;
}

let server = await start();
const clients = Array.from({ length: CLIENTS }, (_, i) => {
  const wire = wires[i % wires.length] as (typeof wires)[number];
  const awayMs = (): number => random.whole(20, MOST_AWAY_MS);
  return new Client({ wire, topics: ["t"], port, ledger: new Numbers(), random, tally, awayMs });
});
const ledgers = clients.map(({ ledger }) => ledger);
const allHave = (): Promise<boolean> => until(() => ledgers.every(({ next }) => next === published), PATIENCE_MS);
for (const client of clients) client.start();
checks.that(await until(() => ledgers.every(({ position }) => position !== ""), PATIENCE_MS), "not all were let in");
await publish(server);
checks.that(await allHave(), "not all had the first messages");
for (const way of ["signal 9", "hub.close"] as const) {
  // Some clients get these before the end, and some do not.
  await publish(server);
  if (way === "hub.close") await server.call("close", 500);
  await server.kill();
  for (const ledger of ledgers) ledger.begin();
  server = await start();
  checks.that(await allHave(), `not all had every message after ${way}`);
  const states = new Set(ledgers.flatMap((ledger) => ledger.states));
  const delays = ledgers.map(({ delayMs = Infinity }) => delayMs);
  const times = [0.5, 0.99, 1].map((part) => quantile(delays, part).toFixed(0)).join(", ");
  console.log(
    `${CLIENTS} clients after ${way}: ${[...states].join(", ")}; the first missed message after ${times} ms (p50, p99, max)`,
  );
  checks.that([...states].join() === "recovered", `the states were ${[...states].join(", ")}`);
  checks.that(Math.max(...delays) <= MOST_DELAY_MS, `a client waited for ${Math.max(...delays).toFixed(0)} ms`);
}
for (const client of clients) client.stop();
for (const violation of tally.violations.slice(0, 3)) checks.that(false, violation);
const errors = await server.call<string[]>("errors");
checks.that(errors.length === 0, errors.join(" "));
await server.kill();
await file.close();
checks.end();
