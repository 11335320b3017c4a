import fc from "fast-check";
import { expect, test } from "vitest";
import { flushed, turn } from "../support/fake-sink.ts";
import { FiniteCounts } from "../support/finite-ledger.ts";
import { FiniteReader, finiteWires } from "../support/finite-reader.ts";
import { FiniteWorld } from "../support/finite-world.ts";
import { virtualTime } from "../support/virtual-time.ts";

const topics = ["a", "b", "c"] as const;
/** What each reader follows. */
const plans = [["a"], ["a"], ["b"], ["a", "b"], ["b", "c"], ["a", "b", "c"]] as const;

const reader = fc.integer({ min: 0, max: plans.length - 1 });
const topic = fc.constantFrom(...topics);
const share = fc.double({ min: 0, max: 0.999, noNaN: true });
const count = fc.integer({ min: 1, max: 6 });

/** What may happen in the world, with its name for a report. */
type Act = readonly [name: string, act: (world: FiniteWorld, readers: readonly FiniteReader[]) => unknown];

const onTopic = (name: string, act: (world: FiniteWorld, topic: string) => unknown): fc.Arbitrary<Act> =>
  topic.map((one): Act => [`${name} ${one}`, (world) => act(world, one)]);
const onReader = (name: string, act: (reader: FiniteReader) => unknown): fc.Arbitrary<Act> =>
  reader.map((i): Act => [`${name} ${i}`, (_, readers) => act(readers[i] as FiniteReader)]);

const failures = [new Error("secret"), { code: "quota", message: "The quota is used up." }];

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(topic, count)
      .map(([name, times]): Act => [`publish ${name} x${times}`, (world) => world.publish(name, times)]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(topic, fc.constantFrom("complete", "stopped"))
      .map(([name, outcome]): Act => [`end ${name} ${outcome}`, (world) => world.end(name, { outcome })]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(topic, fc.constantFrom(...failures))
      .map(([name, error]): Act => [`fail ${name}`, (world) => world.end(name, { error })]),
  },
  { weight: 1, arbitrary: onTopic("stop", (world, name) => world.stop(name)) },
  { weight: 1, arbitrary: onTopic("delete", (world, name) => world.delete(name)) },
  { weight: 2, arbitrary: onTopic("produce", (world, name) => world.produce(name, false)) },
  { weight: 1, arbitrary: onTopic("restart", (world, name) => world.produce(name, true)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(topic, count)
      .map(([name, times]): Act => [`emit ${name} x${times}`, (world) => world.emit(name, times)]),
  },
  { weight: 1, arbitrary: onTopic("finish the source of", (world, name) => world.finish(name, false)) },
  { weight: 1, arbitrary: onTopic("fail the source of", (world, name) => world.finish(name, true)) },
  { weight: 1, arbitrary: fc.constant<Act>(["fill", (world) => world.fill()]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(5, 70, 1100, 2100).map((ms): Act => [`pass ${ms}`, (world) => world.pass(ms)]),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(reader, fc.constantFrom(...finiteWires))
      .map(([i, wire]): Act => [`connect ${i} ${wire}`, (_, readers) => readers[i]?.connect(wire)]),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(reader, share)
      .map(([i, had]): Act => [`cut ${i} ${had}`, (_, readers) => readers[i]?.cut(had)]),
  },
  { weight: 1, arbitrary: onReader("renew", (one) => one.renew()) },
  { weight: 2, arbitrary: onReader("stall", (one) => one.stall()) },
  { weight: 2, arbitrary: onReader("read", (one) => one.read()) },
  { weight: 3, arbitrary: onReader("take", (one) => one.take()) },
  { weight: 2, arbitrary: fc.constant<Act>(["turn", () => turn()]) },
  { weight: 2, arbitrary: fc.constant<Act>(["flush", () => flushed()]) },
);

const worlds = fc.record({
  maxEntries: fc.constantFrom(3, 1000),
  overflow: fc.constantFrom("resume", "skip", "latest"),
  ttlMs: fc.constantFrom(60, 2_000_000_000),
  startTimeoutMs: fc.constantFrom(40, 3000),
  room: fc.constantFrom("plenty", "plenty", "plenty", "two topics", "1 MiB"),
});

test("every reader gets exactly the stream and its outcome, or is told what it lacks, whatever becomes of topics", async () => {
  const time = virtualTime(0);
  const counts = new FiniteCounts();
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 120, size: "max" }), worlds, async (acts, options) => {
      const world = new FiniteWorld(topics, time, options);
      const readers = plans.map((plan) => new FiniteReader(world, plan, counts));
      try {
        for (const [, perform] of acts) await perform(world, readers);
        await flushed();
        await world.settle();
      } finally {
        world.dispose();
      }
    }),
    { numRuns: 1000 },
  );
  // Otherwise the test covers nothing.
  const least: Readonly<Record<keyof FiniteCounts, number>> = {
    messages: 8000,
    missed: 3000,
    renewed: 150,
    ends: 4500,
    missing: 120,
    expired: 150,
    refused: 50,
    refusedAsExpired: 100,
    waits: 500,
  };
  for (const [what, number] of Object.entries(least)) {
    expect(counts[what as keyof FiniteCounts], what).toBeGreaterThan(number);
  }
});
