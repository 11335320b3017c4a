import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Hub } from "comet-sockets/hub";
import { connect } from "comet-sockets/node";
import { createDemo } from "../../demo/server.ts";
import { poll } from "../support/browsers/common.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const pictures = join(root, "test-results/screenshots");
const demo = createDemo();
let origin: string;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  await once(demo.server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(demo.server.address() as AddressInfo).port}`;
});
afterAll(() => demo.close());

describe.each(browserNames)("the demo in %s", (name) => {
  const used = useBrowser(name);

  const text = (): Promise<string> => used.page.evaluate<string>("document.body?.innerText ?? ''");
  /** Waits until the page says something. */
  const says = (expected: RegExp): Promise<string> =>
    poll(50, `the page does not say ${expected}`, async () => expected.exec(await text())?.[0]);
  /** Messages so far, as /machine counts them for whoever looks at it. */
  const count = async (): Promise<number> => Number(/(\d+) messages so far/.exec(await text())?.[1] ?? 0);

  test("/machine updates for 30 s without an error", async () => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/machine`);
    await says(/[1-9]\d* messages so far/);
    await sleep(1000);
    const first = await count();
    await sleep(15_000);
    await page.screenshot(join(pictures, `machine-${name}.png`));
    await sleep(15_000);
    const received = (await count()) - first;
    expect(received).toBeGreaterThanOrEqual(55);
    expect(received).toBeLessThanOrEqual(65);
    expect(await text()).toContain(hostname());
    expect(await text()).toMatch(/\blive\b/i);
    expect(page.console.slice(before)).toEqual([]);
  });

  test("/machine shows the last minute at once, and goes on after a cut with what came meanwhile", async () => {
    const { page } = used;
    await page.goto(`${origin}/machine`);
    await says(/([4-9]\d|1\d\d) messages so far/);
    const before = await count();
    const start = performance.now();
    demo.server.closeAllConnections();
    await says(/reconnecting/i);
    await says(/\blive\b/i);
    await poll(50, "no samples", async () => (await count()) > before + 2 || undefined);
    // Twice a second all the time: none was missed while the page was away.
    const expected = (performance.now() - start) / 500;
    expect((await count()) - before).toBeGreaterThanOrEqual(Math.floor(expected) - 1);
    expect(await text()).not.toMatch(/missed|restarted/);
  });

  test("/iframe shows what it received, in order", async () => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/iframe`);
    await until(() => page.console.length - before >= 4, 5000);
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(
      ["kiki", "foo", "bar", "end"].map((event) => `Received event: ${event}`),
    );
    expect(await page.evaluate<string>("document.body.innerText")).toMatch(/kiki\s+foo\s+bar\s+end/);
    await page.screenshot(join(pictures, `iframe-${name}.png`));
  });

  test("/clock ticks, and the index has no error", async () => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/clock`);
    const first = await says(/\d\d:\d\d:\d\d/);
    await poll(50, "the clock stands still", async () => !(await text()).includes(first) || undefined);
    await page.screenshot(join(pictures, `clock-${name}.png`));
    await page.goto(origin);
    await says(/With the helper/);
    await page.screenshot(join(pictures, `index-${name}.png`));
    expect(page.console.slice(before)).toEqual([]);
  });

  test.each(["manual", "enumeratee", "helper"])("the console shows the events of /comet/%s", async (stream) => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/comet/${stream}?delay=50`);
    await until(() => page.console.length - before >= 4, 5000);
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(["kiki", "foo", "bar", "end"]);
    // Firefox may lose a navigation that begins in the moment in which the document before it has loaded.
    const loaded = `document.readyState === "complete"`;
    await poll(20, "not loaded", async () => (await page.evaluate<boolean>(loaded)) || undefined);
  });
});

/** What a page was told by its client. */
interface Told {
  readonly messages: readonly { readonly number: number }[];
  readonly gaps: readonly (number | null)[];
  readonly states: readonly string[];
}

describe.each(browserNames)("the pages' comet client in %s", (name) => {
  const used = useBrowser(name);

  /** A page that follows a topic of a hub, and keeps what it is told. */
  async function follow(hub: Hub, topic: string): Promise<() => Promise<Told>> {
    const { page } = used;
    const server = createServer((request, response) => {
      void answer(request, response);
    });
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const path = request.url ?? "";
      if (path.startsWith("/live")) await connect(hub, request, response);
      else if (path.endsWith(".js")) {
        response.setHeader("content-type", "text/javascript");
        response.end(await readFile(join(root, "demo/pages", path)));
      } else {
        response.setHeader("content-type", "text/html");
        response.end(`<!doctype html><script type="module">
          import { foreverIframe } from "/forever-iframe.js";
          window.told = { messages: [], gaps: [], states: [] };
          foreverIframe("/live?from=oldest&topic=${topic}", {
            message: (data) => told.messages.push(data),
            gap: ({ missed }) => told.gaps.push(missed),
            state: (state) => told.states.push(state),
          });
        </script><body>`);
      }
    };
    await once(server.listen(0, "127.0.0.1"), "listening");
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return () => page.evaluate<Told>("window.told ?? { messages: [], gaps: [], states: [] }");
  }

  /** Publishes numbers as long as `more` says, each when the one before is sent; how many there were. */
  async function publish(hub: Hub, padding: string, more: () => boolean): Promise<number> {
    const sent = ({ connections, lagging } = hub.stats()): boolean => connections === 1 && lagging === 0;
    let count = 0;
    for (; more() && count < 50_000; count += 1) {
      if (!sent()) await until(sent, 60_000);
      await hub.topic<object>("numbers").publish({ number: count, padding });
      await new Promise((resolve) => setImmediate(resolve));
    }
    return count;
  }

  async function hadAll(told: () => Promise<Told>, count: number): Promise<void> {
    await poll(100, "not all came", async () => (await told()).messages.length >= count || undefined);
    const { messages, gaps, states } = await told();
    expect(messages.map(({ number }) => number)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect([gaps, [...new Set(states)]]).toEqual([[], ["connecting", "live"]]);
    expect(await used.page.evaluate(`document.querySelectorAll("iframe").length`)).toBe(1);
  }

  test("replaces its iframe after 10,000 scripts, without a loss or a duplicate", async () => {
    const hub = new Hub({ log: { maxEntries: 100_000 }, maxCometBytes: 2 ** 24, heartbeatMs: 5000 });
    onTestFinished(() => hub.close({ drainMs: 0 }));
    const told = await follow(hub, "numbers");
    await hadAll(told, await publish(hub, "", () => hub.stats().opened < 2));
    expect([hub.stats().opened, hub.stats().recycled]).toEqual([2, 0]);
  });

  test("comes back when the server ends it, without a loss or a duplicate", async () => {
    const hub = new Hub({ maxCometBytes: 200_000, heartbeatMs: 5000 });
    onTestFinished(() => hub.close({ drainMs: 0 }));
    const told = await follow(hub, "numbers");
    await hadAll(told, await publish(hub, "x".repeat(1000), () => hub.stats().recycled < 3));
  });

  test("stays away when it is refused, or told to go", async () => {
    const hub = new Hub({ topics: (topic) => topic === "news" });
    onTestFinished(() => hub.close({ drainMs: 0 }));
    const refused = await follow(hub, "secrets");
    await poll(50, "not refused", async () => (await refused()).states.includes("ended") || undefined);
    const told = await follow(hub, "news");
    await poll(50, "not live", async () => (await told()).states.includes("live") || undefined);
    for (const subscription of hub.subscriptions()) subscription.close("gone");
    await poll(50, "not ended", async () => (await told()).states.includes("ended") || undefined);
    expect((await told()).states).toEqual(["connecting", "live", "ended"]);
    expect(hub.stats().opened).toBe(1);
  });
});
