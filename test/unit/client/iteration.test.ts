import { expect, onTestFinished, test } from "vitest";
import { CometSource, ndjson } from "../../../src/client/index.ts";
import { serveHub } from "../../support/hub.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";
import { turns } from "../../support/sources.ts";

/** A source on a scripted wire, which has opened. */
async function follow(): Promise<{ source: CometSource; wire: ScriptedWire }> {
  const wire = scriptedWire("ndjson");
  const source = new CometSource("http://hub.test/live?topic=a", { wires: [wire] });
  onTestFinished(() => source.close());
  await turns();
  wire.last.opens();
  return { source, wire };
}

test("reads 50,000 messages out of the log over one connection", async () => {
  const { hub, origin, opened } = await serveHub({ log: { maxEntries: 60_000, maxBytes: 1 << 28 } });
  for (let n = 1; n <= 50_000; n += 1) await hub.topic("a").publish({ n });
  const source = new CometSource(`${origin}/?topic=a&from=oldest`, { wires: [ndjson] });
  onTestFinished(() => source.close());
  let last = 0;
  for await (const { data } of source) {
    const { n } = data as { n: number };
    if (n !== last + 1) expect.fail(`${n} after ${last}`);
    last = n;
    if (n === 50_000) break;
  }
  expect(opened).toHaveLength(1);
});

test("answers concurrent calls of next in their order", async () => {
  const { source, wire } = await follow();
  const reader = source[Symbol.asyncIterator]();
  const results = [reader.next(), reader.next(), reader.next(), reader.next()];
  await turns();
  for (const offset of [1, 2, 3]) wire.last.message(offset);
  await turns();
  source.close();
  expect((await Promise.all(results)).map(({ value }) => value?.data)).toEqual([1, 2, 3, undefined]);
});

test("ends on return(), also a call of next that waits", async () => {
  const { source, wire } = await follow();
  const reader = source[Symbol.asyncIterator]();
  const waiting = reader.next();
  await turns();
  await reader.return?.();
  wire.last.message(1);
  const end = { value: undefined, done: true };
  expect([await waiting, await reader.next()]).toEqual([end, end]);
});
