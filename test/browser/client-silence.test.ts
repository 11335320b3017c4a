import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/index.ts";
import type { Page } from "../support/browsers/browser.ts";
import { clientSite, follow, holds, recordOf, visit, type ClientSite } from "../support/client-site.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { until } from "../support/sources.ts";
import { tcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const heartbeatMs = 1000;
/** The longest time for which a source may take a dead connection for open. */
const LONGEST_MS = 2 * heartbeatMs;
/** A timer is late by this much, in milliseconds, on a machine that is not busy. */
const TIMER_MS = 100;

const wires = ["ndjson", "sse", "comet"] as const;

/** Notes when each source has lost its connection, and the ticks of a timer: the longest pause is what the machine adds. */
const noteLosses = `void (() => {
  globalThis.noted = { ticks: [], losses: {} };
  setInterval(() => noted.ticks.push(Date.now()), 20);
  for (const [name, source] of Object.entries(page.sources)) {
    source.addEventListener("error", () => (noted.losses[name] ??= { at: Date.now(), readyState: source.readyState }));
  }
})()`;

interface Noted {
  readonly ticks: readonly number[];
  readonly losses: { readonly [wire: string]: { readonly at: number; readonly readyState: number } };
}

interface Followed {
  readonly site: ClientSite;
  readonly network: TcpProxy;
}

/** A page that follows a hub through a network over each wire, and has received a message on each. */
async function followed(page: Page): Promise<Followed> {
  const site = await clientSite({ hub: { heartbeatMs } });
  const network = await tcpProxy(site.port);
  onTestFinished(() => network.close());
  await visit(page, `http://127.0.0.1:${network.port}`);
  for (const [n, wire] of wires.entries()) await follow(page, wire, `/events?topic=a&n=${n}`, { wires: [wire] });
  await holds(page, "Object.values(page.records).every(({ opens }) => opens.length > 0)");
  await publish(site, 1);
  await holds(page, "Object.values(page.records).every(({ last }) => last === 1)");
  await page.evaluate(noteLosses);
  return { site, network };
}

async function publish({ hub }: ClientSite, number: number): Promise<void> {
  await hub.topic("a").publish({ number });
}

/** Expects the sources to have missed nothing up to a number. */
async function expectAll(page: Page, last: number): Promise<void> {
  await holds(page, `Object.values(page.records).every((record) => record.last === ${last})`);
  const numbers = Array.from({ length: last }, (_, i) => ({
    type: "message",
    name: "message",
    data: { number: i + 1 },
  }));
  for (const wire of wires) expect((await recordOf(page, wire)).all, wire).toEqual(numbers);
}

/** Expects each source to have said within a time that it is not open, by the clock of the page. */
async function expectTruth(page: Page, from: number, withinMs: number): Promise<void> {
  const { ticks, losses } = await page.evaluate<Noted>("noted");
  const times = [from, ...ticks.filter((at) => at >= from)];
  const longestPauseMs = Math.max(...times.slice(1).map((at, i) => at - (times[i] as number)));
  for (const wire of wires) {
    const { at, readyState } = losses[wire] ?? expect.fail(`${wire} has noticed nothing`);
    expect(readyState, wire).toBe(0);
    expect(at - from, wire).toBeLessThanOrEqual(withinMs + longestPauseMs + TIMER_MS);
  }
}

/** The time for which a holding proxy passes a response on, in milliseconds: enough for a backlog. */
const BACKLOG_MS = 300;

interface HoldingProxy extends TestServer {
  /** The times of the requests, by the parameter `n`. */
  readonly requests: ReadonlyMap<string, readonly number[]>;
  /** Waits until each response is held back. */
  readonly untilHeld: () => Promise<void>;
}

/** A proxy before a hub that passes on the beginning of each response, and holds back the rest until the response ends. */
async function holdingProxy(hub: Hub): Promise<HoldingProxy> {
  const requests = new Map<string, number[]>();
  const server = await serve((given) => {
    const response = given as ServerResponse;
    const address = new URL(response.req.url ?? "", "http://site.test");
    const name = address.searchParams.get("n") ?? "";
    requests.set(name, [...(requests.get(name) ?? []), performance.now()]);
    const ended = new AbortController();
    response.on("close", () => ended.abort());
    const relay = async (): Promise<void> => {
      const { status, headers, body } = await hub.fetch(new Request(address, { signal: ended.signal }));
      response.writeHead(status, {
        ...Object.fromEntries(headers),
        "access-control-allow-origin": "*",
      });
      const beganAt = requests.get(name)?.at(-1) as number;
      for await (const piece of body as ReadableStream<Uint8Array>)
        if (performance.now() - beganAt < BACKLOG_MS) response.write(piece);
    };
    relay().catch(() => response.end());
  });
  const isHeld = (): boolean =>
    [...requests.values()].every((times) => performance.now() - (times.at(-1) as number) > BACKLOG_MS);
  return { ...server, requests, untilHeld: () => until(isHeld) };
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("a connection that is silently dead is not open for longer than two heartbeats", async () => {
    const { page } = used;
    const { site, network } = await followed(page);
    network.abandon();
    const deadFrom = Date.now();
    await publish(site, 2);
    await expectAll(page, 2);
    await expectTruth(page, deadFrom, LONGEST_MS);
  });

  test("nothing is lost while the machine sleeps, and its dead connections are noticed in time", async () => {
    const { page, browser } = used;
    const { site, network } = await followed(page);
    const wake = browser.suspend();
    onTestFinished(wake);
    network.abandon();
    await publish(site, 2);
    // Only a sleep that is longer than the idle timeout leaves a connection that is to be noticed at once.
    await sleep(LONGEST_MS + 500);
    const awakeFrom = Date.now();
    wake();
    await publish(site, 3);
    await expectAll(page, 3);
    // The idle timeout has passed in the sleep.
    await expectTruth(page, awakeFrom, heartbeatMs / 2);
  });

  test("a wire that is held back after its backlog delivers everything, with less than one request a second", async () => {
    const { page } = used;
    const site = await clientSite({ hub: { heartbeatMs } });
    const { origin, requests, untilHeld } = await holdingProxy(site.hub);
    await visit(page, site.origin);
    for (const wire of wires.slice(0, 2))
      await follow(page, wire, `${origin}/events?topic=a&n=${wire}`, { wires: [wire] });
    await holds(page, "Object.values(page.records).every(({ opens }) => opens.length > 0)");
    await page.evaluate(noteLosses);
    for (let number = 1; number <= 3; number += 1) {
      await untilHeld();
      await publish(site, number);
      await holds(page, `Object.values(page.records).every(({ last }) => last === ${number})`);
    }
    for (const wire of wires.slice(0, 2)) {
      const { all, errors } = await recordOf(page, wire);
      expect(all.map((item) => "data" in item && (item.data as { number: number }).number)).toEqual([1, 2, 3]);
      expect(errors.map(({ code }) => code)).toContain("ERR_SILENT");
      const times = requests.get(wire) ?? [];
      expect(Math.min(...times.slice(1).map((at, i) => at - (times[i] as number)))).toBeGreaterThan(1000);
    }
  });
});
