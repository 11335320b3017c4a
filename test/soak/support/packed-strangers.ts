/**
 * The part of `strangers` with compression: anonymous clients ask a hub that compresses for streams and backlogs in all
 * ways, and read little or nothing of them. What they ask for must not multiply the packing.
 *
 * A pass to many readers is always packed, once for each message and wire. Everything else has a share of the time of a
 * processor, and what is held of it counts in `maxLogBytes`.
 */
import http from "node:http";
import { constants, createGunzip } from "node:zlib";
import { Child } from "./child.ts";
import { sleep, until } from "./clock.ts";
import { HELD_PACKED, MAX_LOG_BYTES, PACKED_TOPIC } from "./packed-limits.ts";
import type { PackedState } from "./packed-server-process.ts";
import { mebibytes, type Checks } from "./processes.ts";

const wires = ["ndjson", "sse", "comet"] as const;
/** The readers of each wire: so many that each pass to them is packed. */
const READERS_EACH = 70;
const EVERY_MS = 20;
const CALM_MESSAGES = 100;
const ATTACKED_MESSAGES = 300;
/** The shares of time of passes to few readers and of backlogs, and what both may save up, in milliseconds. */
const SHARE = 1 / 16 + 1 / 20;
const SAVED_MS = 60;
/** The calls that are under way when the time is used up, on a busy machine. */
const OVERRUN_MS = 300;
/** The most by which a pass to many takes longer while the processors are busy. */
const SLOWER = 4;
/** The memory of a connection that does not read: in Node and in the hub, and its unsent bytes. */
const CONNECTION_BYTES = 16_384 + 131_072;
/** The strangers' connections that are not held, and what a busy process has not freed yet. */
const OTHERS = 10;
const GARBAGE_BYTES = 32 * 1_048_576;

/** A reader that accepts gzip, and expects each message of its topic once and in order. */
class PackedReader {
  coding: unknown;
  next = 0;
  fault: string | undefined;
  #rest = "";

  constructor(port: number, wire: string) {
    const path = `/?topic=${PACKED_TOPIC}&wire=${wire}&callback=parent.cometMessage`;
    const agent = new http.Agent({ maxSockets: Infinity });
    http
      .get({ port, host: "127.0.0.1", path, agent, headers: { "accept-encoding": "gzip" } }, (response) => {
        this.coding = response.headers["content-encoding"];
        const text = response.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH }));
        text.setEncoding("latin1");
        text.on("data", (data: string) => this.#take(data));
        text.on("error", (error) => (this.fault ??= String(error)));
      })
      .on("error", (error) => (this.fault ??= String(error)));
  }

  #take(data: string): void {
    const all = this.#rest + data;
    let end = 0;
    for (const { 0: found, 1: number, index } of all.matchAll(/#(\d+)#/g)) {
      if (Number(number) !== this.next) this.fault ??= `${number ?? ""} came for ${this.next}`;
      this.next += 1;
      end = index + found.length;
    }
    this.#rest = all.slice(Math.max(end, all.length - 20));
  }
}

/** Runs the part, prints its figures and checks them. */
export async function testPackedStrangers(checks: Checks, seed: number): Promise<void> {
  const program = (name: string): Child =>
    new Child(new URL(`${name}.ts`, import.meta.url), [], ["--expose-gc", "--no-warnings"]);
  const [server, strangers] = [program("packed-server-process"), program("packed-strangers-process")];
  const port = await server.call<number>("listen");
  const readers = wires.flatMap((wire) => Array.from({ length: READERS_EACH }, () => new PackedReader(port, wire)));
  const areIn = await until(() => readers.every(({ coding }) => coding === "gzip"), 30_000);
  checks.that(areIn, "packing: not all readers were let in with gzip");
  await server.call("fill", seed);

  const stateOf = (): Promise<PackedState> => server.call<PackedState>("state");
  const publish = (from: number, to: number): Promise<void> =>
    server.call("publish", { from, to, everyMs: EVERY_MS, seed: seed + from });
  const reach = (count: number): Promise<boolean> => until(() => readers.every(({ next }) => next >= count), 60_000);
  const idle = await stateOf();
  await publish(0, CALM_MESSAGES);
  await reach(CALM_MESSAGES);
  const calm = await stateOf();

  const start = performance.now();
  await strangers.call("start", { port, seed });
  await publish(CALM_MESSAGES, CALM_MESSAGES + ATTACKED_MESSAGES);
  const areReached = await reach(CALM_MESSAGES + ATTACKED_MESSAGES);
  const attacked = await stateOf();
  const elapsedMs = performance.now() - start;
  const requests = await strangers.call<number>("requests");
  await strangers.kill();
  const areGone = await until(async () => (await stateOf()).stats.connections === readers.length, 20_000);
  await sleep(200);
  const left = await stateOf();
  server.stop();

  const [before, between, after] = [idle, calm, attacked].map(({ stats }) => stats.compression);
  if (before === undefined || between === undefined || after === undefined) {
    checks.that(false, "packing: the hub does not compress");
    return;
  }
  const packedCalm = between.packed - before.packed;
  const passMs = (between.packingMs - before.packingMs) / packedCalm;
  const packingMs = after.packingMs - between.packingMs;
  const manyMs = ATTACKED_MESSAGES * wires.length * passMs * SLOWER;
  const mostMs = elapsedMs * SHARE + SAVED_MS + OVERRUN_MS + manyMs;
  // What is held besides logs and blocks does not grow, except for the connections of the strangers.
  const mostLive =
    calm.liveBytes - calm.stats.logBytes + MAX_LOG_BYTES + (HELD_PACKED + OTHERS) * CONNECTION_BYTES + GARBAGE_BYTES;
  const stored = after.overBudget - between.overBudget;
  console.log(
    `packing: ${CALM_MESSAGES} messages without strangers packed ${packedCalm} times, ${passMs.toFixed(2)} ms each; ` +
      `${ATTACKED_MESSAGES} with ${requests} requests of strangers in ${(elapsedMs / 1000).toFixed(1)} s packed ${after.packed - between.packed} times ` +
      `in ${packingMs.toFixed(0)} ms (bound ${mostMs.toFixed(0)}), stored ${stored} times for want of time\n` +
      `  memory: logs and blocks at most ${mebibytes(attacked.peakLogBytes)}, bound ${mebibytes(MAX_LOG_BYTES)}; ` +
      `live ${mebibytes(calm.liveBytes)} before, ${mebibytes(attacked.liveBytes)} with strangers (bound ${mebibytes(mostLive)}), ` +
      `${mebibytes(left.liveBytes)} after; ${mebibytes(left.stats.logBytes)} in logs after`,
  );
  checks.that(
    packedCalm <= CALM_MESSAGES * wires.length,
    `packing: ${packedCalm} packings of ${CALM_MESSAGES} messages`,
  );
  checks.that(areReached, "packing: not all messages came");
  const faults = readers.flatMap(({ fault }) => fault ?? []);
  checks.that(faults.length === 0, `packing: ${faults.slice(0, 3).join("; ")}`);
  checks.that(attacked.faults.length === 0, `packing: ${attacked.faults.join(" ")}`);
  checks.that(stored > 0, "packing: the strangers did not use up the time to pack, so nothing was tested");
  checks.that(packingMs <= mostMs, `packing: it took ${packingMs.toFixed(0)} ms, over ${mostMs.toFixed(0)}`);
  checks.that(
    attacked.peakLogBytes <= MAX_LOG_BYTES,
    `packing: logs and blocks held ${mebibytes(attacked.peakLogBytes)}`,
  );
  checks.that(attacked.liveBytes <= mostLive, `packing: ${mebibytes(attacked.liveBytes)} are held`);
  checks.that(areGone, "packing: connections are left when the strangers have gone");
}
