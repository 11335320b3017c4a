import fc from "fast-check";
import { expect, test } from "vitest";
import { Hub } from "../../src/index.ts";
import { MemoryBrokers } from "../../src/brokers/memory/memory-brokers.ts";
import type { WireItem } from "../support/decoders/wire-item.ts";
import { FaultyBroker } from "../support/faulty-broker.ts";
import { Follower } from "../support/hub.ts";
import { turns } from "../support/sources.ts";

const PROCESSES = 3;
const CLIENTS = 4;
const overflows = ["resume", "skip"] as const;
/** The most messages that the broker keeps, where the logs keep 8: as many, more, and all. */
const histories = [8, 30, 100_000] as const;
const queries = ["wire=ndjson", "wire=sse&mode=managed", "wire=comet&mode=managed"] as const;

type Op =
  | { readonly op: "publish"; readonly process: number; readonly count: number }
  | { readonly op: "lose"; readonly process: number; readonly count: number }
  | { readonly op: "cut" | "restore"; readonly process: number }
  | { readonly op: "join"; readonly process: number; readonly client: number; readonly query: string }
  | { readonly op: "leave"; readonly client: number }
  | { readonly op: "renew" | "settle" };

const process = fc.nat(PROCESSES - 1);
const client = fc.nat(CLIENTS - 1);
const count = fc.integer({ min: 1, max: 9 });
const query = fc.constantFrom(...queries);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ op: fc.constant("publish" as const), process, count }) },
    { weight: 5, arbitrary: fc.record({ op: fc.constant("join" as const), process, client, query }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("lose" as const), process, count }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom("cut" as const, "restore" as const), process }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("leave" as const), client }) },
    { weight: 3, arbitrary: fc.constant({ op: "settle" as const }) },
    { weight: 1, arbitrary: fc.constant({ op: "renew" as const }) },
  ),
  { minLength: 5, maxLength: 40 },
);

const world = fc.record({
  maxEntries: fc.constantFrom(...histories),
  isDense: fc.boolean(),
  page: fc.constantFrom(1, 3, 500),
});

/** A client that connects to any hub, disconnects, and keeps its items and its position. */
class Client {
  #follower: Follower | undefined;
  #taken = 0;
  #position: string | undefined;
  /** The messages and gaps that it received, in order. */
  readonly had: (number | { readonly missed: number | null })[] = [];

  async join(hub: Hub, query: string): Promise<void> {
    this.leave();
    const place = this.#position === undefined ? "from=oldest" : `lastEventId=${encodeURIComponent(this.#position)}`;
    const asked = `topic=t&${query}&${place}`;
    const response = await hub.fetch(new Request(`http://hub.test/?${asked}`));
    // A hub that cannot reach its broker refuses the client, which then reconnects.
    if (response.status === 503) await response.body?.cancel();
    else this.#follower = new Follower(response, new URLSearchParams(asked));
    this.#taken = 0;
  }

  leave(): void {
    this.take();
    this.#follower?.leave();
    this.#follower = undefined;
  }

  /** Reads the items that have arrived. */
  take(): Client["had"] {
    const items = this.#follower?.items ?? [];
    for (const item of items.slice(this.#taken)) this.#take(item);
    this.#taken = items.length;
    return this.had;
  }

  /** Whether its stream has ended, so that it would reconnect. */
  get isOver(): boolean {
    return this.#follower?.over ?? true;
  }

  #take(item: WireItem): void {
    if (item.type === "message") {
      this.#position = item.id;
      this.had.push(item.data as number);
    } else if (item.type === "gap") {
      this.#position = item.position;
      this.had.push({ missed: item.missed });
    } else if (item.type === "end" || (item.type === "open" && item.states["t"] !== "gap")) {
      this.#position = item.position;
    }
  }
}

/** Every published message arrives once and in order, except those that a gap covers. */
function check(had: Client["had"], last: number): void {
  let next: number | undefined;
  let gap: { missed: number | null } | undefined;
  for (const one of had) {
    if (typeof one !== "number") {
      const missed = gap === undefined || gap.missed === null || one.missed === null ? null : gap.missed + one.missed;
      gap = gap === undefined ? { ...one } : { missed };
      continue;
    }
    if (next !== undefined) {
      expect(one).toBeGreaterThanOrEqual(next);
      if (gap === undefined) expect(one).toBe(next);
      else if (gap.missed !== null) expect(one - next).toBe(gap.missed);
    }
    next = one + 1;
    gap = undefined;
  }
  expect(next).toBe(last + 1);
}

test("delivers every message once and in order, or a gap, when hubs lose their broker", async () => {
  await fc.assert(
    fc.asyncProperty(
      ops,
      fc.constantFrom(...overflows),
      world,
      async (some, overflow, { maxEntries, isDense, page }) => {
        const shared = new MemoryBrokers();
        const brokers = Array.from({ length: PROCESSES }, () => new FaultyBroker(shared.join(), { isDense, page }));
        const errors: unknown[] = [];
        const bounds = { log: { maxEntries: 8 }, history: { maxEntries } };
        const hubs = brokers.map(
          (broker) => new Hub({ broker, overflow, ...bounds, onError: (error) => errors.push(error) }),
        );
        const isAllKept = maxEntries === histories.at(-1) && overflow === "resume";
        const cut = new Set<number>();
        const clients = Array.from({ length: CLIENTS }, () => new Client());
        let published = 0;
        let position = "";
        const publish = async (process: number): Promise<void> => {
          if (cut.has(process)) {
            await expect(hubs[process]?.topic("t").publish(-1)).rejects.toMatchObject({ code: "ERR_BROKER" });
            return;
          }
          position = (await hubs[process]?.topic("t").publish(published)) ?? "";
          published += 1;
        };
        const restore = (process: number): void => {
          const broker = brokers[process] as FaultyBroker;
          broker.loses = 0;
          if (cut.delete(process)) broker.restore();
        };
        try {
          for (const one of some) {
            if (one.op === "publish") for (let i = 0; i < one.count; i += 1) await publish(one.process);
            else if (one.op === "lose") (brokers[one.process] as FaultyBroker).loses = one.count;
            else if (one.op === "restore") restore(one.process);
            else if (one.op === "cut") {
              if (!cut.has(one.process)) brokers[one.process]?.cut();
              cut.add(one.process);
            } else if (one.op === "join") await clients[one.client]?.join(hubs[one.process] as Hub, one.query);
            else if (one.op === "leave") clients[one.client]?.leave();
            else if (one.op === "settle") await turns();
            else if (position !== "") {
              const there = brokers.find((_, i) => !cut.has(i));
              await there?.renew("t", /=(\w+)\./.exec(position)?.[1] as string);
            }
          }
          for (let process = 0; process < PROCESSES; process += 1) restore(process);
          const end = performance.now() + 30_000;
          const isBehind = (one: Client): boolean => one.take().at(-1) !== published - 1;
          // A skipping client may receive a gap up to the newest message: it must then receive the next one.
          for (let looks = 0; looks === 0 || clients.some(isBehind); looks += 1) {
            if (performance.now() > end) expect.fail(`had ${JSON.stringify(clients.map(({ had }) => had))}`);
            for (const [i, one] of clients.entries()) {
              if (isBehind(one) && one.isOver) await one.join(hubs[i % PROCESSES] as Hub, queries[0]);
            }
            if (looks % 20 === 0) await publish(0);
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          for (const { had } of clients) check(had, published - 1);
          const isRenewed = some.some(({ op }) => op === "renew");
          if (isAllKept && !isRenewed) for (const { had } of clients) expect(had).toEqual([...Array(published).keys()]);
          expect(errors.every((error) => (error as { code?: string }).code === "ERR_BROKER")).toBe(true);
        } finally {
          for (const one of clients) one.leave();
          await Promise.all(hubs.map((hub) => hub.close({ drainMs: 0 })));
        }
      },
    ),
    { numRuns: 300 },
  );
});
