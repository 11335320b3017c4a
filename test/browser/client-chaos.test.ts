import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { badProxy, seeded } from "../support/client-proxy.ts";
import { clientSite, follow, holds, toldTo, visit } from "../support/client-site.ts";
import type { Told } from "../support/client-page.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

/** Each by a proxy of its own. `any` may choose among the wires. */
const paths = ["comet", "ndjson", "sse", "poll", "posted", "any"] as const;

/** A hub that sends its clients away often, and forgets fast. */
const restless = {
  heartbeatMs: 100,
  pollMs: 100,
  maxConnectionAgeMs: 700,
  maxConnectionBytes: 12_000,
  maxCometBytes: 8000,
  log: { maxEntries: 250 },
} as const;

/** How long each browser's network is bad, in milliseconds, and what decides how. */
const chaosMs = Number(process.env["CLIENT_CHAOS_MS"] ?? 8000);
const seed = Number(process.env["CLIENT_CHAOS_SEED"] ?? 20_261);

/** Messages are their own offsets: whatever comes is the next one, or after a gap that says how many are missing. */
function expectNothingLost(told: Told, last: number): void {
  let at = 0;
  for (const item of told.all) {
    if (item.type === "gap") at += item.missed ?? expect.fail("a gap does not say how many are missing");
    else {
      const { number } = item.data as { number: number };
      expect(number, `after ${at}`).toBe(at + 1);
      at = number;
    }
  }
  expect(at).toBe(last);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("no wire loses its place on a bad network", { timeout: chaosMs + 60_000 }, async () => {
    const { page } = used;
    let port = 0;
    const proxies = await Promise.all(paths.map((_, i) => badProxy(() => port, seed + i)));
    // All but the first are of another origin than the page.
    const origins = proxies.map(({ origin }) => origin);
    const site = await clientSite({ hub: { ...restless, cors: { origins } } });
    port = site.port;
    await visit(page, origins[0] as string);
    for (const [i, path] of paths.entries()) {
      const chosen = path === "any" ? {} : { wires: [path] };
      await follow(page, path, `${origins[i]}/events?topic=a&n=${i}`, chosen);
    }
    await holds(page, `Object.values(page.told).every(({ opens }) => opens.length > 0)`);
    const random = seeded(seed);
    let number = 0;
    const publish = (): Promise<unknown> =>
      site.hub.topic("a").publish({ number: (number += 1), padding: "x".repeat(random() ** 4 * 1000) });
    const end = performance.now() + chaosMs;
    while (performance.now() < end) {
      for (let burst = random() < 0.01 ? 40 : 1; burst > 0; burst -= 1) await publish();
      await sleep(5 + random() * 30);
    }
    for (const { heal } of proxies) heal();
    await publish();
    for (const path of paths) await holds(page, `page.told.${path}.last === ${number}`);
    for (const path of paths) {
      const told = await toldTo(page, path);
      expectNothingLost(told, number);
      expect(told.closes).toEqual([]);
      expect(told.errors).not.toEqual([]);
      // What is cut is as if it had not been sent.
      expect(told.errors.map(({ code }) => code)).not.toContain("ERR_FRAME");
    }
    expect(new Set(proxies.flatMap(({ had }) => Object.keys(had))).size).toBeGreaterThan(7);
    // Two of each of the three sources that may have some.
    expect(await page.evaluate<number>("page.mostFrames")).toBeLessThanOrEqual(6);
    expect(site.reasons).toContain("recycle");
    expect(page.console.filter(({ text }) => text.startsWith("Uncaught"))).toEqual([]);
  });
});
