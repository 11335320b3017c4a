import type { Engine } from "../../support/hub-process.ts";
import { TopicPublisher } from "./broker-publisher.ts";
import type { BrokerLedger } from "./broker-ledger.ts";
import { BrokerWorld } from "./broker-world.ts";
import type { Client } from "./client.ts";
import { sleep } from "./clock.ts";
import type { Random } from "./random.ts";

export interface StuckOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly frozenMs: number;
  /** How many messages a topic keeps, so that the process falls behind: then its connection is cut off as well. All by default. */
  readonly maxEntries?: number;
}

export interface StuckReport {
  readonly violations: readonly string[];
  readonly text: string;
}

const BEFORE_MS = 1200;
const PER_SECOND = 200;
/** If they waited for the one that is stuck, they would have next to nothing. */
const LEAST_RATIO = 0.4;

/**
 * One of three processes stops for a time. The clients of the others are served as before; its own get all afterwards, or are told of a
 * gap where the engine has let go of it.
 */
export async function stuck({ engine, random, frozenMs, maxEntries }: StuckOptions): Promise<StuckReport> {
  const bounds = maxEntries === undefined ? {} : { maxEntries };
  const world = await BrokerWorld.open({ engine, random, topics: ["a", "b"], ...bounds });
  const { violations } = world.tally;
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) violations.push(what);
  };
  try {
    const [one, two, three] = world.hubs.map((hub) => world.follow(8, () => ["a", "b"], hub));
    const others = [...(one ?? []), ...(two ?? [])];
    const own = three ?? [];
    const [hub, proxy] = [world.hubs[2], world.proxies[2]];
    await world.begun();
    const messages = Math.ceil((PER_SECOND * (BEFORE_MS + frozenMs)) / 1000);
    const order = { messages, perSecond: PER_SECOND, through: world.hubs.slice(0, 2), maxWindow: 4 };
    const publishing = [...world.truths.values()].map((truth) => new TopicPublisher(world, truth, order).run());
    await sleep(300);

    const rateOf = async (ms: number): Promise<number> => {
      const [start, had] = [performance.now(), hadBy(others)];
      await sleep(ms);
      return ((hadBy(others) - had) / (performance.now() - start)) * 1000;
    };
    const before = await rateOf(BEFORE_MS - 300);
    hub?.freeze();
    // Otherwise all that it has missed would wait in its socket, and it would miss nothing.
    if (maxEntries !== undefined) proxy?.stall();
    await sleep(50);
    const hadOwn = hadBy(own);
    const during = await rateOf(frozenMs - 50);
    check(hadBy(own) === hadOwn, "The process was not stuck.");
    // No message comes later, by which it could see that it has missed some.
    await Promise.all(publishing);
    if (maxEntries !== undefined) {
      proxy?.cut();
      proxy?.resume();
    }
    hub?.thaw();
    await world.settle({ maxEntries, isDense: engine !== "nats" });
    await world.states();
    const ratio = during / before;
    check(ratio >= LEAST_RATIO, `The others had ${Math.round(during)} a second, and ${Math.round(before)} before.`);
    const gaps = own.reduce((sum, { ledger }) => sum + ledger.gaps, 0);
    const unaware = own.filter(({ ledger }) =>
      Array.from(ledger.topics.values()).some((topic) => topic.gaps.length === 0),
    );
    if (maxEntries !== undefined) check(unaware.length === 0, `${unaware.length} of its clients were told of no gap.`);
    return {
      violations,
      text:
        `${engine}, one process stuck for ${frozenMs / 1000} s${maxEntries === undefined ? "" : `, ${maxEntries} kept`}: ` +
        `the others' clients had ${Math.round(before)} deliveries a second before and ${Math.round(during)} meanwhile; ` +
        `its own were told of ${gaps} gaps\n`,
    };
  } finally {
    await world.close();
  }
}

function hadBy(clients: readonly Client<BrokerLedger>[]): number {
  return clients.reduce((sum, { ledger }) => sum + ledger.had, 0);
}
