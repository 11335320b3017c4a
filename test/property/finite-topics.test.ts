import fc from "fast-check";
import { expect, test } from "vitest";
import { FiniteReader, finiteWires, FiniteWorld } from "../support/finite-world.ts";
import { flushed, turn } from "../support/fake-sink.ts";

const topics = ["a", "b", "c"] as const;
/** What each reader follows. */
const plans = [["a"], ["a"], ["b"], ["a", "b"], ["b", "c"], ["a", "b", "c"]] as const;

const reader = fc.integer({ min: 0, max: plans.length - 1 });
const topic = fc.constantFrom(...topics);
const share = fc.double({ min: 0, max: 0.999, noNaN: true });

/** What may happen in the world, with its name for a report. */
type Act = readonly [name: string, act: (world: FiniteWorld, readers: readonly FiniteReader[]) => unknown];

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(topic, fc.integer({ min: 1, max: 6 }))
      .map(([name, count]): Act => [`publish ${name} x${count}`, (world) => world.publish(name, count)]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(topic, fc.constantFrom("complete", "failed", "stopped"))
      .map(([name, outcome]): Act => [`end ${name} ${outcome}`, (world) => world.end(name, outcome)]),
  },
  { weight: 1, arbitrary: topic.map((name): Act => [`delete ${name}`, (world) => world.delete(name)]) },
  {
    weight: 5,
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
  { weight: 2, arbitrary: reader.map((i): Act => [`stall ${i}`, (_, readers) => readers[i]?.stall()]) },
  { weight: 2, arbitrary: reader.map((i): Act => [`read ${i}`, (_, readers) => readers[i]?.read()]) },
  { weight: 2, arbitrary: reader.map((i): Act => [`take ${i}`, (_, readers) => readers[i]?.take()]) },
  { weight: 2, arbitrary: fc.constant<Act>(["turn", () => turn()]) },
  { weight: 2, arbitrary: fc.constant<Act>(["flush", () => flushed()]) },
);

test("every reader gets exactly the stream and its outcome, or a gap, after any sequence of ends and failures", async () => {
  const seen = { messages: 0, missed: 0, ends: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { maxLength: 120, size: "max" }),
      fc.constantFrom(3, 1000),
      fc.constantFrom("resume", "skip", "latest"),
      async (acts, maxEntries, overflow) => {
        const world = new FiniteWorld(topics, maxEntries, overflow);
        const readers = plans.map((plan) => new FiniteReader(world, plan));
        for (const [, perform] of acts) await perform(world, readers);
        await flushed();
        await world.settle();
        for (const { messages, missed, ends } of readers) {
          seen.messages += messages;
          seen.missed += missed;
          seen.ends += ends;
        }
      },
    ),
    { numRuns: 1000 },
  );
  // Otherwise the test covers nothing.
  expect(seen.messages).toBeGreaterThan(20_000);
  expect(seen.missed).toBeGreaterThan(2000);
  expect(seen.ends).toBeGreaterThan(5000);
});
