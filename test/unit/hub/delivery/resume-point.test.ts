import { expect, test } from "vitest";
import { resumePoint } from "../../../../src/hub/delivery/resume-point.ts";
import { Log } from "../../../../src/log/log.ts";
import { LogMemory } from "../../../../src/log/log-memory.ts";

/** A log of a broker whose offsets have holes, which begins after offset 100 and holds the newest two of five messages. */
function replica(isDense: boolean): Log {
  const bounds = { maxEntries: 2, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
  const log = new Log("t", "", { bounds, keepNewest: true, isDense, memory: new LogMemory(Infinity) });
  log.restart("e", 100);
  for (let i = 1; i <= 5; i += 1) {
    const message = { json: "1", text: undefined, event: undefined, key: `k${i}`, messageId: undefined, bytes: 1 };
    log.append(message, i, 0, 0, 100 + i);
  }
  return log;
}

test.each(["resume", "skip", "latest"] as const)(
  "opens with an uncounted gap where offsets do not count messages, under the policy %s",
  (policy) => {
    const log = replica(false);
    expect(resumePoint(log, { epoch: "e", offset: 50 }, "newest", policy, log.head)).toMatchObject({
      state: "gap",
      missed: null,
    });
  },
);

test("counts the messages before a replica began where offsets are dense", () => {
  const log = replica(true);
  const point = resumePoint(log, { epoch: "e", offset: 50 }, "newest", "resume", log.head);
  expect(point).toEqual({ state: "gap", cursor: log.floor, missed: 53 });
});
