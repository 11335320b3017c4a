import type { Engine, Flooded, HubProcess, HubProcessState } from "../../support/hub-process.ts";
import { TopicPublisher } from "./broker-publisher.ts";
import { BrokerWorld } from "./broker-world.ts";
import { sleep, until } from "./clock.ts";
import { mebibytes } from "./processes.ts";
import type { Random } from "./random.ts";

export interface OutageOptions {
  readonly engine: Engine;
  readonly random: Random;
  /** The engine is stopped; or it is there, and nothing comes through to it. */
  readonly how: "stopped" | "stalled";
  readonly awayMs: number;
}

export interface OutageReport {
  readonly violations: readonly string[];
  readonly text: string;
}

const TIMEOUT_MS = 4000;
const HEARTBEAT_MS = 500;
/** How late this machine may be with anything. */
const SLACK_MS = 20_000;
const PER_SECOND = 60;
const BEFORE_MS = 800;
/** The longest outage: it goes on until new clients are served, and each hub has seen it. */
const MOST_AWAY_MS = 60_000;
/** An outage in which attempts to come back must have become rare. */
const LONG_MS = 8000;
/** A broker waits for 5 s at the most before it tries again, and what is tried may take its time limit. */
const HEALED_MS = 5000 + TIMEOUT_MS + SLACK_MS;
const FLOOD = { topic: "flood", count: 40_000, bytes: 1500 };
const MOST_UNACKNOWLEDGED = 10_000;
/** Messages of 16 MiB may wait, each several times: as the application has it, as JSON, as a command, and as what a socket has not sent yet. */
const MOST_FLOOD_BYTES = 6 * 16 * 1_048_576;
const MOST_GROWN_BYTES = 16 * 1_048_576;

/**
 * An engine is away for a time. Nobody's connection is dropped, new clients are served from what is there, publishing fails in time and
 * says how, memory keeps to its bounds, and all heals by itself without a storm of attempts.
 */
export async function outage(options: OutageOptions): Promise<OutageReport> {
  const { engine, random, how, awayMs } = options;
  const world = await BrokerWorld.open({
    engine,
    random,
    hubs: 2,
    topics: ["a", "b"],
    timeoutMs: TIMEOUT_MS,
    heartbeatMs: HEARTBEAT_MS,
  });
  const { tally, hubs, truths } = world;
  const { violations } = tally;
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) violations.push(what);
  };
  try {
    for (const hub of hubs) world.follow(12, (each) => (each.chance(0.5) ? ["a"] : ["a", "b"]), hub);
    await world.begun();
    const messages = Math.ceil(((awayMs + 3 * BEFORE_MS) / 1000) * PER_SECOND);
    const publishers = [...truths.values()].map((one) => {
      return new TopicPublisher(world, one, { messages, perSecond: PER_SECOND });
    });
    const publishing = publishers.map((one) => one.run());
    await sleep(BEFORE_MS);
    const before = await world.states();
    check(published(world) > 0, "Nothing was published before.");

    if (how === "stopped") await world.engine.stop();
    else for (const proxy of world.proxies) proxy.stall();
    const leftAt = performance.now();
    const flooding = (hubs[0] as HubProcess).flood(FLOOD);
    flooding.catch(() => undefined);
    const late = hubs.flatMap((hub) => world.follow(4, () => ["a"], hub));
    const haveBegun = (): boolean => late.every(({ ledger }) => ledger.topics.get("a")?.place !== undefined);
    check(await until(haveBegun, MOST_AWAY_MS), "New clients of a topic that is followed were not served.");
    await sleep(Math.max(0, leftAt + awayMs - performance.now()));
    let during = await world.states();
    const haveSeen = async (): Promise<boolean> => {
      during = await world.states();
      return during.every(({ stats }) => stats.broker?.isConnected === false);
    };
    check(await until(haveSeen, MOST_AWAY_MS), "A hub has not seen that its broker is away.");
    const publishedBefore = published(world);
    const awayForMs = performance.now() - leftAt;
    const start = performance.now();
    if (how === "stopped") await world.engine.start();
    else for (const proxy of world.proxies) proxy.resume();
    const isHealed = async (): Promise<boolean> =>
      published(world) > publishedBefore &&
      (await world.states()).every(({ stats }) => stats.broker?.isConnected === true);
    check(await until(isHealed, HEALED_MS), `It has not healed within ${HEALED_MS} ms.`);
    const healedMs = performance.now() - start;
    await Promise.all(publishing);
    const flooded = await flooding;
    await world.settle({ maxEntries: undefined, isDense: engine !== "nats" });
    const after = await world.states();

    check(tally.of("losses broken") === 0, `${tally.of("losses broken")} connections of clients were dropped.`);
    check(tally.of("answers 503") === 0, `${tally.of("answers 503")} clients were turned away.`);
    check(tally.of("publishes failed") > 0, "No publish failed.");
    check(tally.of("publishes unanswered") === 0, `${tally.of("publishes unanswered")} publishes were not answered.`);
    const longestMs = Math.max(...publishers.map((one) => one.longestMs));
    const failedAfterMs = publishers.flatMap((one) => one.failedAfterMs).sort((a, b) => a - b);
    check(longestMs <= TIMEOUT_MS + SLACK_MS, `A publish took ${Math.round(longestMs)} ms.`);
    const middleMs = failedAfterMs[failedAfterMs.length >> 1] ?? 0;
    check(middleMs < TIMEOUT_MS, `Publishes fail after ${Math.round(middleMs)} ms, most of them.`);
    checkFlood(flooded, check);
    const grown = during.map(({ liveBytes }, i) => liveBytes - (before[i]?.liveBytes ?? 0));
    const left = after.map(({ liveBytes }, i) => liveBytes - (before[i]?.liveBytes ?? 0));
    check(Math.max(...left) < MOST_GROWN_BYTES, `A hub has kept ${mebibytes(Math.max(...left))}.`);
    const dials = during.map((state, i) => dialsOf(state, before[i] as HubProcessState));
    for (const [i, times] of dials.entries()) checkDials(times, awayForMs, `Hub ${i}`, check);
    return {
      violations,
      text:
        `${engine}, ${how} for ${(awayForMs / 1000).toFixed(1)} s: healed after ${(healedMs / 1000).toFixed(1)} s\n` +
        `  publishes: ${tally.line("publishes")}; answered within ${Math.round(longestMs)} ms, failed after ${middleMs.toFixed(1)} ms (p50)\n` +
        `  connections made: ${dials.map((times) => times.length).join(" and ")}; ` +
        `memory ${grown.map(mebibytes).join(" and ")} more, ${left.map(mebibytes).join(" and ")} afterwards\n` +
        `  flood of ${FLOOD.count}: ${flooded.published} published, ${JSON.stringify(flooded.codes)}, ` +
        `${flooded.mostUnacknowledged} in flight at the most, ${mebibytes(flooded.grownBytes)} held\n`,
    };
  } finally {
    await world.close();
  }
}

function published({ truths }: BrokerWorld): number {
  return Array.from(truths.values()).reduce((total, { size }) => total + size, 0);
}

function checkFlood(flooded: Flooded, check: (isRight: boolean, what: string) => void): void {
  const { codes, grownBytes, longestMs, mostUnacknowledged } = flooded;
  const others = Object.keys(codes).filter((code) => code !== "ERR_BROKER" && code !== "ERR_UNACKNOWLEDGED");
  check(others.length === 0, `A flood of messages failed with ${others.join(", ")}.`);
  check((codes["ERR_BROKER"] ?? 0) > 0, "Of a flood of messages none was refused.");
  check(mostUnacknowledged <= MOST_UNACKNOWLEDGED, `${mostUnacknowledged} messages were in flight.`);
  check(grownBytes < MOST_FLOOD_BYTES, `A flood of messages held ${mebibytes(grownBytes)}.`);
  check(longestMs <= TIMEOUT_MS + SLACK_MS, `A message of a flood took ${Math.round(longestMs)} ms.`);
}

/** When connections were tried, after the one state and before the other, in milliseconds since the first. */
function dialsOf({ dials }: HubProcessState, before: HubProcessState): number[] {
  const tried = dials.slice(before.dials.length);
  return tried.map((at) => at - (tried[0] ?? 0));
}

/** Attempts to come back grow rare: there are some, and in the second half of a long time fewer than in the first. */
function checkDials(
  times: readonly number[],
  awayMs: number,
  who: string,
  check: (isRight: boolean, what: string) => void,
): void {
  const tried = times.map(Math.round).join(", ");
  check(times.length > 0, `${who} has not tried to come back.`);
  check(times.length <= 12 + (awayMs / 1000) * 2, `${who} tries at ${tried} ms.`);
  const early = times.filter((at) => at < awayMs / 2).length;
  if (awayMs >= LONG_MS) check(times.length - early <= early, `${who} does not try more rarely: at ${tried} ms.`);
}
