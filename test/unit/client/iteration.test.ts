import type { ServerResponse } from "node:http";
import { MessageChannel } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { CometSource, ndjson } from "../../../src/client/index.ts";
import { serveHub } from "../../support/hub.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";
import { serve } from "../../support/servers.ts";
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
  expect((await Promise.all(results)).map(({ value }) => value?.data as unknown)).toEqual([1, 2, 3, undefined]);
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

test("lets the page do other work while many messages arrive at once", async () => {
  const count = 2000;
  const lines = Array.from({ length: count }, (_, i) => `{"id":"a=e.${i + 1}","data":${i + 1}}\n`);
  const { origin } = await serve((response) => {
    response.setHeader("content-type", "application/x-ndjson");
    (response as ServerResponse).write(
      `{"open":{"states":{"a":"fresh"},"position":"a=e.0","heartbeatMs":0}}\n${lines.join("")}`,
    );
  });
  const source = new CometSource(`${origin}/?topic=a`, { wires: [ndjson] });
  onTestFinished(() => source.close());
  // Each task of this channel is one in which a page could handle input.
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  let tasks = 0;
  port1.on("message", () => {
    tasks += 1;
    port2.postMessage(0);
  });
  let got = 0;
  await new Promise<void>((resolve) => {
    source.onmessage = ({ data }) => {
      if (got === 0) port2.postMessage(0);
      got += 1;
      if (data !== got) expect.fail(`${String(data)} in place of ${got}`);
      // The listener works for 100 ms in all.
      const end = performance.now() + 100 / count;
      while (performance.now() < end);
      if (got === count) resolve();
    };
  });
  expect(tasks).toBeGreaterThan(5);
});
