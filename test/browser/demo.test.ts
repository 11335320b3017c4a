import { once } from "node:events";
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDemo } from "../../demo/server.ts";
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

  /** Messages so far, as /machine counts them for whoever looks at it. */
  const count = async (): Promise<number> =>
    Number(/(\d+) messages?/.exec(await used.page.evaluate<string>("document.body.innerText"))?.[1]);

  test("/machine updates for 30 s without an error", async () => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/machine`);
    await until(() => page.console.length > before, 500).catch(() => undefined);
    await sleep(2000);
    const first = await count();
    expect(first).toBeGreaterThan(0);
    await sleep(15_000);
    await page.screenshot(join(pictures, `machine-${name}.png`));
    await sleep(15_000);
    const received = (await count()) - first;
    expect(received).toBeGreaterThanOrEqual(55);
    expect(received).toBeLessThanOrEqual(65);
    expect(await page.evaluate<string>("document.body.innerText")).toMatch(/\blive\b/i);
    expect(page.console.slice(before)).toEqual([]);
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
    await sleep(1500);
    const first = await page.evaluate<string>("document.body.innerText");
    await sleep(1500);
    expect(await page.evaluate<string>("document.body.innerText")).not.toBe(first);
    await page.screenshot(join(pictures, `clock-${name}.png`));
    await page.goto(origin);
    await sleep(300);
    await page.screenshot(join(pictures, `index-${name}.png`));
    expect(page.console.slice(before)).toEqual([]);
  });

  test.each(["manual", "enumeratee", "helper"])("the console shows the events of /comet/%s", async (stream) => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/comet/${stream}?delay=50`);
    await until(() => page.console.length - before >= 4, 5000);
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(["kiki", "foo", "bar", "end"]);
  });
});
