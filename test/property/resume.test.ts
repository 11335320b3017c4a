import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveTopic } from "../../src/hub/topics/live-topic.ts";
import {
  clock,
  turn,
  WALL_START,
  wires,
  World,
  type Client,
  type ClientPlan,
  type From,
} from "../support/resume-world.ts";

/** Several of each kind, so that the hub puts them into one group. */
const plans: readonly ClientPlan[] = [
  { topics: ["a"], overflow: "resume" },
  { topics: ["a"], overflow: "resume" },
  { topics: ["a"], overflow: "skip" },
  { topics: ["a"], overflow: "skip" },
  { topics: ["a"], overflow: "latest" },
  { topics: ["a", "b"], overflow: "resume" },
  { topics: ["a", "b"], overflow: "skip" },
  { topics: ["a", "b"], overflow: "latest" },
  { topics: ["b"], overflow: "resume" },
  { topics: ["b"], overflow: "skip" },
  { topics: ["b"], overflow: "latest" },
];

type Model = Record<string, never>;

class Command implements fc.AsyncCommand<Model, World> {
  readonly #name: string;
  readonly #act: (world: World) => Promise<void> | void;

  constructor(name: string, act: (world: World) => Promise<void> | void) {
    this.#name = name;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  async run(_model: Model, world: World): Promise<void> {
    await this.#act(world);
    world.expectNoFailures();
  }

  toString(): string {
    return this.#name;
  }
}

const anyClient = fc.integer({ min: 0, max: plans.length - 1 });
const topic = fc.constantFrom("a", "b");
const key = fc.option(fc.constantFrom("x", "y"), { nil: undefined });
const wire = fc.oneof({ arbitrary: fc.constant("ndjson" as const), weight: 4 }, fc.constantFrom(...wires));
const share = fc.double({ min: 0, max: 1, noNaN: true });

function withClient(name: string, act: (client: Client) => Promise<void> | void): fc.Arbitrary<Command> {
  return anyClient.map((i) => new Command(`${name} ${i}`, (world) => act(world.clients[i] as Client)));
}

const publish = fc.tuple(topic, key, fc.integer({ min: 1, max: 9 })).map(
  ([name, about, times]) =>
    new Command(`publish ${name} ${about ?? "-"} x${times}`, async (world) => {
      for (let i = 0; i < times; i += 1) await world.publish(name, about);
    }),
);

const from: fc.Arbitrary<From> = fc.oneof(
  fc.constantFrom("newest" as const, "oldest" as const),
  fc.record({ last: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ sinceBack: fc.integer({ min: 1, max: 12 }) }),
);

const connect = fc
  .tuple(anyClient, wire, from)
  .map(
    ([i, on, begin]) =>
      new Command(`connect ${i} ${on} from ${JSON.stringify(begin)}`, (world) => world.clients[i]?.connect(on, begin)),
  );

/** A page that is loaded again. */
const reload = fc.tuple(anyClient, wire, from).map(
  ([i, on, begin]) =>
    new Command(`reload ${i} ${on} from ${JSON.stringify(begin)}`, (world) => {
      const client = world.clients[i] as Client;
      client.cut(1);
      client.forget();
      client.read();
      client.connect(on, begin);
    }),
);

const cut = fc
  .tuple(anyClient, share)
  .map(([i, had]) => new Command(`cut ${i} ${had}`, (world) => world.clients[i]?.cut(had)));

/** Events in the middle of a flush: subscribers leave, join or are ended, or more is published. */
const trap = fc.tuple(anyClient, anyClient, fc.constantFrom("cut", "connect", "recycle", "publish"), wire, topic).map(
  ([i, j, what, on, name]) =>
    new Command(`when ${i} is written to: ${what} ${j} ${on}`, (world) => {
      const other = world.clients[j] as Client;
      world.clients[i]?.trap(() => {
        if (what === "cut") other.cut(0.5);
        else if (what === "recycle") other.recycle();
        else if (what === "publish") void world.publish(name, undefined);
        else other.connect(on);
      });
    }),
);

const commands = fc.commands(
  [
    publish,
    publish,
    fc.constant(new Command("turn", turn)),
    connect,
    connect,
    reload,
    trap,
    trap,
    withClient("stall", (client) => client.stall()),
    withClient("read", (client) => client.read()),
    cut,
    withClient("recycle", (client) => client.recycle()),
    fc.constant(new Command("evict", (world) => world.evict())),
    fc.constant(new Command("restart", (world) => world.restart())),
  ],
  { maxCommands: 250, size: "max" },
);

/** Each read of the hub's clock advances it by more than a slice, so every group flushes in its own turn. */
const now = performance.now.bind(performance);

beforeEach(() => {
  performance.now = () => (clock.time += 2);
  vi.spyOn(Date, "now").mockImplementation(() => WALL_START + clock.time);
  // No publisher waits for clients here, so that the log passes them.
  vi.spyOn(LiveTopic.prototype, "paced").mockReturnValue(undefined);
});

afterEach(() => {
  performance.now = now;
  vi.restoreAllMocks();
});

test("delivers all published messages or a gap after any sequence of connection failures", async () => {
  const seen = { messages: 0, gaps: 0, overflows: 0, leftOut: 0, begun: 0, begunAfterGap: 0 };
  await fc.assert(
    fc.asyncProperty(fc.boolean(), commands, async (connected, run) => {
      const world = new World(plans);
      if (connected) for (const client of world.clients) client.connect("ndjson");
      await fc.asyncModelRun(() => ({ model: {}, real: world }), run);
      await world.settle();
      for (const { messages, gaps, overflows, leftOut, begun, begunAfterGap } of world.clients) {
        seen.begun += begun;
        seen.begunAfterGap += begunAfterGap;
        seen.messages += messages;
        seen.gaps += gaps;
        seen.overflows += overflows;
        seen.leftOut += leftOut;
      }
      await world.close();
    }),
    { numRuns: 500 },
  );
  // Otherwise the test covers nothing.
  expect(seen.messages).toBeGreaterThan(20_000);
  expect(seen.gaps).toBeGreaterThan(1000);
  expect(seen.overflows).toBeGreaterThan(10);
  expect(seen.leftOut).toBeGreaterThan(500);
  expect(seen.begun).toBeGreaterThan(1000);
  expect(seen.begunAfterGap).toBeGreaterThan(500);
});
