import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { AnswerProcess, ask, numberedBody, resume, type AnswerReader } from "../support/answer-process.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { until } from "../support/sources.ts";
import { sqliteFolder } from "../support/sqlite.ts";

const LEASE_MS = 1000;
const LOST = "Error: The server that wrote this answer was lost.";

const newProcess = (broker: string): AnswerProcess => new AnswerProcess({ broker, port: 0, leaseMs: LEASE_MS });

const has = (reader: AnswerReader, count: number): Promise<void> => until(() => reader.words.length >= count);

function expectSound(reader: AnswerReader, count: number): void {
  expect(reader.violation(count)).toBeUndefined();
}

describe("answers of three processes on Redis", () => {
  let redis: RedisServer;
  let processes: readonly [AnswerProcess, AnswerProcess, AnswerProcess];
  beforeAll(async () => {
    redis = await startRedis();
    processes = [newProcess(redis.url), newProcess(redis.url), newProcess(redis.url)];
    await Promise.all(processes.map((each) => each.start()));
  });
  afterAll(async () => {
    await Promise.all(processes.map((each) => each.kill()));
    await redis.close();
  });

  test("are read whole in each process", async () => {
    const [first] = processes;
    const asker = ask(first.transport(numberedBody(30, 5)), "whole");
    await has(asker, 3);
    const readers = [asker, ...processes.map((each) => resume(each.transport(), "whole"))];
    for (const reader of readers) {
      await reader.done;
      expect(reader.outcome).toBe("whole");
      expectSound(reader, 30);
    }
  });

  test("are stopped from another process, for all readers", async () => {
    const [first, second, third] = processes;
    const asker = ask(first.transport(numberedBody(100_000, 20)), "stopped");
    await has(asker, 2);
    const readers = [asker, resume(second.transport(), "stopped"), resume(third.transport(), "stopped")];
    for (const reader of readers) await has(reader, 2);
    await third.transport().stop("stopped");
    for (const reader of readers) {
      await reader.done;
      expect(reader.outcome).toBe("stopped");
      expectSound(reader, 100_000);
    }
  });

  test("fail for readers in other processes, and for those that come later, when their process is killed", async () => {
    const [first, second, third] = processes;
    const asker = ask(first.transport({ ...numberedBody(100_000, 20), giveUpAfterMs: 0 }), "killed");
    await has(asker, 2);
    const reader = resume(second.transport(), "killed");
    await has(reader, 2);
    await first.kill();
    await Promise.all([asker.done, reader.done]);
    expect(asker.outcome).toMatch(/TypeError: network error/);
    expect(reader.outcome).toBe(LOST);
    const later = resume(third.transport(), "killed");
    await later.done;
    expect(later.outcome).toBe(LOST);
    expect(later.words).toEqual(reader.words);
    await first.start();
  });

  test("are not begun twice by a question that arrives in two processes", async () => {
    const [first, second] = processes;
    const headers = { "content-type": "application/json", "idempotency-key": "one question" };
    const body = JSON.stringify({ id: "once", words: 20, pauseMs: 20 });
    const post = (api: string): Promise<Response> => fetch(api, { method: "POST", headers, body });
    const one = await post(first.api);
    const other = await post(second.api);
    const words = (text: string): string[] =>
      Array.from(text.matchAll(/"delta":"(\w+:\d+) "/g), ([, word = ""]) => word);
    const [told, joined] = [words(await one.text()), words(await other.text())];
    expect(told.length).toBe(20);
    expect(joined).toEqual(told);
  });

  test("begin anew in another process than the former answer", async () => {
    const [first, second, third] = processes;
    const former = ask(first.transport(numberedBody(3, 1)), "anew");
    await former.done;
    const reader = resume(second.transport(), "anew");
    await reader.done;
    const next = ask(third.transport(numberedBody(5, 1)), "anew");
    await next.done;
    expect([former.outcome, reader.outcome, next.outcome]).toEqual(["whole", "whole", "whole"]);
    expectSound(next, 5);
    for (const each of [first, second, third]) {
      const later = resume(each.transport(), "anew");
      await later.done;
      expect(later.words).toEqual(next.words);
    }
  });
});

describe("answers in a SQLite file", () => {
  test("are whole after a restart if they had ended, and failed otherwise", async () => {
    const folder = sqliteFolder();
    onTestFinished(() => folder.close());
    const server = newProcess(folder.path);
    onTestFinished(() => server.kill());
    await server.start();
    const whole = ask(server.transport(numberedBody(10, 1)), "whole");
    await whole.done;
    const cut = ask(server.transport(numberedBody(100_000, 20)), "cut");
    await has(cut, 3);
    await server.kill();
    await server.start();
    await cut.done;
    expect(cut.outcome).toBe(LOST);
    expectSound(cut, 100_000);
    const [again, lost] = [resume(server.transport(), "whole"), resume(server.transport(), "cut")];
    await Promise.all([again.done, lost.done]);
    expect(again.outcome).toBe("whole");
    expect(again.words).toEqual(whole.words);
    expect(lost.outcome).toBe(LOST);
    expect(lost.words).toEqual(cut.words);
  });
});
