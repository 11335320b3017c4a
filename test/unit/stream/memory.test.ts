import { expect, test } from "vitest";
import { Enumeratee, Enumerator, Iteratee } from "../../../src/index.ts";
import { liveBytes } from "../../support/memory.ts";

const MiB = 1024 * 1024;

test("uses constant memory for 10 million elements through ten operators", async () => {
  const total = 10_000_000;
  const held: number[] = [];
  const ten = Enumeratee.compose(
    Enumeratee.compose(
      Enumeratee.map((n: number) => n + 1),
      Enumeratee.filter((n) => n % 4 !== 0),
      Enumeratee.scan({ last: 0, sum: 0 }, ({ sum }, n) => ({ last: n, sum: sum + n })),
      Enumeratee.map(({ last }) => last),
      Enumeratee.drop(10),
    ),
    Enumeratee.compose(
      Enumeratee.collect((n: number) => (n > 0 ? { n } : undefined)),
      Enumeratee.distinctUntilChanged(),
      Enumeratee.takeWhile(({ n }) => n > 0),
      Enumeratee.mapConcat((element) => [element]),
      Enumeratee.tap(({ n }) => {
        if (n % 2_500_001 === 0) held.push(liveBytes());
      }),
    ),
  );
  const before = liveBytes();
  const count = await Enumerator.unfold(0, (n) => (n < total ? [n, n + 1] : undefined))
    .through(ten)
    .run(Iteratee.count());
  expect(count).toBe(total * 0.75 - 10);
  expect(held.length).toBeGreaterThanOrEqual(3);
  for (const bytes of held) expect(bytes - before).toBeLessThan(4 * MiB);
});

test("keeps 100,000 broadcasts within the declared bound with one stalled and 99 live readers", async () => {
  const capacity = 1024;
  const elementBytes = 1024;
  let dropped = 0;
  const { source, channel } = Enumerator.broadcast<string>({
    capacity,
    whenFull: "dropOldest",
    onDrop: () => (dropped += 1),
  });
  const stalled = source[Symbol.asyncIterator]();
  const first = stalled.next();
  const live = Array.from({ length: 99 }, () => source.run(Iteratee.count()));
  const before = liveBytes();
  const total = 100_000;
  for (let i = 0; i < total; i += 1) {
    // Each broadcast has its own string, so that retained memory shows.
    channel.push(Buffer.alloc(elementBytes, i).toString("latin1"));
    if (i % 20_000 === 0) expect(liveBytes() - before).toBeLessThan(capacity * elementBytes + 2 * MiB);
  }
  expect(liveBytes() - before).toBeLessThan(capacity * elementBytes + 2 * MiB);
  channel.end();
  expect(await Promise.all(live)).toEqual(live.map(() => total));
  expect((await first).done).toBe(false);
  expect(dropped).toBe(total - 1 - capacity);
  await stalled.return?.();
});
