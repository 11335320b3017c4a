/**
 * A million events through the client's managed iframe, with all limits of the client and the hub at their defaults, in each browser, one
 * after the other and in two ways. *paced*: each event in a turn of its own, 5,000 a second. *flood*: as fast as the page takes them. The
 * page receives every event once and in order; paced, its memory stays where it was at first, and its timers are not late.
 *
 * `node test/soak/forever.ts [chromium] [firefox] [webkit] [paced] [flood] [plain] [unbounded]`. A paced run has 400,000 events, which take
 * four minutes in all three browsers, and 160,000 in the short form; a flood has a million, and 200,000 in the short form. In the short form
 * WebKit, which is slow with small pieces, has 40,000 and 100,000. `FOREVER_EVENTS` sets another number for all ways. `plain` and
 * `unbounded` run only if they are named: a page without the client, paced, with the hub's `maxCometBytes` at its default and with none.
 * They measure, and promise nothing of memory.
 *
 * Memory is that of the process that runs the page (PSS), in MiB; `browser +` is what all processes of the browser together have more than
 * before. A timer of 50 ms in the page is compared with one in a process that does nothing else: what the page's is late beyond that, is
 * the page's doing, and so is checked. That process waits for a core less than one that works: `waiting %` says for how much of the time
 * the page's main thread could have run, and had none.
 */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { quantile } from "../support/statistics.ts";
import { table } from "../support/table.ts";
import { browserNeeds, launchBrowser, type BrowserName } from "../support/browsers/browser.ts";
import { descendants, mainThread, memoryOf, processOf } from "../support/page-process.ts";
import { ensureSystemPackages } from "../support/system-packages.ts";
import { Child } from "./support/child.ts";
import { sleep, until } from "./support/clock.ts";
import type { Seen } from "./support/forever-page.ts";
import { amount, isShort } from "./support/form.ts";
import type { ForeverOrder, ForeverSite, ForeverState } from "./support/forever-server.ts";
import { mostBeyond, type Late } from "./support/lateness.ts";
import { Checks, mebibytes } from "./support/processes.ts";

const browsers: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

interface Way {
  readonly events: number;
  /** The number of events in the short form, and in WebKit. */
  readonly shortEvents?: readonly [number, number];
  readonly perSecond: number;
  readonly isManaged: boolean;
  readonly maxCometBytes?: number;
}

const ways: { readonly [name: string]: Way } = {
  paced: { events: 400_000, shortEvents: [120_000, 40_000], perSecond: 5000, isManaged: true },
  flood: { events: 1_000_000, shortEvents: [150_000, 80_000], perSecond: 0, isManaged: true },
  plain: { events: 300_000, perSecond: 5000, isManaged: false },
  unbounded: { events: 300_000, perSecond: 5000, isManaged: false, maxCometBytes: 2 ** 40 },
};
const usual = ["paced", "flood"];

/** Since messages are not to be lost while an iframe takes the place of another, and never are. */
const log = { maxEntries: 65_536, maxBytes: 67_108_864 };

const MIB = 1_048_576;
/**
 * The first and the last of the events. The memory of a page grows until the browser collects its garbage: over 70,000
 * events in Chromium, with this client and with one that allocates twice as much for each event over 40,000.
 */
const FIRST_SHARE = isShort ? 0.6 : 0.2;
const LAST_SHARE = isShort ? 0.6 : 0.5;
/** What memory may be over the last events, beside the most that it was over the first ones. */
const MOST_RATIO = 1.1;
const MOST_MORE = 16 * MIB;
/** What it is to be at most more than before the stream, and how late a timer. What misses this is said, and fails only above its ceiling. */
const MOST_GROWTH = 64 * MIB;
const MOST_LATE_MS = 200;
/** A little above what was measured; of timers, with other work on the machine. */
const ceilings: { readonly [way: string]: { readonly [Name in BrowserName]: readonly [mib: number, ms: number] } } = {
  paced: { chromium: [128, 2000], firefox: [128, 2000], webkit: [400, 10_000] },
  flood: { chromium: [280, 2000], firefox: [1200, 5000], webkit: [280, 10_000] },
};
/** A page that has had nothing for so long will not have anything more. */
const PATIENCE_MS = 60_000;

interface Sample {
  readonly had: number;
  /** Of the page's process, and of the whole browser. */
  readonly bytes: number;
  readonly browserBytes: number;
}

const checks = new Checks();

const script = build({
  entryPoints: [fileURLToPath(new URL("support/forever-page.ts", import.meta.url))],
  bundle: true,
  format: "iife",
  target: "es2022",
  write: false,
}).then(({ outputFiles }) => outputFiles[0]?.text ?? "");

/** Runs one way in a browser of its own. Gives a row of the table. */
async function run(name: BrowserName, wayName: string): Promise<string[]> {
  const way = ways[wayName] as Way;
  const { shortEvents = [way.events, way.events] } = way;
  const events = amount("FOREVER_EVENTS", way.events, shortEvents[name === "webkit" ? 1 : 0]);
  // The page tells what it has had every few thousand events.
  if (!(events > 0 && events % 10_000 === 0)) throw new RangeError("FOREVER_EVENTS: a multiple of 10,000.");
  const server = new Child(new URL("support/forever-server.ts", import.meta.url));
  const idle = new Child(new URL("support/idle-process.ts", import.meta.url));
  const bound = way.maxCometBytes === undefined ? {} : { maxCometBytes: way.maxCometBytes };
  const site: ForeverSite = { script: await script, hub: { log, ...bound } };
  const port = await server.call<number>("listen", site);
  const others = new Set(descendants(process.pid));
  await using browser = await launchBrowser(name);
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await until(() => page.evaluate<boolean>("document.readyState === 'complete' && 'forever' in globalThis"), 10_000);
    const pid = await processOf(page);
    await sleep(2000);
    const look = (had: number): Sample => {
      const pids = descendants(process.pid).filter((one) => !others.has(one));
      const browserBytes = pids.map(memoryOf).reduce((sum, bytes) => sum + bytes, 0);
      return { had, bytes: memoryOf(pid), browserBytes };
    };
    const before = look(0);
    await page.evaluate(`forever.follow${way.isManaged ? "Managed" : "Plain"}()`);
    await until(async () => (await server.call<number>("followers")) > 0, 10_000);
    await page.evaluate("void forever.seen.late.splice(0)");
    await idle.call("late");
    const waitedBefore = mainThread(pid).waitedMs;
    const start = performance.now();
    const order: ForeverOrder = { events, perSecond: way.perSecond };
    // Should it fail, not all events come.
    server
      .call("publish", order)
      .catch((error: unknown) => checks.that(false, `${name}, ${wayName}: ${String(error)}`));
    const samples = await watch(server, events, way.perSecond > 0 ? 1000 : 250, look);
    const seconds = (performance.now() - start) / 1000;
    const waited = mainThread(pid).waitedMs - waitedBefore;
    const seen = await page.evaluate<Seen>("forever.seen");
    const control = await idle.call<Late[]>("late");
    const state = await server.call<ForeverState>("state");
    return report({ name, wayName, events, seconds, before, samples, seen, control, state, waited });
  } finally {
    server.stop();
    idle.stop();
  }
}

/** Looks again and again until the page has had everything, or has had nothing for too long. */
async function watch(server: Child, events: number, everyMs: number, look: (had: number) => Sample): Promise<Sample[]> {
  const samples: Sample[] = [];
  let last = 0;
  let lastAt = performance.now();
  for (;;) {
    const { had } = await server.call<ForeverState>("state");
    if (had > last) [last, lastAt] = [had, performance.now()];
    samples.push(look(had));
    if (had >= events || performance.now() - lastAt > PATIENCE_MS) return samples;
    await sleep(everyMs);
  }
}

interface Run {
  readonly name: BrowserName;
  readonly wayName: string;
  readonly events: number;
  readonly seconds: number;
  readonly before: Sample;
  readonly samples: readonly Sample[];
  readonly seen: Seen;
  readonly control: readonly Late[];
  readonly state: ForeverState;
  readonly waited: number;
}

/** Says what misses its target, and fails if it is above its ceiling as well. */
function hold(isMet: boolean, isBearable: boolean, what: string): void {
  if (isMet) return;
  checks.that(isBearable, what);
  if (isBearable) console.log(`  missed: ${what}`);
}

function report({ name, wayName, events, seconds, before, samples, seen, control, state, waited }: Run): string[] {
  const where = `${name}, ${wayName}`;
  checks.that(seen.events === events, `${where}: ${seen.events} of ${events} events came`);
  checks.that(seen.wrong.length === 0, `${where}: ${seen.wrong.join("; ")}`);
  checks.that(state.errors.length === 0, `${where}: ${state.errors.join("; ")}`);
  // A page that does not keep up may have its frames opened late: the client says so, and comes back without loss.
  const { silent } = seen;
  hold(silent.length === 0, silent.length <= state.opened / 2, `${where}: ${silent.length} x ${silent.join("; ")}`);
  const most = (some: readonly Sample[]): number => Math.max(...some.map(({ bytes }) => bytes));
  const first = most(samples.filter(({ had }) => had <= events * FIRST_SHARE));
  const last = most(samples.filter(({ had }) => had > events * LAST_SHARE));
  const highest = most(samples);
  const late = seen.late.map(({ ms }) => ms);
  const beyond = mostBeyond(seen.late, control);
  if (ways[wayName]?.isManaged === true) {
    const isFlat = last <= Math.max(first * MOST_RATIO, first + MOST_MORE);
    const grown = highest - before.bytes;
    const [mostMib, mostMs] = ceilings[wayName]?.[name] ?? [0, 0];
    hold(isFlat, wayName !== "paced", `${where}: ${mebibytes(last)} in the end, ${mebibytes(first)} at first`);
    hold(grown <= MOST_GROWTH, grown <= mostMib * MIB, `${where}: at most ${mebibytes(grown)} more than before`);
    const lateness = `${where}: a timer was ${beyond.toFixed(0)} ms later than one beside it`;
    hold(beyond <= MOST_LATE_MS, beyond <= mostMs, lateness);
  }
  const mib = (bytes: number): string => (bytes / MIB).toFixed(0);
  return [
    name,
    wayName,
    String(seen.events),
    (seen.events / seconds).toFixed(0),
    seen.scripts === 0 ? "" : (seen.events / seen.scripts).toFixed(2),
    String(state.opened),
    ...[before.bytes, first, last, highest].map(mib),
    mib(Math.max(...samples.map(({ browserBytes }) => browserBytes)) - before.browserBytes),
    quantile(late, 0.99).toFixed(0),
    Math.max(0, ...late).toFixed(0),
    Math.max(0, ...control.map(({ ms }) => ms)).toFixed(0),
    beyond.toFixed(0),
    (waited / seconds / 10).toFixed(0),
  ];
}

const header = [
  "browser",
  "way",
  "events",
  "a second",
  "a script",
  "frames",
  "before",
  "at first",
  "at last",
  "highest",
  "browser +",
  "late p99",
  "max",
  "control max",
  "beyond",
  "waiting %",
];

const args = process.argv.slice(2);
const unknown = args.filter((arg) => !(arg in ways) && !(browsers as readonly string[]).includes(arg));
if (unknown.length > 0) throw new Error(`There is no ${unknown.join(", ")}.`);
const named = (all: readonly string[], otherwise: readonly string[]): readonly string[] =>
  args.some((arg) => all.includes(arg)) ? all.filter((one) => args.includes(one)) : otherwise;
const chosen = named(browsers, browsers) as readonly BrowserName[];
await ensureSystemPackages(chosen.flatMap((name) => browserNeeds[name]));
const rows: string[][] = [];
for (const way of named(Object.keys(ways), usual)) {
  for (const name of chosen) {
    rows.push(await run(name, way));
    console.log(`  ${name}, ${way}: done`);
  }
}
console.log(`\n${table(header, rows)}\n`);
checks.end();
