import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { badProxy, seeded } from "../support/client-proxy.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import type { SourceRecord } from "../support/client-page.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

/** The sources, each with a proxy of its own. `any` chooses among the wires. */
const paths = ["comet", "ndjson", "sse", "poll", "posted", "any"] as const;

/** A hub that recycles connections often and evicts messages soon. */
const restless = {
  heartbeatMs: 100,
  pollMs: 100,
  maxConnectionAgeMs: 700,
  maxConnectionBytes: 12_000,
  maxCometBytes: 8000,
  log: { maxEntries: 250 },
} as const;

/** The time of bad network in each browser, in milliseconds, and the seed of its faults. */
const chaosMs = Number(process.env["CLIENT_CHAOS_MS"] ?? 8000);
const seed = Number(process.env["CLIENT_CHAOS_SEED"] ?? 20_261);

/**
 * Expects each message to follow the one before, or a gap with the number of missing messages: messages are their own
 * offsets.
 */
function expectNothingLost(record: SourceRecord, last: number): void {
  let at = 0;
  for (const item of record.all) {
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

  test("loses no message on any wire on a bad network", { timeout: chaosMs + 240_000 }, async () => {
    const { page } = used;
    let port = 0;
    const proxies = await Promise.all(paths.map((_, i) => badProxy(() => port, seed + i)));
    // All except the first have another origin than the page.
    const origins = proxies.map(({ origin }) => origin);
    const site = await clientSite({ hub: { ...restless, cors: { origins } } });
    port = site.port;
    await visit(page, origins[0] as string);
    for (const [i, path] of paths.entries()) {
      const chosen = path === "any" ? {} : { wires: [path] };
      // A bad network may keep a connection from opening.
      await follow(page, path, `${origins[i]}/events?topic=a&n=${i}`, { openTimeoutMs: 500, ...chosen });
    }
    await holds(page, `Object.values(page.records).every(({ opens }) => opens.length > 0)`);
    for (const { harm } of proxies) harm();
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
    for (const path of paths) await holds(page, `page.records.${path}.last === ${number}`);
    for (const path of paths) {
      const record = await recordOf(page, path);
      expectNothingLost(record, number);
      expect(record.closes).toEqual([]);
      expect(record.errors).not.toEqual([]);
      // A cut frame counts as not sent.
      expect(record.errors.map(({ code }) => code)).not.toContain("ERR_FRAME");
    }
    expect(new Set(proxies.flatMap(({ had }) => Object.keys(had))).size).toBeGreaterThan(7);
    // Two for each of the three sources that use iframes.
    expect(await page.evaluate<number>("page.mostFrames")).toBeLessThanOrEqual(6);
    expect(site.reasons).toContain("recycle");
    expect(page.console.filter(({ text }) => text.startsWith("Uncaught"))).toEqual([]);
  });
});
