import { fileURLToPath } from "node:url";
import { launchBrowser, type BrowserName, type Page } from "../../test/support/browsers/browser.ts";
import { LineProcess } from "../support/line-process.ts";
import type { Usage } from "../support/usage.ts";
import type { Options } from "./options.ts";
import type { Order, Result } from "./page.ts";
import type { Way } from "./ways.ts";

/** What one way gave in one round, of one load. */
export interface Measured {
  readonly eventsASecond: number;
  readonly eventsAFrame: number | null;
  /** How much of a core the server used meanwhile, from 0 to 1. */
  readonly serverShare: number;
}

/** `undefined` if not all events came in time. */
export type Measurement = Measured | undefined;

export type Load = "logged" | "live";

/** How many of the events come before the clock runs: the browser has compiled what it runs by then. */
const WARM_UP = 0.2;
const TELL_EVERY = 1000;
/** A way that takes longer is too slow to be waited for. */
const TIMEOUT_MS = 60_000;

/** Measures both loads, in a server process and a browser of their own. @param script The file with the page's script. */
export async function trial(
  browserName: BrowserName,
  way: Way,
  { logged, live }: Options,
  script: string,
): Promise<Record<Load, Measurement>> {
  const program = fileURLToPath(new URL("server.ts", import.meta.url));
  const server = new LineProcess([process.execPath, program, String(logged), script]);
  try {
    const [port = "", otherPort = ""] = (await server.next()).split(" ");
    await using browser = await launchBrowser(browserName);
    const page = await browser.newPage();
    const order = (path: string, last: number, tellEvery: number): Order => ({
      way: way.name,
      path,
      otherOrigin: `http://127.0.0.1:${otherPort}`,
      first: Math.ceil(last * WARM_UP),
      last,
      tellEvery,
    });
    // Once untimed: the hub then has the frames of the wire.
    const fromLog = order("/events?topic=logged&from=oldest", logged, 0);
    await visit(page, port);
    await measure(page, server, fromLog);
    await visit(page, port);
    const ofLog = await measure(page, server, fromLog);
    await visit(page, port);
    const ofLive = await measure(page, server, order("/events?topic=live", live, TELL_EVERY), live);
    return { logged: ofLog, live: ofLive };
  } finally {
    server.stop();
  }
}

async function visit(page: Page, port: string): Promise<void> {
  await page.goto(`http://127.0.0.1:${port}/`);
  while (!(await page.evaluate<boolean>("document.readyState === 'complete' && 'bench' in globalThis")))
    await sleep(20);
}

/** @param publish How many events to publish once the page follows; none by default. */
async function measure(page: Page, server: LineProcess, order: Order, publish = 0): Promise<Measurement> {
  const ask = async <T>(line: string): Promise<T> => JSON.parse(await server.ask(line)) as T;
  // Nobody is left of the page before.
  while ((await ask<number>("followers")) > 0) await sleep(20);
  const before = await ask<Usage>("usage");
  const start = performance.now();
  await page.evaluate(`void (globalThis.result = bench.run(${JSON.stringify(order)}))`);
  if (publish > 0) {
    while ((await ask<number>("followers")) === 0) await sleep(20);
    if ((await inTime(ask<null>(`publish live ${publish}`))) === undefined) return undefined;
  }
  const result = await inTime(page.evaluate<Result>("globalThis.result"));
  if (result === undefined) return undefined;
  const { ms, eventsAFrame } = result;
  const wallMs = performance.now() - start;
  const after = await ask<Usage>("usage");
  const cpuUs = after.user + after.system - before.user - before.system;
  return {
    eventsASecond: ((order.last - order.first) / ms) * 1000,
    eventsAFrame,
    serverShare: cpuUs / 1000 / wallMs,
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a promise gives, or `undefined` if that takes too long. */
async function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, TIMEOUT_MS, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
