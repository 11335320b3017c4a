/**
 * A million topics, 300,000 in the short form, that were used once do not stay in memory: the hub evicts those over its bound, and the rest
 * when they are old; topics with a subscriber stay. Runs in one process, without a network. `node test/soak/topics.ts`; `TOPICS` for
 * another number.
 */
import { Hub } from "comet-sockets";
import { liveBytes } from "../support/memory.ts";
import { sleep, until } from "./support/clock.ts";
import { amount } from "./support/form.ts";
import { placesOf } from "./support/position.ts";
import { Checks, mebibytes } from "./support/processes.ts";

const TOPICS = amount("TOPICS", 1_000_000, 300_000);
const MAX_TOPICS = 100_000;
const MAX_AGE_MS = 1000;
const FOLLOWED = 50;
/** How much more than the first hundred thousand topics the million may hold, and how much may be left in the end. */
const MOST_RATIO = 1.2;
const MOST_LEFT = 8 * 1_048_576;

const checks = new Checks();

async function touchAll(hub: Hub, count: number, from: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) {
    await hub.topic(`topic ${i}`).publish({ n: i });
    // As where there is a network: a hub's flush waits for the next turn, and `await` alone does not make one.
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Over its bound, a hub forgets the topics that were used longest ago. */
async function bounded(): Promise<void> {
  const before = liveBytes();
  const hub = new Hub();
  await touchAll(hub, MAX_TOPICS, 0);
  const full = liveBytes() - before;
  const start = performance.now();
  await touchAll(hub, TOPICS - MAX_TOPICS, MAX_TOPICS);
  const us = ((performance.now() - start) * 1000) / (TOPICS - MAX_TOPICS);
  const after = liveBytes() - before;
  const { topics, logEntries } = hub.stats();
  console.log(
    `bounded: ${MAX_TOPICS} topics hold ${mebibytes(full)}; after ${TOPICS} there are ${topics}, with ${logEntries} messages, in ` +
      `${mebibytes(after)}; ${us.toFixed(1)} us each`,
  );
  checks.that(topics === MAX_TOPICS && logEntries === MAX_TOPICS, `${topics} topics hold ${logEntries} messages`);
  checks.that(after < full * MOST_RATIO, `${mebibytes(after)} are held`);
  await hub.close({ drainMs: 0 });
}

/** Topics that have been idle for as long as their messages live are forgotten; those that are followed are not. */
async function aged(): Promise<void> {
  const before = liveBytes();
  const hub = new Hub({ maxTopics: 2 * TOPICS, log: { maxAgeMs: MAX_AGE_MS }, heartbeatMs: 0 });
  const epochs = new Map<string, string | undefined>();
  const requests = new AbortController();
  const responses: Response[] = [];
  for (let i = 0; i < FOLLOWED; i += 1) {
    const name = `topic ${i}`;
    const url = `http://soak/?wire=ndjson&topic=${encodeURIComponent(name)}`;
    const response = await hub.fetch(new Request(url, { signal: requests.signal }));
    checks.that(response.status === 200, `a follower was answered ${response.status}`);
    // One that nobody holds is collected, and its connection with it.
    responses.push(response);
    epochs.set(name, placesOf(await hub.topic(name).publish(0)).get(name)?.epoch);
  }
  const start = performance.now();
  await touchAll(hub, TOPICS, 0);
  const touchedMs = performance.now() - start;
  const most = hub.stats().topics;
  const held = liveBytes() - before;
  await until(() => hub.stats().topics === FOLLOWED, 90_000);
  const goneMs = performance.now() - start - touchedMs;
  await sleep(100);
  const left = liveBytes() - before;
  const { topics, logEntries, connections } = hub.stats();
  console.log(
    `aged: ${most} topics, touched in ${(touchedMs / 1000).toFixed(1)} s, held ${mebibytes(held)}; ${(goneMs / 1000).toFixed(1)} s later ` +
      `${topics} are left, of which ${FOLLOWED} are followed, with ${logEntries} messages, in ${mebibytes(left)}`,
  );
  checks.that(topics === FOLLOWED && connections === FOLLOWED, `${topics} topics, ${connections} connections are left`);
  checks.that(logEntries === 0, `${logEntries} messages are left`);
  checks.that(left < MOST_LEFT, `${mebibytes(left)} are left`);
  for (const [name, epoch] of epochs) {
    const now = placesOf(await hub.topic(name).publish(1)).get(name)?.epoch;
    checks.that(now === epoch, `${name} is followed, and began anew`);
  }
  checks.that(responses.length === FOLLOWED, "some followers are missing");
  requests.abort();
  const empty = await until(() => hub.stats().topics === 0, 10 * MAX_AGE_MS);
  checks.that(empty, `${hub.stats().topics} topics are left that nobody follows`);
  await hub.close({ drainMs: 0 });
}

await bounded();
await aged();
checks.end();
