/**
 * Counts the tasks over 50 ms in Chromium while 10,000 messages arrive at once: `npm run build && node bench/browsers/long-tasks.ts
 * [rounds]`. Each way has a page of its own in each round. It prints, for each way, the number of long tasks in all rounds and the longest
 * of them. The times are those of the machine, so it is no test.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hub } from "../../dist/index.js";
import { nodeHandler } from "../../dist/adapters/node/index.js";
import { launchBrowser } from "../../test/support/browsers/browser.ts";
import { table } from "../../test/support/table.ts";

const MESSAGES = 10_000;
const rounds = Number(process.argv[2] ?? 7);

/** The code of each way: it calls `add` with a number of messages. */
const ways: { readonly [way: string]: string } = {
  "CometSource, a listener": `new Comet.CometSource(url).addEventListener("message", () => add(1));`,
  "CometSource, for await": `for await (const _ of new Comet.CometSource(url)) add(1);`,
  batches: `Comet.batches(new Comet.CometSource(url), (messages) => add(messages.length));`,
  "batches, latest": `const source = new Comet.CometSource(url);
    source.addEventListener("message", () => add(1));
    Comet.batches(source, () => undefined, { latest: ({ data }) => data.number % 100 });`,
  fetchEvents: `for await (const { type } of Comet.fetchEvents(url + "&wire=sse", { parse: JSON.parse })) if (type === "message") add(1);`,
};

const hub = new Hub({ log: { maxEntries: MESSAGES } });
for (let number = 1; number <= MESSAGES; number += 1) await hub.topic("a").publish({ number, padding: "x".repeat(80) });
const script = readFileSync(new URL("../../dist/client.global.js", import.meta.url));
const handle = nodeHandler(hub);
const server = createServer((request, response) => {
  if (request.url?.startsWith("/events") === true) void handle(request, response);
  else if (request.url === "/client.js") response.setHeader("content-type", "text/javascript").end(script);
  else response.setHeader("content-type", "text/html").end(`<!doctype html><script src="/client.js"></script>`);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** The long tasks of one page, in milliseconds. */
const measure = (code: string): string => `new Promise((resolve) => {
  const tasks = [];
  const note = (list) => tasks.push(...list.getEntries().map(({ duration }) => duration));
  const observer = new PerformanceObserver(note);
  observer.observe({ type: "longtask" });
  const url = "/events?topic=a&from=oldest";
  let count = 0;
  const add = (more) => {
    count += more;
    // The last task is reported after it has ended.
    if (count === ${MESSAGES}) setTimeout(() => resolve(tasks), 500);
  };
  (async () => {
    ${code}
  })();
})`;

const tasks = new Map(Object.keys(ways).map((way) => [way, [] as number[]]));
await using browser = await launchBrowser("chromium");
for (let round = 0; round < rounds; round += 1) {
  for (const [way, code] of Object.entries(ways)) {
    await using page = await browser.newPage();
    await page.goto(origin);
    while (!(await page.evaluate<boolean>("typeof Comet === 'object' && document.readyState === 'complete'")));
    tasks.get(way)?.push(...(await page.evaluate<number[]>(measure(code))));
  }
}
const rows = [...tasks].map(([way, long]) => [way, String(long.length), Math.max(0, ...long).toFixed(0)]);
console.log(table(["10,000 messages at once", "long tasks", "longest, ms"], rows));
server.closeAllConnections();
server.close();
await hub.close({ drainMs: 0 });
