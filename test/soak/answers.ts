/**
 * Answers of three processes on Redis, for `useChat`, while the processes are killed and the readers reload at random: every reader ends with
 * the whole answer or an error, none waits for longer than the limits say, and none sees a word twice. `ANSWERS` changes the number.
 */
import { AnswerProcess, ask, numberedBody, resume, type AnswerReader } from "../support/answer-process.ts";
import { startRedis } from "../support/redis.ts";
import { sleep } from "./support/clock.ts";
import { amount, isShort, shortMs } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";

const answers = amount("ANSWERS", 200, 60);
const concurrency = amount("CONCURRENCY", 12, 8);
const LEASE_MS = 2000;
/** The longest time between two deaths of a process, in milliseconds. */
const MAX_PEACE_MS = 2500;
const GIVE_UP_MS = 15_000;
/** The time that a reader may take beyond an answer's own: a lease, the repair of its connection, and a busy machine. */
const BEYOND_MS = GIVE_UP_MS + LEASE_MS + 20_000;

const checks = new Checks();
const random = new Random(seedOfRun());
const redis = await startRedis();
const processes = Array.from({ length: 3 }, () => new AnswerProcess({ broker: redis.url, port: 0, leaseMs: LEASE_MS }));
await Promise.all(processes.map((each) => each.start()));

const outcomes = new Map<string, number>();
let readers = 0;
let reloads = 0;
let stops = 0;
let kills = 0;
let worstMs = 0;
let isOver = false;

/** Waits for a reader, which must end in time, soundly. */
async function judge(reader: AnswerReader, words: number, limitMs: number, what: string): Promise<void> {
  readers += 1;
  const began = performance.now();
  const isDone = await Promise.race([reader.done.then(() => true), sleep(limitMs).then(() => false)]);
  worstMs = Math.max(worstMs, performance.now() - began);
  checks.that(isDone, `${what} hangs after ${reader.words.length} of ${words} words`);
  if (!isDone) reader.leave();
  const violation = reader.violation(words);
  checks.that(violation === undefined, `${what}: ${violation ?? ""}`);
  const outcome = reader.outcome ?? "hangs";
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

/** One answer with its readers: the one that asks, and two that come later and reload. */
async function one(i: number, own: Random): Promise<void> {
  const chat = `chat-${i}`;
  const words = own.magnitude(1, 150);
  const pauseMs = own.whole(0, 30);
  const limitMs = words * (pauseMs + 5) + BEYOND_MS;
  const transport = (): ReturnType<AnswerProcess["transport"]> =>
    own
      .pick(processes)
      .transport({ ...numberedBody(words, pauseMs), giveUpAfterMs: GIVE_UP_MS, idleTimeoutMs: 10_000 });
  const asker = ask(transport(), chat);
  const judged = [judge(asker, words, limitMs, `the asker of ${chat}`)];
  for (let n = 0; n < 2; n += 1) {
    await sleep(own.whole(0, words * pauseMs));
    let reader = resume(transport(), chat);
    while (own.chance(0.5)) {
      await sleep(own.whole(0, 300));
      reader.leave();
      await reader.done;
      checks.that(
        reader.violation(words) === undefined,
        `a reader of ${chat} that has left: ${reader.violation(words) ?? ""}`,
      );
      reloads += 1;
      reader = resume(transport(), chat);
    }
    judged.push(judge(reader, words, limitMs, `reader ${n} of ${chat}`));
  }
  if (own.chance(0.15)) {
    stops += 1;
    // The process may be dead: a person presses the button again.
    await transport()
      .stop(chat)
      .catch(() => undefined);
  }
  await Promise.all(judged);
}

async function harm(): Promise<void> {
  while (!isOver) {
    await sleep(random.whole(200, MAX_PEACE_MS));
    const victim = random.pick(processes);
    await victim.kill();
    kills += 1;
    await sleep(random.whole(0, 500));
    await victim.start();
  }
}

const harming = harm();
const deadline = performance.now() + shortMs(0.3);
let next = 0;
const began = performance.now();
await Promise.all(
  Array.from({ length: concurrency }, async () => {
    while (next < answers && performance.now() < deadline) {
      const own = random.fork();
      next += 1;
      await one(next, own);
    }
  }),
);
isOver = true;
await harming;
const table = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
console.log(
  `  ${next} answers, ${readers} readers (${table}), ${reloads} reloads, ${stops} stops, ${kills} kills; ` +
    `the longest wait ${(worstMs / 1000).toFixed(1)} s, in all ${((performance.now() - began) / 1000).toFixed(0)} s`,
);
checks.that(kills > 0, "no process was killed");
checks.that((outcomes.get("whole") ?? 0) > 0, "no reader has had a whole answer");
checks.that(isShort || next === answers, `only ${next} answers`);
checks.end();
await Promise.all(processes.map((each) => each.kill()));
await redis.close();
// Clients may still wait for processes that are gone.
process.exit();
