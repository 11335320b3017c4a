import type { Engine, HubProcess } from "../../support/hub-process.ts";
import { messageIdOf } from "./broker-ledger.ts";
import type { TopicTruth } from "./broker-truth.ts";
import { BrokerWorld } from "./broker-world.ts";
import type { Random } from "./random.ts";

export interface RaceOptions {
  readonly engine: Engine;
  readonly random: Random;
  /** Of each of the two processes. */
  readonly messages: number;
}

export interface RaceReport {
  readonly violations: readonly string[];
  readonly text: string;
}

const TOPIC = "race";
/** How many are published without waiting. */
const BATCH = 100;

/** Two processes publish to one topic as fast as they can; clients of three have everything, in one order. */
export async function race({ engine, random, messages }: RaceOptions): Promise<RaceReport> {
  const world = await BrokerWorld.open({ engine, random, topics: [TOPIC], timeoutMs: 10_000, heartbeatMs: 2000 });
  const { violations } = world.tally;
  const truth = world.truths.get(TOPIC) as TopicTruth;
  try {
    for (const hub of world.hubs) world.follow(8, () => [TOPIC], hub);
    await world.begun();
    const start = performance.now();
    const racing = world.hubs.slice(0, 2).map((hub, i) => publishAll(truth, hub, i * messages, messages));
    await Promise.all(racing);
    const seconds = (performance.now() - start) / 1000;
    await world.settle({ maxEntries: undefined, isDense: engine !== "nats" });
    await world.states();
    const { numbers } = truth.sequence();
    const isFirst = numbers.map((n) => n <= messages);
    const turns = isFirst.filter((is, i) => i > 0 && is !== isFirst[i - 1]).length;
    if (turns < messages / BATCH) violations.push(`The two took turns ${turns} times: that was no race.`);
    for (const own of [numbers.filter((n) => n <= messages), numbers.filter((n) => n > messages)]) {
      if (own.length !== messages) violations.push(`${own.length} of ${messages} messages were published.`);
      if (own.some((n, i) => i > 0 && n !== (own[i - 1] as number) + 1))
        violations.push("A process's own order is lost.");
    }
    return {
      violations,
      text:
        `${engine}, two publish to one topic: ${2 * messages} messages in ${seconds.toFixed(1)} s, ` +
        `${turns} turns, in one order for ${world.clients.length} clients\n`,
    };
  } finally {
    await world.close();
  }
}

async function publishAll(truth: TopicTruth, hub: HubProcess, after: number, count: number): Promise<void> {
  for (let first = after + 1; first <= after + count; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, after + count - first + 1) }, (_, i) => first + i);
    truth.given += numbers.length;
    const messages = numbers.map((n) => ({ data: { t: TOPIC, n, fill: "" }, messageId: messageIdOf(TOPIC, n) }));
    const answers = await hub.publish({ topic: TOPIC, messages }, 60_000);
    for (const [i, n] of numbers.entries()) {
      const answer = answers?.[i];
      if (answer?.position === undefined) throw new Error(`${n} was not published: ${answer?.code} ${answer?.message}`);
      truth.acknowledge(n, answer.position);
    }
  }
}
