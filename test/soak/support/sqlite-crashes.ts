import type { Broker, History } from "../../../src/log/broker.ts";
import { SqliteProcess } from "../../support/sqlite-process.ts";
import type { SqliteFolder } from "../../support/sqlite.ts";
import { sleep, until } from "./clock.ts";
import type { Random } from "./random.ts";

export interface SqliteCrashesOrder {
  readonly file: SqliteFolder;
  readonly random: Random;
  readonly kills: number;
}

export interface SqliteCrashesReport {
  readonly violations: readonly string[];
  /** The messages that were committed, and whose acknowledgement was never received. */
  readonly unacknowledged: number;
  readonly text: string;
}

const topics = ["one", "two", "three"];
const bounds = { maxEntries: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: 3_600_000 };
/** The longest time for which a process publishes, in milliseconds. */
const MAX_LIFE_MS = 40;
/** The kills after which the file is opened and read: until then nobody else has it open, so its log is recovered. */
const ROUNDS = 5;

/**
 * Kills a process that publishes at random moments, again and again. Every acknowledged message is in the file, once, at its position; offsets
 * have no hole; and no topic begins another epoch.
 */
export async function sqliteCrashes({ file, random, kills }: SqliteCrashesOrder): Promise<SqliteCrashesReport> {
  const violations: string[] = [];
  const acknowledged = new Map<string, string>();
  let counts = { messages: 0, unacknowledged: 0 };
  let next = opened(file);
  for (let kill = 1; kill <= kills && violations.length === 0; kill += 1) {
    const child = await next;
    const width = random.pick([1, 10, 100]);
    await child.call("run", { topics, label: `${kill}`, width });
    if (!(await until(() => child.acknowledged.length > 0, 20_000)))
      violations.push(`Process ${kill} published nothing.`);
    await sleep(random.whole(0, MAX_LIFE_MS));
    // Half of them are killed while another process has the file open.
    const isAlone = random.whole(0, 1) === 0;
    if (!isAlone) next = opened(file);
    if (!isAlone) await next;
    await child.kill();
    for (const { topic, json, epoch, offset } of child.acknowledged)
      acknowledged.set(`${topic} ${json}`, `${epoch} ${offset}`);
    if (kill % ROUNDS === 0 || kill === kills) counts = await check(file, acknowledged, violations);
    if (isAlone) next = opened(file);
  }
  await (await next).kill();
  const text = `${kills} kills: ${acknowledged.size} acknowledged, ${counts.messages} held, ${counts.unacknowledged} of them not acknowledged\n`;
  return { violations, unacknowledged: counts.unacknowledged, text };
}

async function opened({ path }: SqliteFolder): Promise<SqliteProcess> {
  const child = new SqliteProcess();
  const answer = await child.call<string>("open", { path });
  if (answer !== "open") throw new Error(answer);
  return child;
}

/** Compares the file with the acknowledgements. */
async function check(
  file: SqliteFolder,
  acknowledged: ReadonlyMap<string, string>,
  violations: string[],
): Promise<{ messages: number; unacknowledged: number }> {
  const broker = await file.open();
  const held = new Map<string, string>();
  for (const topic of topics) {
    const { epoch, messages } = await readAll(broker, topic);
    for (const [i, { json, offset }] of messages.entries()) {
      if (offset !== i + 1) violations.push(`${topic} has ${offset} in the place of ${i + 1}.`);
      if (held.has(`${topic} ${json}`)) violations.push(`${topic} has ${json} twice.`);
      held.set(`${topic} ${json}`, `${epoch} ${offset}`);
    }
  }
  await broker.close();
  for (const [message, position] of acknowledged) {
    if (held.get(message) !== position)
      violations.push(`${message} was acknowledged at ${position}: ${held.get(message)}.`);
  }
  return { messages: held.size, unacknowledged: held.size - acknowledged.size };
}

async function readAll(broker: Broker, topic: string): Promise<Pick<History, "epoch" | "messages">> {
  const messages: History["messages"][number][] = [];
  for (;;) {
    const page = await broker.read(topic, messages.at(-1)?.offset ?? 0, bounds, Infinity);
    messages.push(...page.messages);
    if (page.messages.length === 0) return { epoch: page.epoch, messages };
  }
}
